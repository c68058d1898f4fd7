"""Sums over the lots of each portfolio, in order of position id (methodology 1, Numerics)."""

from __future__ import annotations

import numpy as np

from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Bools, Floats


def portfolio_sums(portfolio: Ints, amount: Floats, counted: Bools, size: int) -> Floats:
    """The sum of the counted amounts of each of `size` portfolios, 0 where nothing counts.

    portfolio, amount, counted: (N,); amount may be NaN where it does not count. bincount adds one
    after the other, so a portfolio's sum has the same bits whichever portfolios share the call.
    """
    sums: Floats = np.bincount(portfolio, np.where(counted, amount, 0.0), size).astype(np.float64)
    return sums
