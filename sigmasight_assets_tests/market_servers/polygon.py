"""Polygon's daily bars of option contracts, in its own format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sigmasight_assets_tests.market_servers.loopback import Reply, Request, as_json

PATH = re.compile(r"/v2/aggs/ticker/(O:[A-Z0-9]+)/range/1/day/(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)")

Bar = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""


def milliseconds(day: str) -> int:
    """The instant at which a day begins in New York."""
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time())
    return int(midnight.replace(tzinfo=ZoneInfo("America/New_York")).timestamp() * 1000)


def bar(day: str, stated: Bar) -> dict[str, Any]:
    """A bar as Polygon writes it."""
    o, h, low, c, v = stated
    return {"v": v, "vw": c, "o": o, "c": c, "h": h, "l": low, "t": milliseconds(day), "n": 7}


def answer(ticker: str, results: Sequence[Any], /, **other: Any) -> dict[str, Any]:
    """An answer as Polygon writes it: without `results` if there are none."""
    count = len(results)
    said = {
        "ticker": ticker,
        "queryCount": count,
        "resultsCount": count,
        "adjusted": True,
        "status": "OK",
        "request_id": "6a7e466379af0a71039d60cc78e72282",
    }
    return {**said, **({"results": list(results), "count": count} if count else {}), **other}


@dataclass
class PolygonRoute:
    """Answers for /v2/aggs/ticker/O:.../range/1/day/{from}/{to}.

    bars: ticker -> ISO date -> bar; a contract that is not there has not traded.
    """

    key: str
    bars: Mapping[str, Mapping[str, Bar]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply | None:
        asked = PATH.fullmatch(request.path)
        if asked is None:
            return None
        if request.headers.get("authorization") != f"Bearer {self.key}":
            said = {"status": "ERROR", "request_id": "1", "error": "Unknown API Key"}
            return as_json(said, 401)
        ticker, first, last = asked.groups()
        if first > last:
            return as_json({"status": "ERROR", "request_id": "1", "error": "'to' is early"}, 400)
        stated = sorted(self.bars.get(ticker, {}).items())
        return as_json(answer(ticker, [bar(on, b) for on, b in stated if first <= on <= last]))
