"""Sums over the lots of each portfolio, in order of position id (methodology 1, Numerics)."""

from __future__ import annotations

from typing import Final

import numpy as np

from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Bools, Floats

NETTED_OUT: Final = 1e-12
"""A net amount not above this share of its gross is the rounding error of lots that cancel."""


def portfolio_sums(portfolio: Ints, amount: Floats, counted: Bools, size: int) -> Floats:
    """The sum of the counted amounts of each of `size` portfolios, 0 where nothing counts.

    portfolio, amount, counted: (N,); amount may be NaN where it does not count. bincount adds one
    after the other, so a portfolio's sum has the same bits whichever portfolios share the call.
    """
    sums: Floats = np.bincount(portfolio, np.where(counted, amount, 0.0), size).astype(np.float64)
    return sums


def netted_sums(row: Ints, amount: Floats, size: int) -> Floats:
    """Signed sums by row, (N,) to (size,); exactly 0 where a long and a short cancel."""
    every = np.ones(len(row), dtype=np.bool_)
    net = portfolio_sums(row, amount, every, size)
    gross = portfolio_sums(row, np.abs(amount), every, size)
    return np.where(np.abs(net) <= NETTED_OUT * gross, 0.0, net)
