"""Profit and loss of one session and since inception (methodology, section 4, P&L).

daily_pnl is summed from the positions and the session's dividends, not taken as a difference of
NAVs: that the two agree, NAV_t - NAV_{t-1} = daily_pnl_t + capital_flow_t, is a check.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.portfolio_sums import portfolio_sums
from sigmasight_assets.core.risk.valuation import BookValue, PricedBook, value_on
from sigmasight_assets.core.shapes.panel import Bools, Floats


@dataclass(frozen=True)
class ProfitAndLoss:
    """Arrays (P,); USD except daily_return.

    daily_return: fraction, NaN where NAV_{t-1} <= 0. On inception daily_pnl and daily_return are
    0. Meaningless where the portfolio does not exist.
    """

    daily_pnl: Floats
    daily_return: Floats
    realized: Floats
    cumulative_realized: Floats
    unrealized: Floats
    dividends: Floats
    capital_flow: Floats


def profit_and_loss(priced: PricedBook, today: BookValue) -> ProfitAndLoss:
    """The P&L of every portfolio on the session of `today`.

    realized counts exits after inception, unrealized open lots, both against the effective entry
    price; they are for reporting and do not add up to total_pnl, which starts from P_inception.
    """
    t, lots = today.session, priced.lots
    before = value_on(priced, t - 1)
    dividends = _paid_on(priced, t)
    daily_pnl = _position_pnl(priced, before, today) + dividends
    cost = lots.units * lots.entry_price
    gain = lots.units * lots.exit_price - cost
    left = lots.exit_session > lots.inception
    return ProfitAndLoss(
        daily_pnl=daily_pnl,
        daily_return=_daily_return(priced, before, daily_pnl, t),
        realized=priced.total(gain, left & (lots.exit_session == t)),
        cumulative_realized=priced.total(gain, left & (lots.exit_session <= t)),
        unrealized=priced.total(today.prices.market_value - cost, today.valuation.is_open),
        dividends=dividends,
        capital_flow=_flowed_on(priced, t),
    )


def _position_pnl(priced: PricedBook, before: BookValue, today: BookValue) -> Floats:
    """Each lot's value at the end of the session less at its start, summed; 0 on inception.

    It starts at its market value on t-1, or at cost if it was entered on t; it ends at its market
    value on t, or at its proceeds if it was exited on t.
    """
    t, lots = today.session, priced.lots
    held: Bools = before.valuation.is_open
    entered = (lots.entry_session == t) & (lots.inception < t)
    start = np.where(held, before.prices.market_value, lots.units * lots.entry_price)
    exited = lots.exit_session == t
    end = np.where(exited, lots.units * lots.exit_price, today.prices.market_value)
    return priced.total(end - start, held | entered)


def _daily_return(priced: PricedBook, before: BookValue, daily_pnl: Floats, t: int) -> Floats:
    """daily_pnl / NAV_{t-1}, NaN where that is not positive; 0 on inception."""
    base = before.valuation.net_asset_value
    positive = base > 0
    earned = np.where(positive, daily_pnl / np.where(positive, base, 1.0), np.nan)
    return np.where(priced.inception == t, 0.0, earned)


def _paid_on(priced: PricedBook, t: int) -> Floats:
    """Dividends with an ex-date in (t-1, t], after inception."""
    paid = priced.dividends
    return portfolio_sums(paid.portfolio, paid.amount, paid.session == t, len(priced.inception))


def _flowed_on(priced: PricedBook, t: int) -> Floats:
    """Capital flows in (t-1, t], after inception."""
    flows = priced.book.flows
    counted = (priced.flow_session == t) & (priced.inception[flows.portfolio] < t)
    return portfolio_sums(flows.portfolio, flows.amount, counted, len(priced.inception))
