"""Impossible bars are refused with a reason; improbable and incomplete ones are kept."""

from __future__ import annotations

import math

import pytest

from sigmasight_assets.core.market.screening import outcomes, screen
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets_tests.core.market.bar_rows import bars_of, refused, rows_of

DAY = "2025-03-03"
SOUND = {"open": 9.0, "high": 12.0, "low": 8.0, "close": 10.0, "adj_close": 9.5, "volume": 100.0}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"close": 0.0}, "zero_price"),
        ({"adj_close": -0.0}, "zero_price"),
        ({"open": 0.0}, "zero_price"),
        ({"low": -1.0}, "negative_price"),
        ({"adj_close": -9.5}, "negative_price"),
        ({"close": math.inf}, "non_finite_price"),
        ({"high": math.inf}, "non_finite_price"),
        ({"low": -math.inf}, "non_finite_price"),
        ({"close": math.nan, "adj_close": math.nan}, "no_price"),
        ({"high": 7.99}, "high_below_low"),
        ({"volume": -1.0}, "bad_volume"),
        ({"volume": math.inf}, "bad_volume"),
    ],
)
def test_an_impossible_value_refuses_its_bar_and_no_other(fault, reason):
    bars = bars_of(("A", DAY, SOUND | fault), ("B", DAY, SOUND))
    good, rejected = screen(bars)
    assert rows_of(good) == [("B", DAY)]
    assert rejected == (refused("A", DAY, reason),)


@pytest.mark.parametrize("unknown", ["open", "high", "low", "volume", "close", "adj_close"])
def test_a_value_that_is_merely_unknown_is_no_fault(unknown):
    bars = bars_of(("A", DAY, SOUND | {unknown: math.nan}))
    good, rejected = screen(bars)
    assert rows_of(good, unknown) == [("A", DAY, None)]
    assert rejected == ()


def test_a_bar_with_nothing_but_an_adjusted_close_is_good():
    good, rejected = screen(bars_of(("A", DAY, {"adj_close": 3.0})))
    assert rows_of(good, "adj_close", "volume") == [("A", DAY, 3.0, None)]
    assert rejected == ()


def test_no_volume_and_high_equal_to_low_are_sound():
    good, _ = screen(bars_of(("A", DAY, {"close": 5.0, "high": 5.0, "low": 5.0, "volume": 0.0})))
    assert len(good) == 1


@pytest.mark.parametrize(
    "closed", ["2025-03-02", "2025-01-09", "2025-07-04", "1960-01-04", "2222-01-03"]
)
def test_a_day_without_trading_is_refused(closed):
    good, rejected = screen(bars_of(("A", closed, SOUND), ("A", "2025-07-03", SOUND)))
    assert rows_of(good) == [("A", "2025-07-03")]
    assert rejected == (refused("A", closed, "not_a_session"),)


def test_the_first_reason_is_the_one_given():
    _, rejected = screen(bars_of(("A", "2025-03-02", {"close": -1.0, "high": 1.0, "low": 2.0})))
    assert [bar.reason for bar in rejected] == ["not_a_session"]
    _, rejected = screen(bars_of(("A", DAY, {"close": -1.0, "high": 1.0, "low": 2.0})))
    assert [bar.reason for bar in rejected] == ["negative_price"]


def test_equal_duplicates_are_one_bar():
    row = ("A", DAY, SOUND | {"volume": math.nan})
    good, rejected = screen(bars_of(row, ("A", "2025-03-04", SOUND), row, row))
    assert rows_of(good) == [("A", DAY), ("A", "2025-03-04")]
    assert rejected == ()


@pytest.mark.parametrize("other", [{"close": 10.000001}, {"volume": math.nan}, {"adj_close": 9.0}])
def test_contradictory_duplicates_are_all_refused(other):
    bars = bars_of(("A", DAY, SOUND), ("B", DAY, SOUND), ("A", DAY, SOUND | other))
    good, rejected = screen(bars)
    assert rows_of(good) == [("B", DAY)]
    assert rejected == (refused("A", DAY, "duplicate"),) * 2


def test_of_three_bars_one_contradiction_refuses_all_three():
    bars = bars_of(("A", DAY, SOUND), ("A", DAY, SOUND), ("A", DAY, SOUND | {"close": 11.0}))
    good, rejected = screen(bars)
    assert len(good) == 0
    assert rejected == (refused("A", DAY, "duplicate"),) * 3


def test_an_impossible_bar_does_not_contradict_a_sound_one():
    good, rejected = screen(bars_of(("A", DAY, SOUND | {"close": -1.0}), ("A", DAY, SOUND)))
    assert rows_of(good, "close") == [("A", DAY, 10.0)]
    assert rejected == (refused("A", DAY, "negative_price"),)


def test_bars_come_out_sorted_by_symbol_and_date_with_sorted_symbols():
    prices = {("B", "2025-03-04"): 1.0, ("A", DAY): 2.0, ("C", DAY): 3.0, ("B", DAY): 4.0}
    bars = bars_of(*((symbol, day, {"close": price}) for (symbol, day), price in prices.items()))
    good, _ = screen(bars)
    assert good.symbols == ("A", "B", "C")
    assert rows_of(good, "close") == [
        ("A", DAY, 2.0),
        ("B", DAY, 4.0),
        ("B", "2025-03-04", 1.0),
        ("C", DAY, 3.0),
    ]


def test_refused_bars_are_listed_by_symbol_and_date():
    bars = bars_of(
        ("B", DAY, {"close": 0.0}), ("A", "2025-03-04", {"close": 0.0}), ("A", DAY, {"close": -1.0})
    )
    _, rejected = screen(bars)
    assert [(bar.symbol, str(bar.date)) for bar in rejected] == [
        ("A", DAY),
        ("A", "2025-03-04"),
        ("B", DAY),
    ]


def test_nothing_is_nothing():
    good, rejected = screen(bars_of())
    assert len(good) == 0
    assert rejected == ()


def test_each_symbol_asked_for_has_an_outcome():
    good, rejected = screen(
        bars_of(
            ("GOOD", DAY, SOUND),
            ("MIXED", DAY, SOUND),
            ("MIXED", "2025-03-04", {"close": 0.0}),
            ("BAD", DAY, {"close": 0.0}),
        )
    )
    assert outcomes(["BAD", "GOOD", "MIXED", "NONE"], good, rejected) == {
        "BAD": Outcome.REJECTED,
        "GOOD": Outcome.ROWS,
        "MIXED": Outcome.ROWS,
        "NONE": Outcome.NO_DATA,
    }
