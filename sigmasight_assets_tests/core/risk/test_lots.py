"""Effective lots: dates as sessions, splits, and options that expire."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from sigmasight_assets.core.risk.last_closes import last_closes
from sigmasight_assets.core.risk.lots import EffectiveLots, effective_lots
from sigmasight_assets.core.sessions import session_at, session_number
from sigmasight_assets_tests.core.risk.books import (
    Action,
    Lot,
    Owner,
    make_book,
    make_panel,
    option,
    private,
)

PANEL = make_panel(
    {
        "STOCK": {"2024-01-02": 100, "2024-01-03": 104, "2024-01-05": 112, "2024-01-19": 125},
        "QUIET": {"2024-01-02": 50},
        "OPT": {"2024-01-03": 3.5},
    },
    last="2024-02-09",
)


def lots_of(*lots: Lot, splits: list[Action] | None = None) -> EffectiveLots:
    book = make_book(Owner(10_000, "2024-01-02", lots), splits=splits or ())
    return effective_lots(book, last_closes(PANEL))


def expiring(**terms: object) -> Lot:
    given = {"is_call": True, "strike": 110.0, "expiration": "2024-01-05"} | terms
    return option("OPT", 1, 2.0, "2024-01-03", **given)  # type: ignore[arg-type]


def exit_of(effective: EffectiveLots) -> tuple[date, float]:
    return session_at(int(effective.exit_session[0])), float(effective.exit_price[0])


def test_an_event_dated_on_a_weekend_belongs_to_the_next_session():
    lots = lots_of(Lot("STOCK", 1, 100, "2024-01-06", 110, "2024-01-13"))
    assert session_at(int(lots.entry_session[0])) == date(2024, 1, 8)
    # Monday 15 January is a holiday
    assert session_at(int(lots.exit_session[0])) == date(2024, 1, 16)


def test_a_lot_is_open_from_its_entry_session_until_before_its_exit_session():
    lots = lots_of(Lot("STOCK", 1, 100, "2024-01-03", 110, "2024-01-05"))
    days = [date(2024, 1, d) for d in (2, 3, 4, 5, 8)]
    assert [bool(lots.open_on(int(session_number(d)))[0]) for d in days] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_a_lot_without_an_exit_stays_open():
    lots = lots_of(Lot("STOCK", 1, 100, "2024-01-03"))
    assert lots.open_on(int(session_number(date(2039, 12, 30))))[0]


def test_splits_after_the_day_of_recording_multiply_quantity_and_divide_prices():
    splits = [
        ("STOCK", "2024-01-08", 4.0),
        ("STOCK", "2024-01-17", 1.5),
        ("QUIET", "2024-01-04", 7),
    ]
    lots = lots_of(
        Lot("STOCK", 10, 120, "2024-01-02"),
        Lot("STOCK", 10, 120, "2024-01-02", recorded_on="2024-01-07"),
        Lot("STOCK", 10, 120, "2024-01-02", recorded_on="2024-01-08"),
        Lot("STOCK", -10, 120, "2024-01-02", recorded_on="2024-01-17"),
        splits=splits,
    )
    assert lots.quantity.tolist() == [60, 60, 15, -10]
    assert lots.entry_price.tolist() == [20, 20, 80, 120]
    assert lots.units.tolist() == lots.quantity.tolist()


def test_an_exit_price_is_divided_by_the_splits_after_its_own_recording():
    splits = [("STOCK", "2024-01-08", 4.0)]
    early, late, unknown = (
        Lot("STOCK", 10, 120, "2024-01-02", 130, "2024-01-10", exit_recorded_on=recorded)
        for recorded in ("2024-01-05", "2024-01-10", "NaT")
    )
    lots = lots_of(early, late, unknown, splits=splits)
    assert lots.exit_price.tolist() == [32.5, 130, 32.5]


def test_private_lots_and_option_contracts_do_not_split():
    splits = [
        ("P_ONE", "2024-01-08", 4.0),
        ("OPT", "2024-01-08", 4.0),
        ("STOCK", "2024-01-08", 4.0),
    ]
    lots = lots_of(
        private("P_ONE", 10, 5, "2024-01-02", {}),
        option("OPT", 2, 3, "2024-01-02", is_call=True, strike=110, expiration="2024-06-21"),
        splits=splits,
    )
    assert lots.quantity.tolist() == [10, 2]
    assert lots.entry_price.tolist() == [5, 3]
    assert lots.units.tolist() == [10, 200]


@pytest.mark.parametrize(
    ("is_call", "strike", "expected"),
    [(True, 110.0, 2.0), (True, 120.0, 0.0), (False, 120.0, 8.0), (False, 110.0, 0.0)],
)
def test_an_option_is_closed_at_intrinsic_value_on_its_expiry(is_call, strike, expected):
    lots = lots_of(expiring(is_call=is_call, strike=strike))
    assert exit_of(lots) == (date(2024, 1, 5), expected)
    assert not lots.settled_stale[0]
    assert not lots.settled_at_cost[0]


@pytest.mark.parametrize(
    ("expiration", "session"),
    [("2024-01-06", date(2024, 1, 5)), ("2024-01-15", date(2024, 1, 12))],
)
def test_an_expiry_without_trading_settles_on_the_last_session_before(expiration, session):
    assert exit_of(lots_of(expiring(expiration=expiration)))[0] == session


def test_an_expiry_before_the_entry_settles_on_the_entry_session():
    lots = lots_of(expiring(expiration="2024-01-02"))
    assert exit_of(lots) == (date(2024, 1, 3), 0.0)


def test_an_exit_recorded_by_the_owner_replaces_the_expiry():
    lots = lots_of(expiring(exit_price=1.25, exit_date="2024-01-04"))
    assert exit_of(lots) == (date(2024, 1, 4), 1.25)
    late = lots_of(expiring(exit_price=1.25, exit_date="2024-01-10"))
    assert exit_of(late) == (date(2024, 1, 10), 1.25)


def test_the_strike_meets_the_close_as_it_was_traded_that_day():
    # A later 4:1 split left 112 in the store where 448 was paid.
    lots = lots_of(
        expiring(strike=440.0),
        splits=[("STOCK", "2024-01-05", 10.0), ("STOCK", "2024-01-08", 4.0)],
    )
    assert exit_of(lots) == (date(2024, 1, 5), 8.0)


def test_a_missing_close_at_expiry_is_replaced_by_the_last_earlier_one():
    recent = lots_of(expiring(expiration="2024-01-04"))
    assert exit_of(recent) == (date(2024, 1, 4), 0.0)
    assert not recent.settled_stale[0]
    old = lots_of(expiring(strike=45.0, underlying="QUIET", expiration="2024-01-10"))
    assert exit_of(old) == (date(2024, 1, 10), 5.0)
    assert old.settled_stale[0]


def test_an_underlying_without_prices_settles_at_the_last_price_of_the_option():
    lots = lots_of(expiring(underlying="NOBODY"))
    assert exit_of(lots) == (date(2024, 1, 5), 3.5)
    assert lots.settled_stale[0]
    assert not lots.settled_at_cost[0]


def test_an_option_settles_at_cost_when_neither_it_nor_its_underlying_has_a_price():
    lots = lots_of(
        option(
            "NEVER", 1, 2.0, "2024-01-03", is_call=True, strike=1, expiration="2024-01-05",
            underlying="NOBODY",
        )
    )  # fmt: skip
    assert exit_of(lots) == (date(2024, 1, 5), 2.0)
    assert lots.settled_at_cost[0]
    assert not lots.settled_stale[0]


def test_a_book_without_lots_has_no_effective_lots():
    assert np.array_equal(lots_of().open_on(0), np.empty(0, dtype=bool))
