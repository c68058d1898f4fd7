"""What a price source is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.planning import (
    FetchRequest,
    UniverseEntry,
    plan_fetches,
    whole_window,
)
from sigmasight_assets.core.symbols import InvestmentClass
from sigmasight_assets_tests.builders import StatedPrices, day

FIRST, LAST = day("2025-07-01"), day("2025-07-09")
NEEDED = day("2024-05-16")
NIGHT = datetime(2025, 7, 10, 1, tzinfo=UTC)
PUBLIC, OPTIONS = InvestmentClass.PUBLIC, InvestmentClass.OPTIONS


def entry(
    symbol: str,
    asked: tuple[str, str] | None = None,
    source: str | None = "files",
    needed: date = NEEDED,
) -> UniverseEntry:
    since, until = (day(asked[0]), day(asked[1])) if asked else (None, None)
    return UniverseEntry(symbol, PUBLIC, source if asked else None, since, until, needed)


def plan(
    *entries: UniverseEntry, metered: bool = False, now: datetime = NIGHT
) -> list[FetchRequest]:
    source = StatedPrices({}, name="files", metered=metered)
    return list(plan_fetches(entries, source, FIRST, LAST, now))


def test_a_new_symbol_is_asked_for_whole() -> None:
    assert plan(entry("A")) == [FetchRequest(("A",), NEEDED, LAST, replace=True)]


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
    names = [f"S{n:05d}" for n in range(2 * 2000 + 1)]
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


def asked_at(now: datetime, has_last: bool = True, until: str = "2025-07-09") -> UniverseEntry:
    """A share whose source has answered for the run's last session."""
    newest = day(until) if has_last else day("2025-07-02")
    return replace(entry("A", ("2024-01-02", until)), asked_at=now, last_price_date=newest)


def test_a_source_that_was_silent_is_asked_for_the_days_of_its_silence_too() -> None:
    silent = replace(entry("A", ("2024-01-02", "2025-06-30")), last_price_date=day("2025-06-10"))
    assert [each.first for each in plan(silent)] == [day("2025-06-03")]


def test_a_metered_source_is_not_asked_twice_in_a_night() -> None:
    again = asked_at(NIGHT - timedelta(hours=2))
    assert plan(again, metered=True) == []
    assert plan(again, metered=False) != []
    assert plan(again, metered=True, now=NIGHT + timedelta(hours=10)) != []


@pytest.mark.parametrize(
    "reason",
    [
        asked_at(NIGHT - timedelta(hours=2), has_last=False),
        asked_at(datetime(2025, 7, 9, 19, 59, tzinfo=UTC)),
        asked_at(NIGHT - timedelta(hours=2), until="2025-07-08"),
        replace(asked_at(NIGHT - timedelta(hours=2)), needed_from=day("2023-12-29")),
        replace(asked_at(NIGHT - timedelta(hours=2)), price_source="other"),
    ],
    ids=["the newest bar is missing", "before the close", "of yesterday", "history", "source"],
)
def test_a_metered_source_is_asked_again_for_a_reason(reason: UniverseEntry) -> None:
    assert len(plan(reason, metered=True)) == 1


def test_sessions_that_settled_long_ago_are_not_asked_of_a_metered_source_again() -> None:
    assert plan(entry("A", ("2024-01-02", "2025-07-16")), metered=True) == []
    assert len(plan(entry("A", ("2024-01-02", "2025-07-15")), metered=True)) == 1


@pytest.mark.parametrize("priced", [True, False])
def test_a_contract_is_asked_for_up_to_its_expiration_and_never_after(priced: bool) -> None:
    live = replace(entry("AAPL250703C00200000"), investment_class=OPTIONS)
    assert [each.last for each in plan(live)] == [day("2025-07-03")]
    over = replace(
        live,
        symbol="AAPL250627C00200000",
        price_source="files" if priced else None,
        asked_from=NEEDED if priced else None,
        asked_to=day("2025-06-27"),
    )
    assert plan(over) == []
    assert plan(replace(over, asked_to=day("2025-06-26"))) != []
    assert plan(replace(live, symbol="AAPL240419C00200000")) == []


def test_a_contract_that_expires_on_a_holiday_is_over_with_the_session_before() -> None:
    over = replace(
        entry("AAPL250619C00200000"), investment_class=OPTIONS, asked_to=day("2025-06-18")
    )
    assert plan(over) == []


def test_a_contract_that_did_not_trade_is_not_asked_for_twice_in_a_night() -> None:
    contract = replace(
        asked_at(NIGHT - timedelta(hours=2), has_last=False),
        symbol="AAPL260116C00200000",
        investment_class=OPTIONS,
    )
    assert plan(contract, metered=True) == []


def test_a_window_that_is_fetched_again_is_fetched_whole() -> None:
    source = StatedPrices({}, name="files", symbols_per_fetch=1)
    entries = [
        entry("B", ("2024-06-03", "2025-08-29")),
        entry("A", ("2024-01-02", "2025-06-30")),
    ]
    assert list(whole_window(entries, source, LAST)) == [
        FetchRequest(("A",), day("2024-01-02"), LAST, replace=True),
        FetchRequest(("B",), NEEDED, day("2025-08-29"), replace=True),
    ]
