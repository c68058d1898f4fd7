"""Yahoo's quoteSummary and fundamentals-timeseries on a loopback server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sigmasight_assets.core.market.patience import Patience, RequestLimit, Unlimited
from sigmasight_assets.core.market.yahoo_companies import YahooCompanies
from sigmasight_assets.core.market.yahoo_session import make_session, yahoo_data
from sigmasight_assets_tests.market_servers.loopback import LoopbackServer, Reply, Request, as_json
from sigmasight_assets_tests.market_servers.yahoo import ChartServer

PROFILE_PATH: Final = "/v10/finance/quoteSummary/"
STATEMENTS_PATH: Final = "/ws/fundamentals-timeseries/v1/finance/timeseries/"

Document = dict[str, Any]


@dataclass
class CompanyServer:
    """A loopback server, and by symbol what it knows.

    profiles: the modules of a quoteSummary. series: type -> (day, value) points in `currencies`.
    """

    server: LoopbackServer
    profiles: dict[str, Document] = field(default_factory=dict)
    series: dict[str, Mapping[str, Sequence[tuple[str, Any]]]] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    crumb: str = "crumb"

    def asked(self, path: str) -> list[Request]:
        """The requests for a path and what lies under it."""
        return [each for each in self.server.requests if each.path.startswith(path)]

    def quote_summary(self, request: Request) -> Reply | None:
        """The modules asked for, 401 without the crumb, 404 for a stranger."""
        if not request.path.startswith(PROFILE_PATH):
            return None
        if request.query.get("crumb") != self.crumb:
            return as_json(_refusal("Unauthorized", "Invalid Crumb", "finance"), 401)
        symbol = request.path.removeprefix(PROFILE_PATH)
        if symbol not in self.profiles:
            return as_json(
                _refusal("Not Found", f"Quote not found for symbol: {symbol}", "quoteSummary"), 404
            )
        wanted = request.query["modules"].split(",")
        found = {name: part for name, part in self.profiles[symbol].items() if name in wanted}
        return as_json({"quoteSummary": {"result": [found], "error": None}})

    def timeseries(self, request: Request) -> Reply | None:
        """A series for each type asked for, with nothing but its name where nothing is known."""
        if not request.path.startswith(STATEMENTS_PATH):
            return None
        symbol = request.path.removeprefix(STATEMENTS_PATH)
        currency = self.currencies.get(symbol, "USD")
        known = self.series.get(symbol, {})
        wanted = request.query["type"].split(",")
        results = [_series(symbol, name, known.get(name, ()), currency) for name in wanted]
        return as_json({"timeseries": {"result": results, "error": None}})


@contextmanager
def company_server() -> Iterator[CompanyServer]:
    """A server that knows nobody yet, with Yahoo's cookie and crumb."""
    knows = CompanyServer(LoopbackServer())
    knows.server.routes += [knows.quote_summary, knows.timeseries, ChartServer()]
    with knows.server.running():
        yield knows


def source_of(
    knows: CompanyServer, limit: RequestLimit | None = None, timeout: float = 5.0
) -> YahooCompanies:
    """The real client, asking this server, with waits too short to notice."""
    limit = limit or Unlimited()
    session = make_session(limit, knows.server.url, timeout)
    patience = Patience("yfinance", limit, 0.001, timedelta(microseconds=1))
    return YahooCompanies(yahoo_data(session), patience)


def _refusal(code: str, description: str, root: str) -> Document:
    return {root: {"result": None, "error": {"code": code, "description": description}}}


def _series(symbol: str, name: str, points: Sequence[tuple[str, Any]], currency: str) -> Document:
    series: Document = {"meta": {"symbol": [symbol], "type": [name]}}
    if points:
        months = "12M" if name.startswith("annual") else "3M"
        series["timestamp"] = list(range(len(points)))
        series[name] = [
            {
                "dataId": 20100,
                "asOfDate": day,
                "periodType": months,
                "currencyCode": currency,
                "reportedValue": {"raw": value, "fmt": str(value)},
            }
            for day, value in points
        ]
    return series
