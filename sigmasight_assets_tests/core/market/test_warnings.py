"""Odd prices are flagged by what the sessions before show, whatever range is asked."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.source import ActionType, CorporateAction
from sigmasight_assets.core.market.warnings import price_warnings
from sigmasight_assets.core.shapes.panel import PricePanel

FIRST = date(2025, 1, 2)


def panel_of(**closes: list[float]) -> PricePanel:
    """A panel of one series from the first session of 2025 on, a list of closes per symbol."""
    return two_series(**{name: (close, close) for name, close in closes.items()})


def two_series(**prices: tuple[list[float], list[float]]) -> PricePanel:
    """The same of closes and adjusted closes."""
    names = tuple(sorted(prices))
    close, adj_close = np.array([prices[name] for name in names], dtype=float).transpose(1, 2, 0)
    days = sessions.between(FIRST, sessions.offset(FIRST, len(close) - 1))
    return PricePanel(names, days, close, adj_close)


def day(row: int) -> date:
    return sessions.offset(FIRST, row)


def found(panel: PricePanel, first: int, last: int, actions=()) -> list[tuple]:
    recorded = [CorporateAction(*each[:2], ActionType(each[2]), each[3]) for each in actions]
    rows = price_warnings(panel, day(first), day(last), recorded)
    days = sessions.as_dates(rows["date"])
    return list(zip(rows["symbol"], days, rows["warning_type"], rows["value"], strict=True))


RISING = [100.0 + step for step in range(12)]


@pytest.mark.parametrize(
    ("before", "after", "flagged"),
    [
        (100.0, 55.0, True),
        (100.0, 55.01, False),
        (100.0, 180.0, True),
        (100.0, 179.9, False),
        (100.0, 1.0, True),
    ],
)
def test_a_jump_is_a_ratio_at_or_beyond_its_bounds(before, after, flagged):
    panel = panel_of(A=[*RISING[:10], before, after])
    expected = [("A", day(11), "jump", after / before)] if flagged else []
    assert found(panel, 11, 11) == expected


@pytest.mark.parametrize("before", [1, 2])
def test_a_price_after_a_gap_is_no_jump(before):
    closes = [*RISING[:10], 500.0]
    closes[-1 - before] = np.nan
    assert found(panel_of(A=closes), 10, 10) == (
        [] if before == 1 else [("A", day(10), "jump", 500 / 109)]
    )


def test_a_recorded_split_explains_the_jump_of_its_symbol_and_session_only():
    closes = [*RISING[:10], 25.0, 100.0]
    panel = panel_of(A=closes, B=closes)
    splits = {
        ("A", day(10), "split", 4.0),
        ("Z", day(10), "split", 4.0),
        ("B", day(3), "split", 4.0),
    }
    assert found(panel, 10, 11, splits) == [
        ("A", day(11), "jump", 4.0),
        ("B", day(10), "jump", 25 / 109),
        ("B", day(11), "jump", 4.0),
    ]


def test_a_split_dated_on_a_closed_day_explains_the_next_session():
    # 2025-01-09 was closed, so the tenth row (number 9 from 0) is 2025-01-16, a Thursday, and
    # the twelfth is Tuesday 2025-01-21, after a weekend and a holiday.
    panel = panel_of(A=[*RISING[:11], 20.0])
    assert day(11) == date(2025, 1, 21)
    assert found(panel, 11, 11, [("A", date(2025, 1, 20), "split", 5.0)]) == []
    assert found(panel, 11, 11, [("A", date(2025, 1, 18), "split", 5.0)]) == []
    assert len(found(panel, 11, 11, [("A", date(2025, 1, 17), "split", 5.0)])) == 1


def test_a_dividend_explains_no_jump():
    panel = panel_of(A=[*RISING[:10], 25.0])
    paid = ("A", day(10), "dividend", 84.0)
    assert found(panel, 10, 10, [paid]) == [("A", day(10), "jump", 25 / 109)]


def test_ten_equal_closes_are_a_standstill_and_nine_are_not():
    panel = panel_of(NINE=[4.0, 4.1] + [5.0] * 9, TEN=[4.1] + [5.0] * 10)
    assert found(panel, 10, 10) == [("TEN", day(10), "frozen", 10.0)]


def test_a_longer_standstill_is_flagged_on_each_session_with_ten():
    panel = panel_of(A=[5.0] * 13 + [5.5])
    assert found(panel, 9, 13) == [("A", day(row), "frozen", 10.0) for row in (9, 10, 11, 12)]


def test_a_gap_ends_a_standstill():
    panel = panel_of(A=[5.0, np.nan] + [5.0] * 10)
    assert found(panel, 9, 11) == [("A", day(11), "frozen", 10.0)]


def test_a_symbol_without_prices_is_not_frozen():
    assert found(panel_of(A=[np.nan] * 12), 9, 11) == []


def test_the_sessions_before_the_first_must_be_in_the_panel():
    with pytest.raises(KeyError, match="session 2024-12-31 is not in the panel"):
        price_warnings(panel_of(A=RISING), day(8), day(11))


@pytest.mark.parametrize(
    ("close", "adj_close", "value"),
    [
        (55.0, 100.0, 0.55),
        (55.01, 100.0, None),
        (180.0, 100.0, 1.8),
        (179.9, 100.0, None),
        (100.0, 50.0, 2.0),
        (100.0, 200.0, 0.5),
        (110.0, 109.0, None),
    ],
)
def test_a_split_that_one_series_knows_is_a_ratio_of_ratios_at_or_beyond_its_bounds(
    close, adj_close, value
):
    panel = two_series(A=([*RISING[:10], 100.0, close], [*RISING[:10], 100.0, adj_close]))
    expected = [] if value is None else [("A", day(11), "one_series_split", value)]
    assert [row for row in found(panel, 11, 11) if row[2] != "jump"] == expected


def test_a_split_that_close_alone_knows_is_a_jump_too():
    panel = two_series(A=([*RISING[:10], 25.0, 25.0], [*RISING[:10], 100.0, 100.0]))
    assert found(panel, 10, 11) == [
        ("A", day(10), "jump", 25 / 109),
        ("A", day(10), "one_series_split", (25 / 109) / (100 / 109)),
    ]


def test_a_split_that_adj_close_alone_knows_may_meet_a_standstill():
    panel = two_series(A=([5.0] * 12, [5.0] * 11 + [1.0]))
    assert found(panel, 11, 11) == [
        ("A", day(11), "frozen", 10.0),
        ("A", day(11), "one_series_split", 5.0),
    ]


def test_a_split_that_both_series_know_is_a_jump_and_no_more():
    panel = two_series(A=([*RISING[:10], 25.0], [*(0.9 * p for p in RISING[:10]), 22.5]))
    assert [row[2] for row in found(panel, 10, 10)] == ["jump"]


@pytest.mark.parametrize(
    ("ex_date", "explained"),
    [
        (date(2025, 1, 21), True),
        (date(2025, 1, 20), True),
        (date(2025, 1, 18), True),
        (date(2025, 1, 17), False),
        (date(2025, 1, 22), False),
        (date(1970, 1, 2), False),
        (date(2045, 1, 2), False),
    ],
)
def test_a_dividend_since_the_session_before_explains_what_one_series_knows(ex_date, explained):
    """Row 11 is Tuesday 2025-01-21; 60 of 110 USD are paid, and the adjusted close stays put."""
    prices = ([*RISING[:11], 50.0], [50.0] * 12)
    late = two_series(A=prices, B=prices)
    actions = [("A", ex_date, "dividend", 60.0), ("Z", ex_date, "dividend", 60.0)]
    flagged = [row[0] for row in found(late, 11, 11, actions) if row[2] == "one_series_split"]
    assert flagged == (["B"] if explained else ["A", "B"])


@pytest.mark.parametrize(
    ("paid", "explained"), [(60.0, True), (56.0, True), (54.0, False), (0.01, False)]
)
def test_only_a_dividend_of_about_that_size_explains_it(paid, explained):
    panel = two_series(A=([*RISING[:11], 50.0], [50.0] * 12))
    actions = [("A", day(11), "dividend", paid / 2), ("A", date(2025, 1, 20), "dividend", paid / 2)]
    kinds = [row[2] for row in found(panel, 11, 11, actions)]
    assert ("one_series_split" not in kinds) is explained


def test_a_recorded_split_is_no_excuse_for_the_series_that_does_not_know_it():
    panel = two_series(A=(RISING, [*RISING[:11], 27.75]))
    actions = [("A", day(11), "split", 4.0)]
    assert [row[2] for row in found(panel, 11, 11, actions)] == ["one_series_split"]


@pytest.mark.parametrize("series", [0, 1])
@pytest.mark.parametrize("row", [10, 11])
def test_a_split_of_one_series_needs_both_prices_on_both_sessions(series, row):
    prices = (RISING, [*RISING[:11], 50.0])
    gappy = [list(column) for column in prices]
    gappy[series][row] = np.nan
    panel = two_series(GAPPY=tuple(gappy), WHOLE=prices)
    assert [row[0] for row in found(panel, 11, 11)] == ["WHOLE"]


def test_a_value_that_no_float_can_hold_is_the_largest_there_is():
    """The table takes no infinity: one absurd price must not fail a night."""
    prices = ([1e-300] * 11 + [1e300], [1e300] * 11 + [1e-300])
    largest = np.finfo(np.float64).max
    assert found(two_series(A=prices), 11, 11) == [
        ("A", day(11), "jump", largest),
        ("A", day(11), "one_series_split", largest),
    ]


def by_definition(panel: PricePanel, first: int, last: int, actions=()) -> list[tuple]:
    """The definitions, read aloud: one symbol and one session at a time."""
    rows = []
    for number, name in enumerate(panel.symbols):
        close = panel.close[:, number].tolist()
        adj_close = panel.adj_close[:, number].tolist()
        for row in range(first, last + 1):
            recorded = [
                (kind, value)
                for symbol, ex_date, kind, value in actions
                if symbol == name and day(row - 1) < ex_date <= day(row)
            ]
            paid = sum(value for kind, value in recorded if kind == "dividend")
            split = any(kind == "split" for kind, _ in recorded)
            ratio = close[row] / close[row - 1]
            over = ratio / (adj_close[row] / adj_close[row - 1])
            if len(set(close[row - 9 : row + 1])) == 1 and not math.isnan(close[row]):
                rows.append((name, day(row), "frozen", 10.0))
            if (ratio <= 0.55 or ratio >= 1.8) and not split:
                rows.append((name, day(row), "jump", ratio))
            explained = abs(over - (1 - paid / close[row - 1])) <= 0.05
            if (over <= 0.55 or over >= 1.8) and not explained:
                rows.append((name, day(row), "one_series_split", over))
    return rows


def test_a_range_gives_what_its_sessions_give_one_by_one_and_the_definitions_give_both():
    random = np.random.default_rng(5)
    steps = random.choice([0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.01], size=(80, 40))
    steps[:, :20] = np.where(steps[:, :20] < 2, 1.0, steps[:, :20])
    steps[random.random(steps.shape) < 0.01] = np.nan
    close = 64 * np.exp2(np.cumsum(np.log2(np.nan_to_num(steps, nan=1.0)), axis=0))
    close = np.where(np.isnan(steps), np.nan, np.round(close, 3))
    adj_close = close * np.where(random.random(close.shape) < 0.02, 0.3, 1)
    names = tuple(f"S{number:02}" for number in range(40))
    panel = PricePanel(names, sessions.between(FIRST, day(79)), close, adj_close)
    actions = [
        (f"S{number:02}", day(row), kind, value)
        for number in range(0, 40, 3)
        for row, kind, value in ((20, "split", 2.0), (40, "dividend", 44.0), (60, "split", 4.0))
    ]
    together = found(panel, 15, 79, actions)
    alone = [row for number in range(15, 80) for row in found(panel, number, number, actions)]
    assert together == sorted(alone)
    assert together == by_definition(panel, 15, 79, actions)
    assert {row[2] for row in together} == {"frozen", "jump", "one_series_split"}


PRICES = st.sampled_from([math.nan, 1.0, 0.55, 1.8, 2.0, 100.0, 180.0])
STRETCHES = st.lists(st.tuples(PRICES, st.integers(1, 11)), min_size=14, max_size=14)
SERIES = STRETCHES.map(lambda parts: [price for price, count in parts for _ in range(count)][:14])
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from("ABZ"),
        st.dates(date(2025, 1, 14), date(2025, 1, 24)),
        st.sampled_from(["split", "dividend"]),
        st.sampled_from([0.5, 1.0, 50.0, 97.0]),
    ),
    max_size=6,
)


@given(SERIES, SERIES, SERIES, ACTIONS)
def test_whatever_the_prices_the_definitions_give_the_same(one, other, third, actions):
    panel = two_series(A=(one, other), B=(other, third), C=(third, third))
    assert found(panel, 9, 13, actions) == by_definition(panel, 9, 13, actions)


@given(SERIES, SERIES, SERIES)
def test_a_symbol_is_judged_by_its_own_prices_whatever_its_neighbours(one, other, third):
    prices = [(one, other), (other, third), (third, one)]
    names = ["A", "B", "C"]
    there = found(two_series(**dict(zip(names, prices, strict=True))), 9, 13)
    turned = found(two_series(**dict(zip("CAB", prices, strict=True))), 9, 13)
    renamed = {"A": "C", "B": "A", "C": "B"}
    assert turned == sorted((renamed[name], *rest) for name, *rest in there)
