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

    row, symbol: one entry for each time a symbol is mentioned. Rows without symbols share one
    empty list: there are many of them, and what is shared is stored at the price of one.
    """
    names, name = np.unique(symbol, return_inverse=True)
    owner, name = np.divmod(np.unique(row * len(names) + name), max(len(names), 1))
    lists = documents([[]] * rows)
    filled = np.unique(owner)
    first, last = np.searchsorted(owner, filled), np.searchsorted(owner, filled, side="right")
    for at, start, stop in zip(filled, first, last, strict=True):
        lists[at] = names[name[start:stop]].tolist()
    return lists


def without_reason(reason: NDArray[Any]) -> Bools:
    """Where a reason is None: the figures it explains are known. Shape of `reason`."""
    known = np.array([word is None for word in reason.ravel()], dtype=np.bool_)
    return known.reshape(reason.shape)


def session_column(session: date, rows: int) -> NDArray[np.datetime64]:
    """The session, once for each row."""
    return np.full(rows, np.datetime64(session, "D"))
