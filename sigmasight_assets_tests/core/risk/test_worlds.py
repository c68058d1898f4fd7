"""The generated worlds: the ledger's identities hold in them, and they hold what they promise."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from sigmasight_assets_tests.ledger import LedgerRow, ledger
from sigmasight_assets_tests.worlds import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(7)


@pytest.fixture(scope="module")
def books(world) -> list[list[LedgerRow]]:
    """Per portfolio, its rows from inception to the end."""
    return [
        [ledger(one, world.market, day) for day in world.window if day >= one.inception]
        for one in world.portfolios
    ]


def test_the_cash_book_and_the_trades_tell_the_same_story(books):
    for rows in books:
        for before, after in pairwise(rows):
            change = Fraction(after.net_asset_value) - Fraction(before.net_asset_value)
            told = Fraction(after.daily_pnl) + Fraction(after.capital_flow)
            scale = max(1, abs(after.net_asset_value), abs(before.net_asset_value))
            assert abs(change - told) <= Fraction(1, 10**15) * Fraction(scale)


def test_daily_figures_add_up_to_the_cumulative_ones(books):
    pairs = (
        ("daily_pnl", "total_pnl"),
        ("realized_pnl", "cumulative_realized_pnl"),
        ("dividends", "cumulative_dividends"),
        ("capital_flow", "cumulative_capital_flow"),
    )
    for rows in books:
        for daily, cumulative in pairs:
            total = sum(getattr(row, daily) for row in rows)
            assert float(getattr(rows[-1], cumulative)) == pytest.approx(float(total), abs=1e-12)


def test_a_world_is_decided_by_its_seed(world):
    again, other = make_world(7), make_world(8)
    assert again.portfolios == world.portfolios
    assert again.market == world.market
    np.testing.assert_array_equal(again.panel.close, world.panel.close)
    assert other.portfolios != world.portfolios


def test_the_arrays_of_a_world_are_its_ledger_inputs(world):
    lots, panel = world.book.lots, world.panel
    keys = list(zip(lots.portfolio.tolist(), lots.position_id.tolist(), strict=True))
    assert keys == sorted(keys)
    names = world.book.portfolios.id
    stated = {position.id: position for one in world.portfolios for position in one.positions}
    assert set(stated) == set(lots.position_id.tolist())
    for row, (owner_number, key) in enumerate(keys):
        assert key.startswith(f"{names[owner_number]}-")
        assert Decimal(repr(float(lots.quantity[row]))) == stated[key].quantity
        assert Decimal(repr(float(lots.entry_price[row]))) == stated[key].entry_price
    assert panel.row(world.window[0]) == 280
    assert panel.row(world.window[-1]) == len(panel.sessions) - 1
    for column, symbol in enumerate(panel.symbols):
        closes = panel.close[:, column]
        assert np.count_nonzero(~np.isnan(closes)) == len(world.market.prices[symbol])


def test_a_world_holds_every_kind_of_trade(world, books):
    lots = [(one, lot) for one in world.portfolios for lot in one.positions]
    options = [lot for _, lot in lots if lot.investment_class == "OPTIONS"]
    left = [lot for lot in options if lot.exit_date is None]
    sessions, end = set(world.market.sessions), world.window[-1]
    closes = world.market.prices
    flows = [flow for one in world.portfolios for flow in one.flows]
    rows = [row for portfolio_rows in books for row in portfolio_rows]
    found = {
        "empty portfolio": any(not one.positions for one in world.portfolios),
        "several inceptions": len({one.inception for one in world.portfolios}) > 5,
        "entry on inception": any(lot.entry_date == one.inception for one, lot in lots),
        "entry before": any(lot.entry_date < one.inception for one, lot in lots),
        "exit before": any((lot.exit_date or end) <= one.inception for one, lot in lots),
        "weekend trade": any(lot.entry_date.weekday() > 4 for _, lot in lots),
        "holiday trade": any(
            lot.entry_date.weekday() < 5 and lot.entry_date not in sessions for _, lot in lots
        ),
        "round trip": any(lot.exit_date == lot.entry_date for _, lot in lots),
        "long option expiring": any(o.quantity > 0 and o.expiration <= end for o in left),
        "short option expiring": any(o.quantity < 0 and o.expiration <= end for o in left),
        "option outliving": any(o.expiration > end for o in left),
        "weekend expiration": any(o.expiration.weekday() > 4 for o in left),
        "owner's option exit": any(o.exit_date is not None for o in options),
        "no price of the underlying": any(o.underlying not in closes for o in left),
        "revaluation": any(len(lot.valuations) > 1 for _, lot in lots),
        "no valuation": any(
            lot.investment_class == "PRIVATE" and not lot.valuations for _, lot in lots
        ),
        "contribution": any(flow.amount > 0 for flow in flows),
        "withdrawal": any(flow.amount < 0 for flow in flows),
        "margin": any(row.cash_value < 0 for row in rows),
        "no equity left": any(row.daily_return is None for row in rows),
        "no percentage": any(row.pnl_percent is None for row in rows),
        "dividend paid": any(row.dividends < 0 for row in rows),
        "netted away": any(row.num_positions and row.hhi is None for row in rows)
        or any(
            row.num_positions > row.num_long_positions + row.num_short_positions for row in rows
        ),
        "split before and after recording": {
            split.ex_date > lot.recorded_on
            for split in world.market.splits
            for _, lot in lots
            if lot.symbol == split.symbol
        }
        == {True, False},
    }
    for reason in ("stale", "at_cost"):
        found[reason] = any(reason in dict(map(reversed, row.missing_symbols)) for row in rows)
    assert [case for case, met in found.items() if not met] == []
