"""Returns from prices, and the sessions a formula looks at (methodology, section 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.shapes.panel import Floats, PricePanel, locate

BLOCK: Final = 512
"""Symbols per sum over sessions. numpy chooses the order of a sum by the shape of its operands,
so every such sum runs on blocks of this one width: they also fit the processor's cache."""


def simple_returns(prices: Floats) -> Floats:
    """Simple return of each session: price / price of the session before - 1.

    Shape (T, S) as `prices`. NaN unless both sessions have a price, so never across a gap; the
    first row is NaN. A quotient that is not positive and finite is NaN (methodology, section 1).
    """
    return _price_ratios(prices) - 1.0


def log_returns(prices: Floats) -> Floats:
    """Natural logarithm of each session's price ratio.

    Shape (T, S) and NaN policy of `simple_returns` (methodology, section 6).
    """
    logs: Floats = np.log(_price_ratios(prices))
    return logs


def _price_ratios(prices: Floats) -> Floats:
    ratios = np.full(prices.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        np.divide(prices[1:], prices[:-1], out=ratios[1:])
    ratios[~((ratios > 0.0) & (ratios < np.inf))] = np.nan
    return ratios


def window(matrix: Floats, row: int, n: int) -> Floats:
    """The n rows of a (T, S) matrix that end at `row`, shape (n, S).

    Sessions before the first row are NaN: a panel may be shorter than the window.
    """
    missing = n - 1 - row
    if missing <= 0:
        return matrix[row + 1 - n : row + 1]
    return np.vstack([np.full((missing, matrix.shape[1]), np.nan), matrix[: row + 1]])


def of_proxies(panel: PricePanel, matrix: Floats) -> Floats:
    """The columns of the eight factor proxies, in the order of core.factors.PROXIES.

    matrix: (n, S) over the panel's symbols. Returns (n, 8), NaN for a proxy that is not there.
    """
    found = locate(panel.symbols, np.array(PROXIES))
    columns = np.full((len(matrix), len(PROXIES)), np.nan)
    columns[:, found >= 0] = matrix[:, found[found >= 0]]
    return columns


def blocks(matrix: Floats) -> Iterator[Floats]:
    """The columns of (n, S) in order, as (n, BLOCK) arrays; the last is filled up with NaN."""
    for start in range(0, matrix.shape[1], BLOCK):
        part = matrix[:, start : start + BLOCK]
        block = np.full((len(matrix), BLOCK), np.nan)
        block[:, : part.shape[1]] = part
        yield block
