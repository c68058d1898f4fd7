"""Nights on Yahoo and Polygon under Dagster: what each run says of itself, and what it starts."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dagster import (
    AssetCheckSeverity,
    DagsterEvent,
    DagsterEventType,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_run_status_sensor_context,
)
from psycopg import sql

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets.definitions import defs
from sigmasight_assets.ranges import REFRESHED_BY, range_tags
from sigmasight_assets.resources import Platform
from sigmasight_assets.sensors import company_sync_sensor
from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    PORTFOLIO_ASSETS,
    RANGE,
    SYMBOL_ASSETS,
    Stage,
)
from sigmasight_assets_tests.builders import day
from sigmasight_assets_tests.market_servers.company_documents import EQUITY
from sigmasight_assets_tests.market_servers.loopback import HTML_PAGE, LoopbackServer, Reply
from sigmasight_assets_tests.market_servers.polygon import Bar, PolygonRoute
from sigmasight_assets_tests.market_servers.yahoo import ChartServer, chart_of, is_chart
from sigmasight_assets_tests.market_servers.yahoo_companies import (
    PROFILE_PATH,
    STATEMENTS_PATH,
    CompanyServer,
)
from sigmasight_assets_tests.market_servers.yahoo_listing import Listing

KEY = "a-key-that-nobody-may-see"
HELD = ("AAPL", "MSFT", "TSLA", "XOM")
CONTRACT = "AAPL271217C00200000"
SHARES = tuple(sorted({*HELD, *always_in_universe()}))
HISTORY_FROM = day("2024-09-03")
BEFORE, LATEST = RANGE[-2], RANGE[-1]
WARN, ERROR = AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR
PAUSE = Reply(429, b"", {"Retry-After": "1"})
STRANGER = Reply(404, b'{"chart": {"result": null, "error": {"description": "delisted"}}}')


@dataclass(frozen=True)
class Exchange(Stage):
    """A stage whose prices come from Yahoo and Polygon, both of them one loopback server."""

    server: LoopbackServer
    charts: ChartServer
    companies: CompanyServer

    def without_bar(self, symbol: str, on: date) -> Listing:
        """Yahoo has no bar of a session; returns what it had."""
        whole = self.charts._listings[symbol]
        kept = whole.date != np.datetime64(on)
        self.charts.list(replace(whole, **columns(whole, lambda each: each[kept])))
        return whole

    def moved(self, symbol: str, since: date, ratio: float) -> None:
        """From a session on, every price is another."""
        told = self.charts._listings[symbol]
        factor = np.where(told.date >= np.datetime64(since), ratio, 1.0)
        adjusted = {"close": told.close * factor, "adj_close": told.adj_close * factor}
        self.charts.list(replace(told, **adjusted))

    def results(self, asset: str = "market_data_cache", on: date = LATEST) -> list[dict[str, Any]]:
        """The rows of the table of results."""
        return [record.data for record in self.metadata(asset, on)["results"].records]

    def failures(self, batch: str) -> dict[str, str]:
        """Item to reason, of what is logged as failed."""
        query = "SELECT item, reason FROM batch_failure_log WHERE batch_type = %s"
        return dict(self.ask(query, batch))


@pytest.fixture
def exchange(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """The market in good health; no run has asked it for anything."""
    charts = ChartServer(listings())
    companies = CompanyServer(LoopbackServer())
    server = companies.server
    server.routes += [
        companies.quote_summary,
        companies.timeseries,
        PolygonRoute(KEY, {f"O:{CONTRACT}": contract_bars()}),
        charts,
    ]
    for symbol in HELD:
        companies.profiles[symbol] = json.loads(json.dumps(EQUITY).replace("ORCH", symbol))
    with server.running():
        given = {
            "SIGMASIGHT_PRICE_SOURCE": "yfinance",
            "SIGMASIGHT_YAHOO_BASE_URL": server.url,
            "SIGMASIGHT_YAHOO_REQUESTS_PER_SECOND": "900",
            "SIGMASIGHT_POLYGON_BASE_URL": server.url,
            "SIGMASIGHT_POLYGON_REQUESTS_PER_MINUTE": "60000",
            "POLYGON_API_KEY": KEY,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        environment = {**stage.environment, **given}
        yield Exchange(stage.database, stage.instance, environment, server, charts, companies)


def listings() -> list[Listing]:
    """The shares and funds of the synthetic market, as Yahoo would tell of them."""
    bars = SyntheticSource().fetch(SHARES, HISTORY_FROM, LATEST).bars
    return [
        Listing(name, bars.date[mine], bars.close[mine], bars.adj_close[mine])
        for number, name in enumerate(bars.symbols)
        if (mine := bars.symbol == number).any()
    ]


def contract_bars() -> dict[str, Bar]:
    """The one contract traded on every session."""
    days = sessions.as_dates(sessions.between(HISTORY_FROM, LATEST))
    return {
        on.isoformat(): (mark, mark, mark, mark, 10.0)
        for number, on in enumerate(days)
        if (mark := 30 + number % 7)
    }


def columns(listing: Listing, changed: Any) -> dict[str, Any]:
    return {name: changed(getattr(listing, name)) for name in ("date", "close", "adj_close")}


def batch(exchange: Exchange, first: date, last: date | None = None) -> bool:
    return run_job(exchange.instance, "symbol_batch", first, last or first)


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
    assert (said["rows rejected"], said["windows fetched again"], said["price warnings"]) == (
        *(0, 0, 0),
    )
    table = exchange.results()
    assert [row["symbol"] for row in table] == ["TSLA", *(s for s in SHARES if s != "TSLA")]
    assert table[0] == {
        "symbol": "TSLA",
        "result": "no_data",
        "source": "yfinance",
        "reason": "No data found, symbol may be delisted",
    }
    assert table[1] == {
        "symbol": "AAPL",
        "result": "updated",
        "source": "yfinance",
        "reason": "",
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
    assert found.description == "15.4% of the symbols that the night needs failed"
    assert found.metadata["failed share"].value == pytest.approx(2 / 13, abs=1e-4)
    worst = [(row["symbol"], row["result"]) for row in exchange.results()[:3]]
    assert worst == [("TSLA", "no_data"), ("XOM", "rejected"), ("AAPL", "updated")]
    assert exchange.results()[1]["reason"].startswith("it answered for XOMX") or (
        "XOMX" in exchange.results()[1]["reason"]
    )

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
