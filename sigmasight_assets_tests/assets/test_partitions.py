"""One partition per session, neither more nor less."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from dagster import TimeWindow
from dagster._core.definitions.partitions.context import partition_loading_context

from sigmasight_assets.core import sessions
from sigmasight_assets.partitions import SESSIONS, session_partitions

NEW_YORK = ZoneInfo("America/New_York")

# The exchange's published holidays; 2025-01-09 was the national day of mourning.
CLOSED = {
    *("2024-01-15", "2024-02-19", "2024-03-29", "2024-05-27", "2024-06-19", "2024-07-04"),
    *("2024-09-02", "2024-11-28", "2024-12-25"),
    *("2025-01-01", "2025-01-09", "2025-01-20", "2025-02-17", "2025-04-18", "2025-05-26"),
    *("2025-06-19", "2025-07-04", "2025-09-01", "2025-11-27", "2025-12-25"),
    *("2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19"),
    *("2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25"),
}


def test_every_session_of_three_years_is_a_partition_and_no_other_day_is() -> None:
    keys = set(SESSIONS.get_partition_keys(datetime(2026, 12, 31, 12, tzinfo=NEW_YORK)))
    first, last = date(2024, 1, 2), date(2026, 12, 31)
    days = (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
    expected = {str(day) for day in days if day.weekday() < 5} - CLOSED
    assert keys - {"2027-01-04"} == expected
    assert len(expected) == 252 + 250 + 251


@pytest.mark.parametrize(
    ("at", "newest"),
    [
        ("2026-03-12 21:00", "2026-03-12"),
        ("2026-03-12 00:00", "2026-03-12"),
        ("2026-03-12 23:59", "2026-03-12"),
        ("2025-11-28 21:00", "2025-11-28"),
        ("2025-11-26 21:00", "2025-11-26"),
        ("2026-03-14 12:00", "2026-03-13"),
        ("2026-03-15 23:59", "2026-03-13"),
        ("2026-03-16 00:00", "2026-03-16"),
        # On a holiday the next session shows early; it is refused until its close.
        ("2025-11-27 12:00", "2025-11-28"),
        ("2025-01-09 12:00", "2025-01-10"),
        ("2026-04-03 12:00", "2026-04-06"),
        ("2026-04-04 12:00", "2026-04-06"),
    ],
)
def test_the_newest_partition_is_the_session_that_is_or_comes(at: str, newest: str) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    assert SESSIONS.get_partition_keys(now)[-1] == newest


def test_every_session_can_be_chosen_on_its_evening() -> None:
    for session in sessions.as_dates(sessions.between(date(2024, 1, 2), date(2026, 12, 31))):
        evening = datetime.combine(session, time(21), NEW_YORK)
        with partition_loading_context(evening):
            assert SESSIONS.has_partition_key(session.isoformat()), session
            assert not SESSIONS.has_partition_key(sessions.offset(session, 1).isoformat())


def test_a_range_counts_sessions_across_holidays_and_the_change_of_clocks() -> None:
    week = [*("2025-11-24", "2025-11-25", "2025-11-26"), "2025-11-28", "2025-12-01"]
    assert keys_between("2025-11-24", "2025-12-01") == week
    assert keys_between("2026-03-06", "2026-03-09") == ["2026-03-06", "2026-03-09"]
    assert keys_between("2025-10-31", "2025-11-03") == ["2025-10-31", "2025-11-03"]


def test_the_first_partition_is_the_setting_or_the_next_session_after_it() -> None:
    assert SESSIONS.get_first_partition_key() == "2024-01-02"
    assert session_partitions(date(2025, 1, 9)).get_first_partition_key() == "2025-01-10"
    assert session_partitions(date(2025, 7, 4)).get_first_partition_key() == "2025-07-07"


def keys_between(first: str, last: str) -> list[str]:
    start = SESSIONS.time_window_for_partition_key(first).start
    end = SESSIONS.time_window_for_partition_key(last).end
    return list(SESSIONS.get_partition_keys_in_time_window(TimeWindow(start, end)))
