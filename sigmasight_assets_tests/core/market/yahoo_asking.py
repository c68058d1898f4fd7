"""How the tests ask Yahoo: without a budget unless stated, and without long waits."""

from __future__ import annotations

import json
import threading
import time
from datetime import date, timedelta
from typing import Any

from sigmasight_assets.core.market.patience import Patience, RequestLimit, Unlimited
from sigmasight_assets.core.market.source import PriceAnswer
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets_tests.builders import days
from sigmasight_assets_tests.core.market.bar_rows import rows_of
from sigmasight_assets_tests.market_servers.loopback import LoopbackServer, Request
from sigmasight_assets_tests.market_servers.yahoo import ChartServer, is_chart
from sigmasight_assets_tests.market_servers.yahoo_listing import Listing, listing

FIRST, LAST = date(2025, 6, 2), date(2025, 6, 6)
WEEK = days("2025-06-02", "2025-06-06")
CLOSES = [100.1, 101.25, 99.87654321, 102.0, 103.333333333333]


class CountedLimit:
    """A budget without a limit that counts, and keeps pauses."""

    def __init__(self) -> None:
        self.sent = 0
        self.pauses: list[timedelta] = []
        self._until = 0.0
        self._lock = threading.Lock()

    def wait_for_turn(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            time.sleep(left)
        with self._lock:
            self.sent += 1

    def pause(self, span: timedelta) -> None:
        with self._lock:
            self.pauses.append(span)
            self._until = max(self._until, time.monotonic() + span.total_seconds())


def a_week(symbol: str, **given) -> Listing:
    """A listing with a price on each session of the week that is asked for."""
    return listing(symbol, WEEK, given.pop("close", CLOSES), **given)


def source(
    server: LoopbackServer,
    limit: RequestLimit | None = None,
    first_pause: float = 0.05,
    first_wait: float = 0.001,
    at_once: int = 5,
    timeout: float = 5.0,
) -> YahooSource:
    """Yahoo's prices from a server, asked as a night does it, but in milliseconds."""
    limit = limit or Unlimited()
    patience = Patience("yfinance", limit, first_wait, timedelta(seconds=first_pause))
    return YahooSource(limit, server.url, at_once, timeout, patience)


def chart_requests(server: LoopbackServer) -> list[str]:
    """The symbols whose charts were asked for, in order."""
    return [each.path.rsplit("/", 1)[-1] for each in server.requests if is_chart(each)]


def whole_chart(charts: ChartServer, symbol: str) -> dict[str, Any]:
    """The body that tells every bar of a symbol, to be spoilt."""
    everything = {"period1": "0", "period2": "4000000000", "events": "div,splits,capitalGains"}
    reply = charts(Request(f"/v8/finance/chart/{symbol}", everything, {}, 0.0))
    assert reply is not None
    return json.loads(reply.body)


def told(answer: PriceAnswer) -> dict[str, object]:
    """All that an answer says, in a form that compares."""
    rows = rows_of(answer.bars, "open", "high", "low", "close", "adj_close", "volume")
    said = (answer.outcomes, answer.rejected, answer.single_series, answer.actions, answer.reasons)
    return {"rows": rows, "symbols": answer.bars.symbols, "said": said}
