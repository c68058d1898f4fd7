"""Nights on Yahoo and Polygon under Dagster: what each run says of itself, and what it starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_run_status_sensor_context,
)

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.definitions import defs
from sigmasight_assets.ranges import REFRESHED_BY, range_tags
from sigmasight_assets.resources import Platform
from sigmasight_assets.sensors import company_sync_sensor
from sigmasight_assets_tests.assets.exchange import (
    BEFORE,
    CONTRACT,
    ERROR,
    HELD,
    KEY,
    LATEST,
    SHARES,
    STRANGER,
    WARN,
    Exchange,
    batch,
    places_of_the_key,
)
from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    PORTFOLIO_ASSETS,
    RANGE,
    SYMBOL_ASSETS,
    Stage,
)
from sigmasight_assets_tests.market_servers.loopback import HTML_PAGE, Reply
from sigmasight_assets_tests.market_servers.yahoo import chart_of, is_chart
from sigmasight_assets_tests.market_servers.yahoo_companies import (
    PROFILE_PATH,
    STATEMENTS_PATH,
)


def test_a_night_tells_of_every_symbol_failures_first(exchange: Exchange) -> None:
    exchange.charts.delist("TSLA")
    assert batch(exchange, LATEST)
    said = exchange.metadata("market_data_cache", LATEST)
    assert said["sources"] == "yfinance"
    assert {name: said[name] for name in said if name.startswith("symbols ")} == {
        "symbols no_data": 1,
        "symbols updated": 12,
    }
    assert said["share of symbols failed"] == pytest.approx(1 / 13, abs=1e-4)
    assert said["dagster/row_count"] == 12
    for count in ("rows rejected", "windows fetched again", "price warnings"):
        assert said[count] == 0, count
    table = exchange.results()
    assert [row["symbol"] for row in table] == ["TSLA", *(s for s in SHARES if s != "TSLA")]
    assert table[0] == {
        "symbol": "TSLA",
        "result": "no_data",
        "source": "yfinance",
        "reason": "No data found, symbol may be delisted",
    }
    assert {(row["result"], row["source"], row["reason"]) for row in table[1:]} == {
        ("updated", "yfinance", "")
    }
    assert exchange.failures("market_data_cache") == {"TSLA": "no_data"}

    contracts = exchange.metadata("option_prices", LATEST)
    assert (contracts["sources"], contracts["symbols updated"]) == ("polygon", 1)
    assert contracts["share of symbols failed"] == 0
    assert [row["symbol"] for row in exchange.results("option_prices")] == [CONTRACT]
    for asset, name in (
        ("market_data_cache", "failed_symbols"),
        ("market_data_cache", "price_coverage"),
        ("market_data_cache", "price_warnings"),
        ("option_prices", "failed_contracts"),
    ):
        assert exchange.check(asset, name).passed, name


def test_more_than_a_tenth_of_failed_symbols_is_an_error_that_stops_nothing(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYGON_API_KEY")
    exchange.charts.rename("XOM", "XOMX")
    exchange.charts.delist("TSLA")
    assert batch(exchange, LATEST)
    found = exchange.check("market_data_cache", "failed_symbols")
    assert (found.passed, found.severity, found.blocking) == (False, ERROR, False)
    assert (found.description or "").startswith("15.4% of what the night needs failed")
    assert found.metadata["failed share"].value == pytest.approx(2 / 13, abs=1e-4)
    worst = [(row["symbol"], row["result"]) for row in exchange.results()[:3]]
    assert worst == [("TSLA", "no_data"), ("XOM", "rejected"), ("AAPL", "updated")]
    assert "XOMX" in exchange.results()[1]["reason"]

    contracts = exchange.check("option_prices", "failed_contracts")
    assert (contracts.passed, contracts.severity) == (False, WARN)
    (row,) = exchange.results("option_prices")
    assert (row["result"], row["source"]) == ("no_source", "polygon")
    assert "POLYGON_API_KEY" in row["reason"]
    assert exchange.failures("option_prices") == {CONTRACT: "no_source"}
    assert exchange.published("symbols") == [LATEST]
    assert all(exchange.materialized(asset) == [LATEST] for asset in SYMBOL_ASSETS)


def test_a_jump_is_kept_and_shown_and_only_on_its_session(exchange: Exchange) -> None:
    exchange.moved("MSFT", BEFORE, 2.5)
    assert batch(exchange, BEFORE, LATEST)
    found = exchange.check("market_data_cache", "price_warnings")
    assert (found.passed, found.severity) == (False, WARN)
    (row,) = found.metadata["warnings"].value.records
    assert row.data["symbol"] == "MSFT"
    assert (row.data["session"], row.data["warning"]) == (str(BEFORE), "jump")
    assert 1.8 <= float(row.data["value"]) < 3
    assert exchange.metadata("market_data_cache", BEFORE)["price warnings"] == 1
    ((kept,),) = exchange.ask(
        "SELECT count(*) FROM market_data_cache WHERE symbol = 'MSFT' AND date >= %s", BEFORE
    )
    assert kept == 2
    assert exchange.evaluate("market_data_cache", "price_warnings", LATEST).passed


def test_fewer_than_half_the_prices_of_its_only_session_stop_a_run(exchange: Exchange) -> None:
    assert batch(exchange, BEFORE)
    for symbol in SHARES[:7]:
        exchange.server.fault(chart_of(symbol), STRANGER)
    assert not batch(exchange, LATEST)
    found = exchange.check("market_data_cache", "price_coverage")
    assert (found.passed, found.severity, found.blocking) == (False, ERROR, True)
    assert found.description == f"{LATEST}: 6 of 13 symbols priced (46.2%)"
    assert exchange.materialized("market_data_cache") == [BEFORE, LATEST]
    assert all(exchange.materialized(asset) == [BEFORE] for asset in SYMBOL_ASSETS[2:])
    assert exchange.published("symbols") == [BEFORE]
    exchange.server.heal()
    assert batch(exchange, LATEST)
    assert exchange.published("symbols") == [BEFORE, LATEST]


def test_of_a_range_only_the_session_without_prices_is_withheld_and_a_later_run_fills_it(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, bad = RANGE[-3], RANGE[-2]
    whole = [exchange.without_bar(symbol, bad) for symbol in SHARES[:7]]
    assert batch(exchange, first, LATEST)
    found = exchange.check("market_data_cache", "price_coverage")
    assert (found.passed, found.severity) == (False, WARN)
    assert found.description == f"{bad}: 6 of 13 symbols priced (46.2%)"
    assert found.metadata["sessions withheld"].value == 1
    good = [first, LATEST]
    assert exchange.published("symbols") == good
    assert all(exchange.materialized(asset) == good for asset in SYMBOL_ASSETS[2:])
    assert exchange.failures("symbol_layer") == {str(bad): "low_coverage"}
    assert run_job(exchange.instance, "portfolio_refresh", first, LATEST)
    assert exchange.published("portfolios") == good
    assert all(exchange.materialized(asset) == good for asset in PORTFOLIO_ASSETS)

    exchange.charts.list(*whole)
    monkeypatch.setenv("SIGMASIGHT_NOW", "2026-03-14T22:00:00+00:00")
    assert batch(exchange, bad)
    assert run_job(exchange.instance, "portfolio_refresh", bad, bad)
    assert all(exchange.materialized(asset) == RANGE[-3:] for asset in ALL_ASSETS)
    assert exchange.published("symbols") == exchange.published("portfolios") == RANGE[-3:]


def test_profiles_are_asked_for_once_each_and_copied_into_the_latest_session_alone(
    exchange: Exchange,
) -> None:
    assert batch(exchange, BEFORE, LATEST)
    assert run_job(exchange.instance, "company_sync", BEFORE, BEFORE)
    assert exchange.metadata("company_profiles", BEFORE)["asked"] == 0
    assert exchange.metadata("fundamentals", BEFORE)["asked"] == 0
    assert profile_requests(exchange) == []
    exchange.server.requests.clear()
    assert run_job(exchange.instance, "company_sync", LATEST, LATEST)
    asked = [request.path.removeprefix(PROFILE_PATH) for request in profile_requests(exchange)]
    assert sorted(asked) == list(SHARES)
    assert not [request for request in exchange.server.requests if is_chart(request)]
    said = exchange.metadata("company_profiles", LATEST)
    assert (said["due"], said["asked"]) == (len(SHARES), len(SHARES))
    assert (said["symbols updated"], said["symbols no_data"]) == (len(HELD), len(SHARES) - 4)
    for query in (
        "SELECT symbol FROM symbol_daily_metrics WHERE market_cap = 3500000000000 "
        "AND company_name = 'Orchard Inc.' AND metrics_date = %s ORDER BY 1",
        "SELECT symbol FROM symbol_factor_exposures WHERE provider_beta = 1.25 "
        "AND calculation_date = %s ORDER BY 1",
    ):
        assert exchange.ask(query, LATEST) == [(symbol,) for symbol in HELD]
        assert exchange.ask(query, BEFORE) == []

    exchange.server.requests.clear()
    assert run_job(exchange.instance, "company_sync", LATEST, LATEST)
    assert exchange.server.requests == [], "younger than 7 days"


@pytest.mark.parametrize(
    ("faults", "word"),
    [
        ([Reply(429, b"", {"Retry-After": "1"})], "rate_limited"),
        (
            [Reply(500, b"oops"), Reply(200, HTML_PAGE, {"Content-Type": "text/html"})],
            "unavailable",
        ),
    ],
    ids=["429", "500 and HTML"],
)
def test_a_night_without_profiles_is_a_night_all_the_same(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, faults: list[Reply], word: str
) -> None:
    assert batch(exchange, LATEST)
    monkeypatch.setenv("SIGMASIGHT_PROFILES_PER_NIGHT", "5")
    exchange.server.fault(is_about_companies, *faults * 100)
    assert run_job(exchange.instance, "company_sync", LATEST, LATEST)
    said = exchange.metadata("company_profiles", LATEST)
    told = {record.data["item"]: record.data["reason"] for record in said["failures"].records}
    assert told
    assert set(told.values()) == {word}
    assert exchange.failures("company_profiles") == told
    assert said["asked"] == said[f"symbols {word}"] == len(told)
    assert exchange.published("symbols") == [LATEST]
    # A pause that was asked for is over when the next night comes.
    monkeypatch.delenv("SIGMASIGHT_PROFILES_PER_NIGHT")
    exchange.tell("UPDATE source_limits SET paused_until = now()")
    exchange.server.heal()
    assert run_job(exchange.instance, "company_sync", LATEST, LATEST)
    assert exchange.metadata("company_profiles", LATEST)["symbols updated"] == len(HELD)
    copied = "SELECT count(*) FROM symbol_factor_exposures WHERE provider_beta = 1.25"
    assert exchange.ask(copied) == [(len(HELD),)]


def is_about_companies(request: Any) -> bool:
    return request.path.startswith((PROFILE_PATH, STATEMENTS_PATH))


def profile_requests(exchange: Exchange) -> list[Any]:
    return exchange.companies.asked(PROFILE_PATH)


def publish(exchange: Exchange, session: date) -> None:
    """The symbols of a session are there."""
    with exchange.database.connection() as connection:
        connection.execute(
            "INSERT INTO published_sessions (layer, session, epoch, data_version) "
            "VALUES ('symbols', %s, 1, 1)",
            (session,),
        )


def test_a_batch_that_withheld_the_latest_session_leads_to_none(exchange: Exchange) -> None:
    assert isinstance(follow_up(exchange, range_tags(LATEST, LATEST))[0], SkipReason)


def test_a_batch_that_ends_with_the_latest_session_leads_to_one_sync(exchange: Exchange) -> None:
    publish(exchange, LATEST)
    for tags in (
        {"dagster/partition": str(LATEST)},
        range_tags(LATEST, LATEST),
        range_tags(RANGE[0], LATEST),
    ):
        request, run_id = follow_up(exchange, tags)
        assert isinstance(request, RunRequest)
        assert request.partition_key == str(LATEST)
        assert request.run_key == f"company_sync after {run_id}"


@pytest.mark.parametrize(
    ("tags", "source"),
    [
        ({}, "yfinance"),
        ({"dagster/partition": str(BEFORE)}, "yfinance"),
        (range_tags(RANGE[0], BEFORE), "yfinance"),
        ({**range_tags(LATEST, LATEST), REFRESHED_BY: "command"}, "yfinance"),
        (range_tags(LATEST, LATEST), "synthetic"),
        (range_tags(LATEST, LATEST), "files"),
    ],
)
def test_no_other_batch_leads_to_a_sync(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], source: str
) -> None:
    monkeypatch.setenv("SIGMASIGHT_PRICE_SOURCE", source)
    monkeypatch.setenv("SIGMASIGHT_PRICE_FILES", "prices.parquet")
    publish(exchange, LATEST)
    assert isinstance(follow_up(exchange, tags)[0], SkipReason)


def follow_up(stage: Stage, tags: Mapping[str, str]) -> tuple[RunRequest | SkipReason, str]:
    """What the sensor asks for after a symbol_batch with these tags, and that run's id."""
    job = defs.resolve_job_def("symbol_batch")
    run = stage.instance.create_run_for_job(job, tags=tags, status=DagsterRunStatus.SUCCESS)
    context = build_run_status_sensor_context(
        company_sync_sensor.name,
        dagster_instance=stage.instance,
        dagster_run=run,
        dagster_event=DagsterEvent(DagsterEventType.RUN_SUCCESS.value, run.job_name),
        context=None,
    )
    return company_sync_sensor(context, platform=Platform()), run.run_id


def test_a_key_is_in_no_table_and_no_log_of_a_night_that_polygon_refuses(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = Reply(401, b'{"status": "ERROR", "error": "Unknown API Key"}')
    tries = (Reply(500, b"oops"), Reply(reset=True), unknown)
    exchange.server.fault(lambda request: CONTRACT in request.path, *tries)
    with caplog.at_level("DEBUG"):
        assert batch(exchange, LATEST)
    assert [row["result"] for row in exchange.results("option_prices")] == ["no_source"]
    assert KEY not in caplog.text
    assert places_of_the_key(exchange) == []
