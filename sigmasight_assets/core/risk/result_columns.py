"""Columns of result rows that are not plain numbers: documents, reasons and the session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.shapes.book import Ints, Texts
from sigmasight_assets.core.shapes.panel import Bools


def documents(items: Sequence[Any]) -> NDArray[Any]:
    """An object array of the items as they are, whatever their lengths."""
    column = np.empty(len(items), dtype=object)
    for at, item in enumerate(items):
        column[at] = item
    return column


def symbol_lists(row: Ints, symbol: Texts, rows: int) -> NDArray[Any]:
    """The sorted distinct symbols of each of `rows` rows, as an object array of lists.

    row, symbol: one entry for each time a symbol is mentioned.
    """
    sets: list[set[str]] = [set() for _ in range(rows)]
    for at, name in zip(row.tolist(), symbol.tolist(), strict=True):
        sets[at].add(name)
    return documents([sorted(names) for names in sets])


def without_reason(reason: NDArray[Any]) -> Bools:
    """Where a reason is None: the figures it explains are known. Shape of `reason`."""
    known = np.array([word is None for word in reason.ravel()], dtype=np.bool_)
    return known.reshape(reason.shape)


def session_column(session: date, rows: int) -> NDArray[np.datetime64]:
    """The session, once for each row."""
    return np.full(rows, np.datetime64(session, "D"))
