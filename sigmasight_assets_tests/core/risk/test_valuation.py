"""The price used on a session, market values, cash and NAV."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from sigmasight_assets.core.errors import NotASession
from sigmasight_assets.core.risk.valuation import price_book, value_book
from sigmasight_assets.core.sessions import between
from sigmasight_assets.core.shapes.book import Valuation
from sigmasight_assets.core.shapes.panel import PricePanel
from sigmasight_assets_tests.core.risk.books import (
    Lot,
    Owner,
    make_book,
    make_panel,
    only_row,
    option,
    private,
    rows_on,
)

JANUARY = make_panel({"STOCK": {"2024-01-02": 100, "2024-01-03": 110, "2024-01-05": 95}},
                     last="2024-01-19")  # fmt: skip


def valued(session: str, *lots: Lot, panel: PricePanel = JANUARY) -> Valuation:
    book = make_book(Owner(10_000, "2024-01-02", lots))
    return value_book(book, panel, date.fromisoformat(session))


def listed(session: str, *lots: Lot, panel: PricePanel = JANUARY) -> object:
    book = make_book(Owner(10_000, "2024-01-02", lots))
    row = only_row(rows_on(book, panel, session))
    assert row["is_partial"] == bool(row["missing_symbols"])
    return row["missing_symbols"]


def test_a_lot_is_worth_the_close_of_the_session():
    value = valued("2024-01-03", Lot("STOCK", -3, 90, "2023-12-01"))
    assert value.price.tolist() == [110]
    assert value.market_value.tolist() == [-330]


def test_a_missing_close_is_replaced_by_the_last_earlier_one():
    assert valued("2024-01-04", Lot("STOCK", 1, 90, "2023-12-01")).price.tolist() == [110]


def test_a_close_is_stale_when_more_than_five_sessions_old():
    lot = Lot("STOCK", 1, 90, "2023-12-01")
    assert listed("2024-01-12", lot) == []
    assert listed("2024-01-16", lot) == [{"symbol": "STOCK", "reason": "stale"}]
    assert valued("2024-01-16", lot).price.tolist() == [95]


def test_a_close_older_than_the_280_sessions_up_to_the_session_is_no_price():
    days = between(date(2022, 6, 1), date(2024, 1, 19))
    last = int(np.searchsorted(days, np.datetime64("2024-01-18")))
    for age, price in ((279, 70.0), (280, 90.0)):
        close = np.full((len(days), 1), np.nan)
        close[last - age] = 70.0
        panel = PricePanel(("STOCK",), days, close, close)
        value = valued("2024-01-18", Lot("STOCK", 1, 90, "2022-12-01"), panel=panel)
        assert value.price.tolist() == [price]


def test_a_symbol_without_any_price_is_worth_its_effective_entry_price():
    book = make_book(
        Owner(10_000, "2024-01-02", [Lot("NEW", 2, 90, "2023-12-01")]),
        splits=[("NEW", "2024-01-03", 3.0)],
    )
    value = value_book(book, JANUARY, date(2024, 1, 4))
    assert value.price.tolist() == [30]
    assert value.market_value.tolist() == [180]
    row = only_row(rows_on(book, JANUARY, "2024-01-04"))
    assert row["missing_symbols"] == [{"symbol": "NEW", "reason": "at_cost"}]
    assert np.isnat(row["price_date"])


def test_an_option_contract_counts_a_hundred_times_its_price():
    panel = make_panel({"OPT": {"2024-01-02": 2.5}, "STOCK": {"2024-01-02": 100}})
    lot = option("OPT", -2, 3, "2023-12-01", is_call=True, strike=100, expiration="2024-06-21")
    assert valued("2024-01-02", lot, panel=panel).market_value.tolist() == [-500]


def test_a_private_lot_is_worth_its_latest_stated_value():
    lot = private("P_ONE", 4, 10, "2023-12-01", {"2023-11-30": 44, "2024-01-06": 60})
    assert valued("2024-01-05", lot).market_value.tolist() == [44]
    assert valued("2024-01-08", lot).market_value.tolist() == [60]
    assert valued("2024-01-08", lot).price.tolist() == [15]
    assert listed("2024-01-19", lot) == []


def test_a_private_lot_without_a_value_yet_is_at_cost_even_if_its_symbol_trades():
    lot = private("STOCK", 4, 10, "2023-12-01", {"2024-01-08": 60})
    assert valued("2024-01-05", lot).market_value.tolist() == [40]
    assert listed("2024-01-05", lot) == [{"symbol": "STOCK", "reason": "at_cost"}]


def test_values_stated_for_one_private_lot_are_not_those_of_another():
    lots = [
        private("P_ONE", 1, 10, "2023-12-01", {"2024-01-03": 70}),
        private("P_ONE", 2, 10, "2023-12-01", {}),
        private("P_TWO", 3, 10, "2023-12-01", {"2024-01-02": 90}),
    ]
    assert valued("2024-01-05", *lots).market_value.tolist() == [70, 20, 90]


def test_a_lot_that_is_not_open_has_no_value():
    value = valued("2024-01-03", Lot("STOCK", 1, 90, "2024-01-05"))
    assert value.is_open.tolist() == [False]
    assert value.market_value.tolist() == [0]
    assert np.isnan(value.price).all()


def test_a_portfolio_does_not_exist_before_its_inception():
    book = make_book(Owner(10_000, "2024-01-05", [Lot("STOCK", 1, 90, "2023-12-01")]))
    value = value_book(book, JANUARY, date(2024, 1, 3))
    assert value.exists.tolist() == [False]
    assert value.is_open.tolist() == [False]
    assert np.isnan(value.net_asset_value).all()
    assert all(len(rows) == 0 for rows in rows_on(book, JANUARY, "2024-01-03").values())


def test_nav_at_inception_is_the_starting_equity_whatever_positions_cost():
    value = valued("2024-01-02", Lot("STOCK", 7, 1, "2023-12-01"))
    assert value.net_asset_value.tolist() == [10_000]
    assert valued("2024-01-03", Lot("STOCK", 7, 1, "2023-12-01")).net_asset_value.tolist() == [
        10_070
    ]


def test_a_panel_without_symbols_serves_private_portfolios():
    bare = PricePanel((), JANUARY.sessions, JANUARY.close[:, :0], JANUARY.close[:, :0])
    lots = [
        private("P_ONE", 1, 10, "2023-12-01", {"2024-01-03": 70}),
        Lot("NEW", 1, 5, "2024-01-03"),
    ]
    assert valued("2024-01-03", *lots, panel=bare).net_asset_value.tolist() == [10_060]
    assert listed("2024-01-03", *lots, panel=bare) == [{"symbol": "NEW", "reason": "at_cost"}]


def test_a_day_without_trading_is_refused():
    with pytest.raises(NotASession):
        valued("2024-01-06")


def test_a_session_outside_the_panel_is_refused():
    with pytest.raises(KeyError, match="2024-01-22"):
        valued("2024-01-22")


def test_a_panel_that_starts_after_an_inception_is_refused():
    book = make_book(Owner(1, "2020-01-02"))
    with pytest.raises(ValueError, match="portfolio p on 2020-01-02"):
        price_book(book, JANUARY)
