"""Jumps and standstills are flagged by what the sessions before show, whatever range is asked."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.warnings import price_warnings
from sigmasight_assets.core.shapes.panel import PricePanel

FIRST = date(2025, 1, 2)


def panel_of(**closes: list[float]) -> PricePanel:
    """A panel from the first session of 2025 on, one list of closes per symbol."""
    names = tuple(sorted(closes))
    close = np.array([closes[name] for name in names], dtype=float).T
    days = sessions.between(FIRST, sessions.offset(FIRST, len(close) - 1))
    return PricePanel(names, days, close, close)


def day(row: int) -> date:
    return sessions.offset(FIRST, row)


def found(panel: PricePanel, first: int, last: int, splits=()) -> list[tuple]:
    rows = price_warnings(panel, day(first), day(last), splits)
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
    assert found(panel, 10, 11, {("A", day(10)), ("Z", day(10)), ("B", day(3))}) == [
        ("A", day(11), "jump", 4.0),
        ("B", day(10), "jump", 25 / 109),
        ("B", day(11), "jump", 4.0),
    ]


def test_a_split_dated_on_a_closed_day_explains_the_next_session():
    # 2025-01-09 was closed, so the tenth row (number 9 from 0) is 2025-01-16, a Thursday, and
    # the twelfth is Tuesday 2025-01-21, after a weekend and a holiday.
    panel = panel_of(A=[*RISING[:11], 20.0])
    assert day(11) == date(2025, 1, 21)
    assert found(panel, 11, 11, [("A", date(2025, 1, 20))]) == []
    assert found(panel, 11, 11, [("A", date(2025, 1, 18))]) == []
    assert len(found(panel, 11, 11, [("A", date(2025, 1, 17))])) == 1


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


def test_a_range_gives_what_its_sessions_give_one_by_one_and_the_definition_gives_both():
    random = np.random.default_rng(5)
    steps = random.choice([0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.01], size=(80, 40))
    steps[:, :20] = np.where(steps[:, :20] < 2, 1.0, steps[:, :20])
    steps[random.random(steps.shape) < 0.01] = np.nan
    close = 64 * np.exp2(np.cumsum(np.log2(np.nan_to_num(steps, nan=1.0)), axis=0))
    close = np.where(np.isnan(steps), np.nan, np.round(close, 3))
    days = sessions.between(FIRST, sessions.offset(FIRST, 79))
    names = tuple(f"S{number:02}" for number in range(40))
    panel = PricePanel(names, days, close, close)
    together = found(panel, 15, 79)
    alone = [row for number in range(15, 80) for row in found(panel, number, number)]
    assert together == sorted(alone)

    frame = pd.DataFrame(close, index=sessions.as_dates(days), columns=names)
    by_definition = []
    for name in names:
        for row in range(15, 80):
            last_two, last_ten = (
                frame[name].iloc[row - 1 : row + 1],
                frame[name].iloc[row - 9 : row + 1],
            )
            ratio = last_two.iloc[1] / last_two.iloc[0]
            if ratio <= 0.55 or ratio >= 1.8:
                by_definition.append((name, frame.index[row], "jump", ratio))
            if last_ten.notna().all() and last_ten.nunique() == 1:
                by_definition.append((name, frame.index[row], "frozen", 10.0))
    assert together == by_definition
    assert {row[2] for row in together} == {"jump", "frozen"}
