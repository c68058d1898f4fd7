"""Prices as arrays: sessions down, symbols across."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Columns = Mapping[str, NDArray[Any]]
"""Rows of one table as arrays of equal length, keyed by column name.

The one shape in which calculations hand rows to the database room. Absent values are NaN in
float arrays, NaT in datetime64[D] arrays and None in object arrays; integer and boolean arrays
have none. Text is an object array of str, or a fixed-width str array in which '' is absent.
JSON columns are object arrays of dict or list, ARRAY columns object arrays of arrays.
"""


@dataclass(frozen=True)
class PricePanel:
    """Prices of many symbols over consecutive NYSE sessions.

    symbols: sorted, distinct, S of them.
    sessions: datetime64[D], ascending, consecutive sessions, T of them.
    close: (T, S) split-adjusted price in USD, NaN = no price.
    adj_close: (T, S) split- and dividend-adjusted price, NaN = no price.
    """

    symbols: tuple[str, ...]
    sessions: NDArray[np.datetime64]
    close: Floats
    adj_close: Floats

    def row(self, session: date) -> int:
        """The row of a session.

        Raises:
            KeyError: if the panel does not hold it.
        """
        found = int(np.searchsorted(self.sessions, np.datetime64(session)))
        if found == len(self.sessions) or self.sessions[found] != np.datetime64(session):
            raise KeyError(f"session {session} is not in the panel")
        return found


def locate(symbols: tuple[str, ...], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """The index in sorted `symbols` of each wanted symbol, -1 where absent. Shape of `wanted`."""
    known = np.asarray(symbols, dtype=str)
    asked = np.asarray(wanted, dtype=str)
    if not len(known):
        return np.full(len(asked), -1, dtype=np.int64)
    found = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[found] == asked, found, -1).astype(np.int64)
