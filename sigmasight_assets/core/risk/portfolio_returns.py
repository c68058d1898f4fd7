"""The past returns of what portfolios hold on t (methodology, section 7)."""

from __future__ import annotations

from typing import Final

import numpy as np

from sigmasight_assets.core.risk.portfolio_sums import portfolio_sums
from sigmasight_assets.core.risk.returns import simple_returns, window
from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Bools, Floats, PricePanel

MINIMUM_COVERAGE: Final = 0.9
_ROUNDING: Final = 1e-9
"""Relative to gross value: exactly 90 % counts, however its lots are cut."""

_BLOCK: Final = 256
"""Portfolios accumulated together: their series stay in the processor's cache."""


def past_returns(panel: PricePanel, row: int, columns: Ints, sessions: int) -> Floats:
    """Simple total returns of some symbols over the sessions ending at a panel row.

    columns: (U,) panel columns, -1 = not in the panel. Shape (U, sessions), in session order; NaN
    unless both sessions of a return have a price, and before the panel's first session.
    """
    held = np.flatnonzero(columns >= 0)
    prices = np.full((sessions + 1, len(columns)), np.nan)
    prices[:, held] = window(panel.adj_close, row, sessions + 1)[:, columns[held]]
    return np.ascontiguousarray(simple_returns(prices)[1:].T)


def portfolio_returns(
    returns: Floats, symbol: Ints, portfolio: Ints, market_value: Floats, net_asset_value: Floats
) -> Floats:
    """Return series of P portfolios: open PUBLIC lots at weight MV / NAV. Shape (P, R).

    returns: (U, R) of symbols. symbol (index into returns), portfolio, market_value: the open
    PUBLIC lots, (N,), sorted by portfolio and position id. net_asset_value: (P,).
    A session on which symbols with less than 90 % of the gross PUBLIC value have a return is NaN,
    otherwise a missing return counts 0. All NaN where NAV is not positive or no lot has a value.
    """
    size = len(net_asset_value)
    positive = net_asset_value > 0
    nav = np.where(positive, net_asset_value, np.nan)
    missing = np.isnan(returns)
    series = _weighted_sums(
        np.where(missing, 0.0, returns), symbol, portfolio, market_value / nav[portfolio], size
    )
    gross_value = np.abs(market_value)
    gross = portfolio_sums(portfolio, gross_value, np.ones(len(portfolio), np.bool_), size)
    holed_symbol: Bools = np.any(missing, axis=1)
    holed = np.flatnonzero(holed_symbol[symbol])
    uncovered = _weighted_sums(
        missing.astype(np.float64), symbol[holed], portfolio[holed], gross_value[holed], size
    )
    allowed = gross * (1 - MINIMUM_COVERAGE + _ROUNDING)
    series[uncovered > allowed[:, None]] = np.nan
    series[~positive | (gross == 0)] = np.nan
    return series


def _weighted_sums(rows: Floats, row: Ints, portfolio: Ints, weight: Floats, size: int) -> Floats:
    """sum of weight x rows[row] over each portfolio's lots, in their order. Shape (size, R).

    The k-th lots of a block of portfolios are added together, elementwise, largest portfolios
    first; one matrix product would give bits that depend on the shape of the batch.
    """
    start = np.searchsorted(portfolio, np.arange(size + 1))
    count = np.diff(start)
    order = np.argsort(-count, kind="stable")
    total = np.zeros((size, rows.shape[1]))
    for first in range(0, size, _BLOCK):
        members = order[first : first + _BLOCK]
        block = np.zeros((len(members), rows.shape[1]))
        for slot in range(count[members[0]]):
            active = members[: np.searchsorted(-count[members], -slot)]
            lot = start[active] + slot
            block[: len(active)] += weight[lot, None] * rows[row[lot]]
        total[members] = block
    return total
