"""Which sessions a tick of the nightly schedule asks for."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from dagster import RunRequest, build_schedule_context

from sigmasight_assets.definitions import defs
from sigmasight_assets.ranges import contiguous_ranges, sessions_of_run
from sigmasight_assets.resources import Platform
from sigmasight_assets.schedules import missing_sessions, nightly_schedule
from sigmasight_assets_tests.assets.instances import Tables
from sigmasight_assets_tests.builders import add_portfolio, day, days, lot


def test_on_an_empty_database_a_night_asks_for_its_own_session_alone(tables: Tables) -> None:
    assert asked_at("2026-03-12 21:00") == [days("2026-03-12", "2026-03-12")]


def test_a_single_session_is_a_partition_and_a_range_is_one_run(tables: Tables) -> None:
    (single,) = requests_at("2026-03-12 21:00")
    assert single.tags["dagster/partition"] == "2026-03-12"
    publish_both(tables, "2026-03-10", "2026-03-10")
    (several,) = requests_at("2026-03-12 21:00")
    assert several.partition_key is None
    assert several.tags["dagster/asset_partition_range_start"] == "2026-03-11"
    assert several.tags["dagster/asset_partition_range_end"] == "2026-03-12"


def test_missed_nights_and_older_holes_are_asked_for_one_run_for_each_gap(tables: Tables) -> None:
    publish_both(tables, "2026-02-27", "2026-03-02")
    publish_both(tables, "2026-03-05", "2026-03-09")
    publish_both(tables, "2026-03-11", "2026-03-11")
    assert asked_at("2026-03-12 21:00") == [
        days("2026-03-03", "2026-03-04"),
        days("2026-03-10", "2026-03-10"),
        days("2026-03-12", "2026-03-12"),
    ]


def test_a_session_whose_portfolios_alone_are_missing_is_asked_for(tables: Tables) -> None:
    tables.publish("symbols", "2026-02-20", "2026-03-11")
    tables.publish("portfolios", "2026-03-05", "2026-03-09")
    tables.publish("portfolios", "2026-03-11", "2026-03-11")
    assert asked_at("2026-03-12 21:00") == [
        days("2026-03-10", "2026-03-10"),
        days("2026-03-12", "2026-03-12"),
    ]


def test_a_tick_made_up_for_on_saturday_asks_for_fridays_session(tables: Tables) -> None:
    publish_both(tables, "2026-03-05", "2026-03-05")
    assert asked_at("2026-03-06 21:00") == [days("2026-03-06", "2026-03-06")]


def test_a_session_that_is_there_already_is_run_again_by_its_own_night(tables: Tables) -> None:
    publish_both(tables, "2026-03-11", "2026-03-13")
    assert asked_at("2026-03-12 21:00") == [days("2026-03-12", "2026-03-12")]


def test_run_keys_differ_between_ticks_and_not_within_one(tables: Tables) -> None:
    keys = [
        request.run_key
        for tick in ("2026-03-11 21:00", "2026-03-12 21:00", "2026-03-12 21:00")
        for request in requests_at(tick)
    ]
    assert len(keys) == 3
    assert keys[0] != keys[1] == keys[2]


@pytest.mark.parametrize("holiday", ["2025-11-27", "2025-01-09", "2026-04-03"])
def test_a_holiday_is_skipped_with_its_reason(tables: Tables, holiday: str) -> None:
    data = evaluate(f"{holiday} 21:00")
    assert data.run_requests == []
    assert data.skip_message == f"{holiday} is not an NYSE session: the exchange is closed"


def test_a_clock_frozen_before_the_close_starts_nothing(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMASIGHT_NOW", "2026-03-12T19:59:59+00:00")
    data = evaluate("2026-03-12 21:00")
    assert data.run_requests == []
    assert data.skip_message == (
        "2026-03-12 is not complete: it is available after 2026-03-12T20:00:00+00:00"
    )
    monkeypatch.setenv("SIGMASIGHT_NOW", "2026-03-12T20:00:00+00:00")
    assert asked_at("2026-03-12 21:00") == [days("2026-03-12", "2026-03-12")]


@pytest.fixture
def history(tables: Tables) -> Tables:
    """A portfolio since 3 March, of which no session before the 10th was ever run.

    There are prices from 2 March on, but none of the 5th and of the newest session.
    """
    shares = lot("AAPL", "1", "5", "2026-03-03")
    add_portfolio(tables.database, shares, inception="2026-03-03")
    tables.tell(
        "INSERT INTO market_data_cache (symbol, date, close, adj_close, data_source) "
        "SELECT 'AAPL', day, 5, 5, 'a test' FROM unnest(%s::date[]) AS day",
        [*days("2026-03-02", "2026-03-04"), *days("2026-03-06", "2026-03-11")],
    )
    publish_both(tables, "2026-03-10", "2026-03-10")
    return tables


SINCE_PUBLISHED = days("2026-03-11", "2026-03-12")
PAST = [*days("2026-03-03", "2026-03-04"), *days("2026-03-06", "2026-03-09")]


def test_the_history_of_a_portfolio_is_asked_for_where_there_are_prices(history: Tables) -> None:
    assert asked_at("2026-03-12 21:00") == [
        days("2026-03-03", "2026-03-04"),
        days("2026-03-06", "2026-03-09"),
        SINCE_PUBLISHED,
    ]


def test_history_begins_with_the_earliest_portfolio_that_is_not_deleted(history: Tables) -> None:
    add_portfolio(history.database, inception="2026-03-06", name="Later")
    assert missing(history) == [*PAST, *SINCE_PUBLISHED]
    history.tell("UPDATE portfolios SET deleted_at = now() WHERE inception_date = '2026-03-03'")
    assert missing(history) == [*days("2026-03-06", "2026-03-09"), *SINCE_PUBLISHED]
    history.tell("UPDATE portfolios SET inception_date = '2026-03-16'")
    assert missing(history) == SINCE_PUBLISHED
    history.tell("DELETE FROM portfolios")
    assert missing(history) == SINCE_PUBLISHED


def test_history_goes_no_further_back_than_prices_do(history: Tables) -> None:
    history.tell("UPDATE portfolios SET inception_date = '1999-12-31'")
    assert missing(history) == [day("2026-03-02"), *PAST, *SINCE_PUBLISHED]


def test_sessions_without_any_price_are_asked_for_only_since_the_first_published(
    history: Tables,
) -> None:
    history.tell("DELETE FROM market_data_cache")
    assert missing(history) == SINCE_PUBLISHED
    history.tell("DELETE FROM published_sessions")
    assert missing(history) == SINCE_PUBLISHED[-1:]


def test_nothing_before_the_first_partition_is_asked_for(
    history: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing(history, "2026-03-07") == [day("2026-03-09"), *SINCE_PUBLISHED]
    history.publish("symbols", "2026-01-02", "2026-01-02")
    assert missing(history, "2026-03-09") == [day("2026-03-09"), *SINCE_PUBLISHED]
    monkeypatch.setenv("SIGMASIGHT_START_DATE", "2026-03-09")
    assert asked_at("2026-03-12 21:00") == [days("2026-03-09", "2026-03-09"), SINCE_PUBLISHED]


def test_a_past_session_whose_symbols_alone_are_published_is_asked_for(history: Tables) -> None:
    history.publish("symbols", "2026-03-03", "2026-03-09")
    assert missing(history) == [*PAST, *SINCE_PUBLISHED]
    history.publish("portfolios", "2026-03-03", "2026-03-09")
    assert missing(history) == SINCE_PUBLISHED


def test_ranges_end_where_a_session_is_left_out() -> None:
    week = days("2025-11-24", "2025-12-01")
    assert contiguous_ranges(week) == [(day("2025-11-24"), day("2025-12-01"))]
    del week[1]
    assert contiguous_ranges(week) == [
        (day("2025-11-24"), day("2025-11-24")),
        (day("2025-11-26"), day("2025-12-01")),
    ]
    assert contiguous_ranges([]) == []


def missing(tables: Tables, start: str = "2024-01-02") -> list[date]:
    """What the night of 12 March finds missing."""
    return missing_sessions(tables.database, day("2026-03-12"), day(start))


def publish_both(tables: Tables, first: str, last: str) -> None:
    for layer in ("symbols", "portfolios"):
        tables.publish(layer, first, last)


def evaluate(new_york: str):
    """What the schedule says at a time in New York."""
    tick = datetime.fromisoformat(new_york).replace(tzinfo=ZoneInfo("America/New_York"))
    with build_schedule_context(
        scheduled_execution_time=tick,
        resources={"platform": Platform()},
        repository_def=defs.get_repository_def(),
    ) as context:
        return nightly_schedule.evaluate_tick(context)


def requests_at(new_york: str) -> list[RunRequest]:
    return list(evaluate(new_york).run_requests)


def asked_at(new_york: str) -> list[list[date]]:
    """The sessions of each run asked for."""
    return [sessions_of_run(request.tags) for request in requests_at(new_york)]
