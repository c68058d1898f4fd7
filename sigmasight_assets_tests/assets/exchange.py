"""A market on loopback, as the real Dagster sees it: Yahoo, Polygon and their companies."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dagster import (
    AssetCheckSeverity,
)
from psycopg import sql

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.assets.instances import (
    RANGE,
    Stage,
)
from sigmasight_assets_tests.builders import day
from sigmasight_assets_tests.market_servers.company_documents import EQUITY
from sigmasight_assets_tests.market_servers.loopback import LoopbackServer, Reply
from sigmasight_assets_tests.market_servers.polygon import Bar, PolygonRoute
from sigmasight_assets_tests.market_servers.yahoo import ChartServer
from sigmasight_assets_tests.market_servers.yahoo_companies import (
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


def open_exchange(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
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


def places_of_the_key(exchange: Exchange) -> list[str]:
    """Tables of ours and of Dagster's, and files of the home, in which the key can be read."""
    urls = (exchange.database.url, exchange.environment["DAGSTER_POSTGRES_URL"])
    tables = [place for url in urls for place in tables_with(Database(url), KEY.encode())]
    home = Path(exchange.environment["DAGSTER_HOME"]).parent
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    return tables + [str(path) for path in files if KEY.encode() in path.read_bytes()]


def tables_with(database: Database, secret: bytes) -> list[str]:
    """Tables with a value that holds the secret, as text or as compressed bytes."""
    with database.connection() as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        found = []
        for (name,) in names:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)))
            if any(secret in readable(value) for row in rows for value in row):
                found.append(name)
    assert names
    return found


def readable(value: object) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
