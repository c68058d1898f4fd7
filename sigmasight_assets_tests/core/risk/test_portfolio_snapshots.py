"""Ledgers worked by hand: cash, NAV, profit and loss, and the other columns of a snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigmasight_assets.core.db.tables import portfolio_snapshots as table
from sigmasight_assets.core.shapes.book import Book
from sigmasight_assets.core.shapes.factors import SymbolFactors
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

# Tuesday 2, Wednesday 3, Thursday 4, Friday 5, Monday 8 and Tuesday 9 January 2024.
STOCK = dict(
    zip(
        ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"),
        (100.0, 102.0, 101.0, 105.0, 104.0, 108.0),
        strict=True,
    )
)
PANEL = make_panel({"STOCK": STOCK, "OTHER": {"2024-01-02": 50.0, "2024-01-04": 40.0}})


def ledger(book: Book, session: str) -> dict[str, Any]:
    return only_row(rows_on(book, PANEL, session))


def check(book: Book, session: str, **expected: float) -> None:
    row = ledger(book, session)
    found = {name: row[name] for name in expected}
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


def owned(*lots: Lot, equity: float = 10_000, inception: str = "2024-01-02", **more: Any) -> Book:
    flows = more.pop("flows", ())
    return make_book(Owner(equity, inception, lots, flows), **more)


def test_the_columns_are_those_of_the_table():
    columns = rows_on(owned(), PANEL, "2024-01-03")
    wanted = {column.name for column in table.columns} - {"factor_exposures_reason"}
    assert set(columns) == wanted


def test_rows_are_those_of_existing_portfolios_in_order_of_id():
    book = make_book(
        Owner(1, "2024-01-03", id="c"),
        Owner(2, "2024-01-02", id="a"),
        Owner(3, "2024-01-04", id="b"),
    )
    columns = rows_on(book, PANEL, "2024-01-03")
    assert columns["portfolio_id"].tolist() == ["a", "c"]
    assert columns["net_asset_value"].tolist() == [2, 1]
    assert (columns["snapshot_date"] == np.datetime64("2024-01-03")).all()


def test_on_inception_nothing_has_been_earned_whatever_positions_cost():
    book = owned(Lot("STOCK", 10, 60, "2023-06-01"), flows=[("2024-01-02", 500.0)])
    check(
        book, "2024-01-02", net_asset_value=10_000, cash_value=9_000, daily_pnl=0, daily_return=0,
        total_pnl=0, pnl_percent=0, cumulative_realized_pnl=0, cumulative_dividends=0,
        capital_flow=0, cumulative_capital_flow=0, unrealized_pnl=400, total_cost=600,
    )  # fmt: skip


def test_a_held_position_earns_the_change_of_its_price():
    book = owned(Lot("STOCK", 10, 60, "2023-06-01"))
    check(
        book, "2024-01-04", net_asset_value=10_010, total_value=10_010, cash_value=9_000,
        daily_pnl=-10, daily_return=-10 / 10_020, total_pnl=10, cumulative_pnl=10,
        pnl_percent=0.1, unrealized_pnl=410, long_value=1_010, short_value=0,
    )  # fmt: skip


def test_an_entry_is_paid_at_its_price_and_earns_from_there():
    book = owned(Lot("STOCK", 10, 101.5, "2024-01-03"))
    check(book, "2024-01-02", cash_value=10_000, num_positions=0)
    check(book, "2024-01-03", cash_value=8_985, net_asset_value=10_005, daily_pnl=5)
    check(book, "2024-01-04", cash_value=8_985, net_asset_value=9_995, daily_pnl=-10)


def test_an_exit_earns_its_price_less_the_last_price_and_is_realised_against_entry():
    book = owned(Lot("STOCK", 10, 60, "2023-06-01", 103, "2024-01-04"))
    check(
        book, "2024-01-04", cash_value=10_030, net_asset_value=10_030, daily_pnl=10,
        realized_pnl=430, cumulative_realized_pnl=430, unrealized_pnl=0, num_positions=0,
    )  # fmt: skip
    check(
        book, "2024-01-05", net_asset_value=10_030, daily_pnl=0, realized_pnl=0,
        cumulative_realized_pnl=430,
    )  # fmt: skip


def test_a_short_gains_when_the_price_falls():
    book = owned(Lot("STOCK", -10, 102.5, "2024-01-03", 100, "2024-01-08"))
    check(
        book, "2024-01-03", cash_value=11_025, net_asset_value=10_005, daily_pnl=5,
        short_value=-1_020, gross_exposure=1_020, net_exposure=-1_020, total_cost=1_025,
    )  # fmt: skip
    check(book, "2024-01-04", daily_pnl=10, net_asset_value=10_015)
    check(book, "2024-01-08", daily_pnl=50, realized_pnl=25, net_asset_value=10_025)


def test_a_round_trip_within_a_session_earns_the_difference_and_nothing_else():
    # Bought on Saturday and sold on Monday: both belong to Monday 8 January.
    book = owned(
        Lot("STOCK", 10, 99, "2024-01-06", 101, "2024-01-08"),
        dividends=[("STOCK", "2024-01-08", 1.0)],
    )
    check(book, "2024-01-05", net_asset_value=10_000, num_positions=0)
    check(
        book, "2024-01-08", net_asset_value=10_020, daily_pnl=20, realized_pnl=20, dividends=0,
        num_positions=0,
    )  # fmt: skip
    check(book, "2024-01-09", net_asset_value=10_020, daily_pnl=0)


def test_trades_and_flows_dated_on_a_weekend_count_on_the_next_session():
    book = owned(Lot("STOCK", 10, 104, "2024-01-07"), flows=[("2024-01-06", 700.0)])
    check(book, "2024-01-05", cash_value=10_000, cumulative_capital_flow=0)
    check(book, "2024-01-08", cash_value=9_660, capital_flow=700, daily_pnl=0)


def test_a_trade_dated_the_day_after_a_friday_inception_comes_after_it():
    book = owned(Lot("STOCK", 10, 100, "2024-01-06"), inception="2024-01-05")
    check(book, "2024-01-05", cash_value=10_000)
    check(book, "2024-01-08", cash_value=9_000, daily_pnl=40)


def test_a_lot_exited_by_inception_never_counts():
    book = owned(Lot("STOCK", 10, 60, "2023-06-01", 103, "2024-01-02"))
    check(
        book, "2024-01-03", net_asset_value=10_000, cumulative_realized_pnl=0, daily_pnl=0
    )  # fmt: skip


def test_flows_change_nav_without_being_earned():
    book = owned(
        Lot("STOCK", 10, 60, "2023-06-01"), flows=[("2024-01-03", 1_000.0), ("2024-01-04", -400.0)]
    )
    check(book, "2024-01-03", net_asset_value=11_020, daily_pnl=20, capital_flow=1_000)
    check(
        book, "2024-01-04", net_asset_value=10_610, daily_pnl=-10, capital_flow=-400,
        cumulative_capital_flow=600, total_pnl=10, pnl_percent=1_000 / 10_600,
        daily_return=-10 / 11_020,
    )  # fmt: skip


def test_a_call_in_the_money_pays_its_intrinsic_value_at_expiry():
    book = owned(
        option("OPT", 2, 3, "2024-01-03", is_call=True, strike=100, expiration="2024-01-05")
    )
    check(book, "2024-01-04", cash_value=9_400, net_asset_value=10_000, num_option_positions=1)
    check(
        book, "2024-01-05", cash_value=10_400, net_asset_value=10_400, daily_pnl=400,
        realized_pnl=400, num_option_positions=0,
    )  # fmt: skip


def test_a_written_put_out_of_the_money_keeps_its_premium_at_expiry():
    book = owned(
        option("OPT", -2, 3, "2024-01-03", is_call=False, strike=100, expiration="2024-01-05")
    )
    check(book, "2024-01-04", cash_value=10_600, net_asset_value=10_000)
    check(book, "2024-01-05", cash_value=10_600, net_asset_value=10_600, daily_pnl=600)
    check(book, "2024-01-08", net_asset_value=10_600, daily_pnl=0, cumulative_realized_pnl=600)


def test_an_expiry_settled_without_a_close_of_the_underlying_is_listed_that_session():
    book = owned(
        option(
            "OPT", 1, 3, "2024-01-03", is_call=True, strike=100, expiration="2024-01-05",
            underlying="NOBODY",
        )
    )  # fmt: skip
    listed = [{"symbol": "OPT", "reason": "at_cost"}]
    assert ledger(book, "2024-01-05")["missing_symbols"] == listed
    assert ledger(book, "2024-01-05")["is_partial"]
    assert ledger(book, "2024-01-08")["missing_symbols"] == []


def test_an_expiry_settled_at_an_old_close_is_listed_as_stale_that_session():
    panel = make_panel({"STOCK": {"2024-01-02": 100.0}}, last="2024-01-12")
    terms = {"is_call": True, "strike": 90.0}
    recent = option("OPT1", 1, 3, "2024-01-03", expiration="2024-01-09", **terms)
    old = option("OPT2", 1, 3, "2024-01-03", expiration="2024-01-10", **terms)
    book = owned(recent, old)
    day_5, day_6 = (only_row(rows_on(book, panel, f"2024-01-{n}")) for n in ("09", "10"))
    assert day_5["missing_symbols"] == [{"symbol": "OPT2", "reason": "at_cost"}]
    assert day_6["missing_symbols"] == [{"symbol": "OPT2", "reason": "stale"}]
    assert day_6["cash_value"] == 10_000 - 600 + 2_000


def test_an_option_that_expired_by_inception_is_not_listed():
    contract = option(
        "OPT", 1, 3, "2023-06-01", is_call=True, strike=100, expiration="2024-01-02",
        underlying="NOBODY",
    )  # fmt: skip
    row = ledger(owned(contract), "2024-01-02")
    assert (row["missing_symbols"], row["cash_value"]) == ([], 10_000)


def test_a_revalued_private_lot_earns_the_change_of_its_value():
    book = owned(private("P_ONE", 10, 50, "2023-06-01", {"2024-01-02": 600.0, "2024-01-04": 750.0}))
    check(book, "2024-01-02", net_asset_value=10_000, cash_value=9_400, unrealized_pnl=100)
    check(book, "2024-01-03", daily_pnl=0, num_private_positions=1)
    check(
        book, "2024-01-04", daily_pnl=150, net_asset_value=10_150,
        private_allocation_pct=75_000 / 10_150,
    )  # fmt: skip


def test_a_missing_price_earns_nothing_until_the_next_one():
    book = owned(Lot("OTHER", 10, 60, "2023-06-01"), Lot("STOCK", 1, 60, "2023-06-01"))
    check(book, "2024-01-03", daily_pnl=2, net_asset_value=10_002)
    check(book, "2024-01-04", daily_pnl=-101, net_asset_value=9_901)
    assert ledger(book, "2024-01-03")["price_date"] == np.datetime64("2024-01-03")


def test_the_newest_close_used_is_the_price_date():
    book = owned(Lot("OTHER", 10, 60, "2023-06-01"))
    assert ledger(book, "2024-01-03")["price_date"] == np.datetime64("2024-01-02")
    assert ledger(book, "2024-01-09")["price_date"] == np.datetime64("2024-01-04")


def test_a_split_changes_no_value_and_makes_no_profit():
    # The store holds split-adjusted closes; on 3 January one share cost 408.
    book = owned(
        Lot("STOCK", 10, 400, "2024-01-02", recorded_on="2024-01-02"),
        Lot("STOCK", 5, 404, "2024-01-03", 420, "2024-01-08", recorded_on="2024-01-03"),
        splits=[("STOCK", "2024-01-05", 4.0)],
    )
    check(book, "2024-01-02", cash_value=6_000, long_value=4_000, unrealized_pnl=0)
    check(
        book, "2024-01-03", cash_value=3_980, net_asset_value=10_100, daily_pnl=80 + 20,
        total_cost=6_020,
    )  # fmt: skip
    check(book, "2024-01-05", net_asset_value=10_280, daily_pnl=240)
    # Sold at 420 as recorded on 3 January, which is 105 after the split.
    check(book, "2024-01-08", cash_value=6_080, daily_pnl=-40 + 0, realized_pnl=80)


def test_an_exit_recorded_after_the_split_is_taken_as_it_is():
    book = owned(
        Lot(
            "STOCK", 10, 400, "2024-01-02", 107, "2024-01-08", recorded_on="2024-01-02",
            exit_recorded_on="2024-01-08",
        ),
        splits=[("STOCK", "2024-01-05", 4.0)],
    )  # fmt: skip
    check(book, "2024-01-08", net_asset_value=10_280, daily_pnl=80, realized_pnl=280)


def test_dividends_are_paid_on_what_was_held_the_session_before():
    book = owned(
        Lot("STOCK", 10, 60, "2023-06-01", 103, "2024-01-04"),  # leaves on the ex-date: paid
        Lot("STOCK", 7, 101, "2024-01-04"),  # enters on the ex-date: not paid
        Lot("STOCK", -4, 60, "2023-06-01"),  # short: pays
        dividends=[
            ("STOCK", "2024-01-02", 9.0),
            ("STOCK", "2024-01-04", 0.5),
            ("OTHER", "2024-01-04", 1),
        ],
    )
    check(book, "2024-01-03", dividends=0, cumulative_dividends=0)
    check(
        book, "2024-01-04", dividends=3, daily_pnl=10 + 4 + 3, cash_value=9_400 + 1_030 - 707 + 3
    )  # fmt: skip
    check(book, "2024-01-05", dividends=0, cumulative_dividends=3)


def test_private_lots_and_options_receive_no_dividends():
    book = owned(
        private("STOCK", 10, 60, "2023-06-01", {}),
        option("OPT", 1, 3, "2023-06-01", is_call=True, strike=100, expiration="2024-06-21"),
        dividends=[("STOCK", "2024-01-04", 0.5), ("OPT", "2024-01-04", 0.5)],
    )
    check(book, "2024-01-04", dividends=0, cumulative_dividends=0, daily_pnl=0)


def test_a_dividend_dated_on_a_weekend_belongs_to_the_next_session():
    book = owned(Lot("STOCK", 10, 60, "2023-06-01"), dividends=[("STOCK", "2024-01-06", 0.5)])
    check(book, "2024-01-05", cumulative_dividends=0)
    check(book, "2024-01-08", dividends=5, daily_pnl=-10 + 5)


def test_a_dividend_is_paid_on_the_split_adjusted_quantity():
    book = owned(
        Lot("STOCK", 10, 400, "2024-01-02"),
        splits=[("STOCK", "2024-01-05", 4.0)],
        dividends=[("STOCK", "2024-01-03", 0.25), ("STOCK", "2024-01-08", 0.25)],
    )
    check(book, "2024-01-03", dividends=10)
    check(book, "2024-01-08", dividends=10, cumulative_dividends=20)


def test_a_portfolio_without_positions_is_worth_its_cash():
    row = ledger(owned(flows=[("2024-01-03", 250.0)]), "2024-01-04")
    assert (row["net_asset_value"], row["cash_value"]) == (10_250, 10_250)
    assert (row["num_positions"], row["sector_exposure"], row["missing_symbols"]) == (0, {}, [])
    for name in ("hhi", "effective_num_positions", "top_3_concentration", "coverage_pct",
                 "realized_volatility_21d", "beta_provider_coverage_pct"):  # fmt: skip
        assert np.isnan(row[name]), name
    assert np.isnat(row["price_date"])


def test_cash_may_be_negative():
    book = owned(Lot("STOCK", 300, 100, "2024-01-03"), equity=20_000)
    check(
        book, "2024-01-03", cash_value=-10_000, net_asset_value=20_600, daily_pnl=600,
        daily_return=0.03,
    )  # fmt: skip


def test_a_nav_that_is_not_positive_leaves_ratios_unknown():
    book = owned(Lot("STOCK", -100, 100, "2024-01-02"), equity=150)
    row = ledger(book, "2024-01-03")
    assert row["net_asset_value"] == -50
    assert row["daily_return"] == pytest.approx(-200 / 150)
    assert row["sector_exposure"] is None
    assert row["volatility_trend"] is None
    for name in ("beta_calculated_90d", "beta_provider_1y", "private_allocation_pct",
                 "realized_volatility_21d", "expected_volatility_21d"):  # fmt: skip
        assert np.isnan(row[name]), name
    assert row["hhi"] == 10_000
    after = ledger(book, "2024-01-04")
    assert after["net_asset_value"] == 50
    assert after["daily_pnl"] == 100
    assert np.isnan(after["daily_return"])


def test_pnl_percent_is_unknown_when_all_equity_was_withdrawn():
    book = owned(Lot("STOCK", 1, 60, "2023-06-01"), flows=[("2024-01-03", -10_000.0)])
    row = ledger(book, "2024-01-03")
    assert row["total_pnl"] == pytest.approx(2)
    assert np.isnan(row["pnl_percent"])


def test_betas_weigh_public_value_over_nav_and_say_how_much_they_cover():
    betas = np.full((2, 12), 9.0)
    betas[:, 0] = 1.5, np.nan
    factors = SymbolFactors(
        ("OTHER", "STOCK"), betas, np.full((2, 8), 9.0), np.array([np.nan, 0.8])
    )
    book = owned(
        Lot("OTHER", -20, 50, "2023-06-01"),
        Lot("STOCK", 30, 100, "2023-06-01"),
        private("OTHER", 1, 6_000, "2023-06-01", {}),
    )
    row = only_row(rows_on(book, PANEL, "2024-01-02", factors))
    assert row["beta_calculated_90d"] == pytest.approx(-1_000 * 1.5 / 10_000)
    assert row["beta_provider_1y"] == pytest.approx(3_000 * 0.8 / 10_000)
    assert row["coverage_pct"] == pytest.approx(10)
    assert row["beta_provider_coverage_pct"] == pytest.approx(30)
    assert row["private_allocation_pct"] == pytest.approx(60)


def test_missing_symbols_are_distinct_and_sorted():
    book = owned(
        Lot("ZZZ", 1, 5, "2023-06-01"),
        Lot("ZZZ", 2, 5, "2023-06-01"),
        Lot("AAA", 1, 5, "2023-06-01"),
        Lot("STOCK", 1, 5, "2023-06-01"),
    )
    assert ledger(book, "2024-01-03")["missing_symbols"] == [
        {"symbol": "AAA", "reason": "at_cost"},
        {"symbol": "ZZZ", "reason": "at_cost"},
    ]
