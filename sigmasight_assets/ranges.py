"""A run's sessions: one partition, or a range that is one run and says so in its tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from dagster import RunRequest

from sigmasight_assets.core import sessions

PARTITION: Final = "dagster/partition"
RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"
REFRESHED_BY: Final = "sigmasight/refreshed_by"
"""Tag of a symbol batch whose starter refreshes the portfolios itself: no sensor has to."""


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make one run of the sessions from first to last."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def run_request(run_key: str, first: date, last: date) -> RunRequest:
    """A request for one run of the sessions from first to last."""
    if first == last:
        return RunRequest(run_key, partition_key=first.isoformat())
    return RunRequest(run_key, tags=range_tags(first, last))


def sessions_of_run(tags: Mapping[str, str]) -> list[date]:
    """The sessions a run covers, empty for a run without partitions.

    A run launched for one session carries one tag, a range carries two others.
    """
    first = tags.get(RANGE_START) or tags.get(PARTITION)
    last = tags.get(RANGE_END) or tags.get(PARTITION)
    if first is None or last is None:
        return []
    return sessions.as_dates(sessions.between(date.fromisoformat(first), date.fromisoformat(last)))


def contiguous_ranges(days: Sequence[date]) -> list[tuple[date, date]]:
    """Sessions, ascending, as ranges without a hole between consecutive sessions."""
    ranges: list[tuple[date, date]] = []
    for day in days:
        if ranges and sessions.offset(ranges[-1][1], 1) == day:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
