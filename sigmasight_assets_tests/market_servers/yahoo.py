"""Yahoo's chart server on a loopback port, from listings that a test states.

`python -m sigmasight_assets_tests.market_servers.yahoo --prices FILE` serves a Parquet file; its
first line is its address. GET /_requests tells what it was asked.
"""

from __future__ import annotations

import argparse
import math
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from sigmasight_assets_tests.market_servers.loopback import (
    LoopbackServer,
    Reply,
    Request,
    as_json,
)
from sigmasight_assets_tests.market_servers.yahoo_listing import (
    Listing,
    listings_from_parquet,
    opening_instants,
)

CHART = "/v8/finance/chart/"
CRUMB = "/v1/test/getcrumb"
ZONE = "America/New_York"
RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
COOKIE = {"Set-Cookie": "A3=d=test; Path=/"}
EVENTS = {"div": "dividends", "splits": "splits", "capitalGains": "capitalGains"}
ENDING = {signal.SIGINT, signal.SIGTERM}
NOT_FOUND = {"code": "Not Found", "description": "No data found, symbol may be delisted"}


def chart_of(symbol: str) -> Callable[[Request], bool]:
    """Whether a request is for this symbol's chart."""
    return lambda request: request.path == CHART + symbol


def is_chart(request: Request) -> bool:
    return request.path.startswith(CHART)


class ChartServer:
    """A route that speaks as Yahoo's charts, its crumb and its cookie do."""

    def __init__(self, listings: Iterable[Listing] = ()) -> None:
        self._listings = {each.symbol: each for each in listings}
        self._asked: Counter[str] = Counter()
        self._symbols: Counter[str] = Counter()
        self._lock = threading.Lock()

    def list(self, *listings: Listing) -> None:
        """Begin to list these, or list them anew."""
        self._listings.update({each.symbol: each for each in listings})

    def split(self, symbol: str, ex_date: date, ratio: float) -> None:
        """From now on, history is told in the new shares."""
        self._restate(symbol, partial(Listing.after_split, ex_date=ex_date, new=ratio))

    def dividend(self, symbol: str, ex_date: date, amount: float) -> None:
        """From now on, earlier adjusted closes are lower."""
        self._restate(symbol, partial(Listing.after_dividend, ex_date=ex_date, amount=amount))

    def drop_last_day(self, symbol: str) -> None:
        """The newest bar is not there yet."""
        self._restate(symbol, Listing.without_last_day)

    def null_last_day(self, symbol: str) -> None:
        """The newest bar is there, and says nothing."""
        self._restate(symbol, Listing.with_last_day_null)

    def delist(self, symbol: str) -> None:
        """Nothing is known of the symbol any more."""
        del self._listings[symbol]

    def rename(self, old: str, new: str) -> None:
        """Whoever asks for the old symbol is told of the new one."""
        self._restate(old, partial(_renamed, new=new))
        self._listings[new] = self._listings[old]

    def _restate(self, symbol: str, change: Callable[[Listing], Listing]) -> None:
        self._listings[symbol] = change(self._listings[symbol])

    def __call__(self, request: Request) -> Reply | None:
        if request.path == "/_requests":
            return as_json(self.requests())
        with self._lock:
            self._asked[_kind(request.path)] += 1
        if request.path == CRUMB:
            return Reply(200, b"crumb", {"Content-Type": "text/plain"})
        if not is_chart(request):
            return Reply(404, b"", COOKIE) if request.path == "/" else None
        symbol = request.path.removeprefix(CHART)
        with self._lock:
            self._symbols[symbol] += 1
        found = self._listings.get(symbol)
        if found is None:
            return as_json({"chart": {"result": None, "error": NOT_FOUND}}, 404)
        # Ticker.history asks for a symbol's time zone first, by the range of one day.
        newest = int(opening_instants(found.date[-1:])[0])
        first = int(request.query.get("period1", newest))
        end = int(request.query.get("period2", newest + 1))
        wanted = request.query.get("events", "")
        kinds = [EVENTS[word] for word in wanted.split(",") if word]
        return as_json({"chart": {"result": [chart(found, first, end, kinds)], "error": None}})

    def requests(self) -> dict[str, object]:
        """How many requests of each kind there were, and how many symbols were asked for."""
        with self._lock:
            repeats = sum(self._symbols.values()) - len(self._symbols)
            return {"kinds": dict(self._asked), "symbols": len(self._symbols), "repeats": repeats}


