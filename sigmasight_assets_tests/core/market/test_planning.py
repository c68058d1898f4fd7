"""What a price source is asked for."""

from __future__ import annotations

from datetime import date

import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.planning import (
    SYMBOLS_PER_FETCH,
    FetchRequest,
    UniverseEntry,
    plan_fetches,
)
from sigmasight_assets_tests.builders import day

FIRST, LAST = day("2025-07-01"), day("2025-07-09")
NEEDED = day("2024-05-16")


def entry(
    symbol: str,
    asked: tuple[str, str] | None = None,
    source: str | None = "files",
    needed: date = NEEDED,
) -> UniverseEntry:
    since, until = (day(asked[0]), day(asked[1])) if asked else (None, None)
    return UniverseEntry(symbol, source if asked else None, since, until, needed)


def plan(*entries: UniverseEntry) -> list[FetchRequest]:
    return list(plan_fetches(entries, "files", FIRST, LAST))


def test_a_new_symbol_is_asked_for_whole() -> None:
    assert plan(entry("A")) == [FetchRequest(("A",), NEEDED, LAST, replace=False)]


@pytest.mark.parametrize(
    ("until", "since"),
    [
        ("2025-06-30", "2025-06-23"),  # the night before: five sessions back
        ("2025-07-09", "2025-06-24"),  # the same night again
        ("2025-08-29", "2025-06-24"),  # a later night was first
        ("2025-06-20", "2025-06-12"),  # nights were missed; 19 June is a holiday
    ],
)
def test_a_known_symbol_is_asked_for_the_run_and_a_few_sessions_before(
    until: str, since: str
) -> None:
    assert plan(entry("A", ("2024-01-02", until))) == [
        FetchRequest(("A",), day(since), LAST, replace=False)
    ]


def test_a_window_that_must_reach_further_back_is_asked_for_whole_and_to_its_end() -> None:
    assert plan(entry("A", ("2024-09-03", "2025-08-29"))) == [
        FetchRequest(("A",), NEEDED, day("2025-08-29"), replace=False)
    ]
    assert plan(entry("A", ("2024-09-03", "2025-06-30"))) == [
        FetchRequest(("A",), NEEDED, LAST, replace=False)
    ]


def test_a_change_of_source_replaces_all_that_was_ever_asked_for() -> None:
    assert plan(entry("A", ("2023-01-03", "2025-08-29"), "other")) == [
        FetchRequest(("A",), day("2023-01-03"), day("2025-08-29"), replace=True)
    ]
    assert plan(entry("A", ("2025-01-02", "2025-03-03"), "other")) == [
        FetchRequest(("A",), NEEDED, LAST, replace=True)
    ]


def test_symbols_with_the_same_window_share_a_call_of_bounded_size() -> None:
    names = [f"S{n:05d}" for n in range(2 * SYMBOLS_PER_FETCH + 1)]
    entries = [entry(name) for name in reversed(names)]
    requests = plan(*entries, entry("KNOWN", ("2024-01-02", "2025-06-30")))
    assert [len(request.symbols) for request in requests] == [2000, 2000, 1, 1]
    assert [name for request in requests for name in request.symbols] == [*names, "KNOWN"]
    assert plan() == []


def test_every_plan_brings_what_is_needed_whatever_was_asked_before() -> None:
    """What is asked now reaches back to what is needed, or meets a window that does."""
    ends = sessions.as_dates(sessions.between(day("2022-01-03"), day("2026-02-02")))[::61]
    checked = 0
    for since in ends:
        for until in (end for end in ends if end >= since):
            for source in ("files", "other"):
                (request,) = plan(entry("A", (since.isoformat(), until.isoformat()), source))
                checked += 1
                assert request.last >= LAST
                meets = request.first <= sessions.offset(until, 1)
                assert request.first <= NEEDED or (meets and since <= NEEDED)
                assert request.last >= sessions.offset(since, -1)
                assert not request.replace or (request.first <= since and request.last >= until)
    assert checked > 200
