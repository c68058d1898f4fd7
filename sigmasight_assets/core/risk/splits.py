"""What later splits make of a figure recorded on a day (methodology, section 4, Splits)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sigmasight_assets.core.shapes.book import CorporateActions, Days, Ints, Texts
from sigmasight_assets.core.shapes.panel import Floats, locate

SPAN: Final = 1 << 20
"""More than any day number or calendar position: symbol x SPAN + day sorts by symbol, then day."""


@dataclass(frozen=True)
class SplitHistory:
    """The splits of some symbols, sorted by (symbol, ex-date).

    key: (K,) symbol x SPAN + ex-date as a day number. factor: (K,) product of that symbol's
    ratios (new shares per old) from this split to its last.
    """

    key: Ints
    factor: Floats

    def factor_after(self, symbol: Ints, day: Days) -> Floats:
        """Product of the ratios of each symbol's splits with an ex-date after its day.

        symbol: (N,) as numbered in the history. day: (N,). 1 where there is no such split.
        """
        after = np.searchsorted(self.key, symbol * SPAN + day_number(day), side="right")
        product = np.ones(len(symbol))
        within = np.flatnonzero(after < len(self.key))
        split = within[self.key[after[within]] // SPAN == symbol[within]]
        product[split] = self.factor[after[split]]
        return product


def day_number(days: Days) -> Ints:
    """Days since 1970-01-01."""
    return days.astype("datetime64[D]").astype(np.int64)


def split_history(actions: CorporateActions, names: Texts) -> SplitHistory:
    """The splits among the actions, symbols numbered by their place in the sorted `names`."""
    number = locate(tuple(names), actions.symbol)
    rows = np.flatnonzero((number >= 0) & np.isfinite(actions.split_ratio))
    symbol, factor = number[rows], actions.split_ratio[rows].astype(np.float64)
    for i in range(len(rows) - 2, -1, -1):
        if symbol[i] == symbol[i + 1]:
            factor[i] *= factor[i + 1]
    return SplitHistory(symbol * SPAN + day_number(actions.ex_date[rows]), factor)