@contextmanager
def serving(*listings: Listing) -> Iterator[tuple[LoopbackServer, ChartServer]]:
    """A running server of these listings."""
    charts = ChartServer(listings)
    with LoopbackServer(charts).running() as server:
        yield server, charts


def chart(listing: Listing, first: int, end: int, kinds: Iterable[str]) -> dict[str, object]:
    """The result for the instants from first to before end, in seconds, with events of kinds."""
    instants = opening_instants(listing.date)
    rows = (instants >= first) & (instants < end)
    result: dict[str, object] = {"meta": _meta(listing, instants)}
    if not rows.any():
        empty = {"quote": [{}], "adjclose": [{}]}
        return {**result, "indicators": empty}
    names = ("open", "high", "low", "close", "volume")
    quote = {name: _numbers(getattr(listing, name), rows) for name in names}
    indicators: dict[str, object] = {"quote": [quote]}
    if listing.adj_close is not None:
        indicators["adjclose"] = [{"adjclose": _numbers(listing.adj_close, rows)}]
    known = {
        "dividends": _dated(listing.dividends, first, end, _amount),
        "capitalGains": _dated(listing.capital_gains, first, end, _amount),
        "splits": _dated(listing.splits, first, end, _ratio),
    }
    events = {kind: known[kind] for kind in kinds if known[kind]}
    told = {"events": events} if events else {}
    return {**result, "timestamp": instants[rows].tolist(), **told, "indicators": indicators}


def _meta(listing: Listing, instants) -> dict[str, object]:
    newest, oldest = (int(instants.max()), int(instants.min())) if len(instants) else (0, 0)
    return {
        "currency": listing.currency,
        "symbol": listing.symbol,
        "exchangeName": "NYQ",
        "fullExchangeName": "NYSE",
        "instrumentType": listing.quote_type,
        "firstTradeDate": oldest,
        "regularMarketTime": newest + 6 * 3600 + 1800 + 2,
        "gmtoffset": -14400,
        "timezone": "EDT",
        "exchangeTimezoneName": ZONE,
        "priceHint": 2,
        "dataGranularity": "1d",
        "range": "",
        "validRanges": RANGES,
    }


def _numbers(column, rows) -> list[float | None]:
    if column is None:
        return [None] * int(rows.sum())
    return [None if math.isnan(number) else number for number in column[rows].tolist()]


def _dated(by_day, first: int, end: int, told) -> dict[str, dict]:
    """Events of the range by their instant, as Yahoo tells them."""
    instants = opening_instants(np.array(list(by_day), dtype="datetime64[D]")).tolist()
    return {
        str(instant): {**told(value), "date": instant}
        for instant, value in zip(instants, by_day.values(), strict=True)
        if first <= instant < end
    }


def _amount(value: float) -> dict[str, float]:
    return {"amount": value}


def _ratio(value: tuple[float, float]) -> dict[str, object]:
    new, old = value
    return {"numerator": new, "denominator": old, "splitRatio": f"{new:g}:{old:g}"}


def _renamed(listing: Listing, new: str) -> Listing:
    return replace(listing, symbol=new)


def _kind(path: str) -> str:
    kinds = {CRUMB: "crumb", "/": "cookie"}
    return "chart" if path.startswith(CHART) else kinds.get(path, "other")


def main() -> None:
    """Serve a file of prices until interrupted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--prices", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--first", type=date.fromisoformat, default=date(1970, 1, 2))
    parser.add_argument("--last", type=date.fromisoformat, default=date(2079, 12, 30))
    asked = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    charts = ChartServer(listings_from_parquet(asked.prices, None, asked.first, asked.last))
    with LoopbackServer(charts, port=asked.port).running() as server:
        print(server.url, flush=True)  # noqa: T201  (how a benchmark finds it)
        signal.sigwait(ENDING)


if __name__ == "__main__":
    main()
