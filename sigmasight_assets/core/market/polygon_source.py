"""Option bars from Polygon: one request per contract, each after its turn in the shared budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from polygon import RESTClient
from polygon.rest import BASE

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.bars import Columns, join
from sigmasight_assets.core.market.patience import Patience, RequestLimit
from sigmasight_assets.core.market.polygon_session import (
    NAME,
    Aggregates,
    KeyRefused,
    Transport,
    UnknownContract,
    checked,
    parsed,
)
from sigmasight_assets.core.market.screening import outcomes, screen, sorted_rejections
from sigmasight_assets.core.market.source import Outcome, PriceAnswer, RejectedBar
from sigmasight_assets.core.symbols import canonical, option_contract, sorted_symbols

NO_KEY: Final = "POLYGON_API_KEY is not set: option contracts have no price source"
UNUSABLE_KEY: Final = "POLYGON_API_KEY has characters that no key has"

# A page of Polygon counts daily bars; no contract lives for 50,000 sessions.
MOST_BARS: Final = 50_000
NEW_YORK: Final = ZoneInfo("America/New_York")
FIELDS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}


FAILURES: Final[Mapping[type[Exception], Outcome]] = {
    UnknownContract: Outcome.NO_DATA,
    RateLimited: Outcome.RATE_LIMITED,
    SourceUnavailable: Outcome.UNAVAILABLE,
    SourceRefused: Outcome.NO_SOURCE,
}


@dataclass(frozen=True)
class _Said:
    """What became of one contract: its columns and unreadable bars, or why there is neither."""

    outcome: Outcome = Outcome.ROWS
    reason: str = ""
    columns: Columns | None = None
    rejected: tuple[RejectedBar, ...] = ()


class PolygonSource:
    """Daily bars of option contracts, adjusted for splits of the underlying share.

    timeout: seconds for a whole answer. A contract has no dividends, so its close serves as
    adj_close too. Made for one run, like its `Patience`; contracts are asked for one by one.
    """

    name = NAME
    metered = True
    symbols_per_fetch = 10

    def __init__(
        self,
        api_key: str | None,
        limit: RequestLimit,
        base_url: str | None = None,
        timeout: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        key = (api_key or "").strip()
        self._no_key = _why_unusable(key)
        self._limit = limit
        self._patience = patience or Patience(NAME, limit)
        self._client = RESTClient(key, base=(base_url or BASE).rstrip("/"), retries=0)
        self._client.client = Transport(timeout)

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        """Bars of the contracts for the sessions from first to last, both included.

        A failure of the source is an outcome, never an error; errors of the limit go through.
        """
        said = self._all(sorted_symbols(canonical(each) for each in symbols), first, last)
        bars, refused = screen(join({s: each.columns for s, each in said.items() if each.columns}))
        unread = [bar for each in said.values() for bar in each.rejected]
        rejected = sorted_rejections([*unread, *refused])
        priced = outcomes((s for s, each in said.items() if not each.reason), bars, rejected)
        found = {s: priced.get(s, each.outcome) for s, each in said.items()}
        reasons = {s: each.reason or _words(s, rejected) for s, each in said.items()}
        rows = frozenset(s for s, outcome in found.items() if outcome is Outcome.ROWS)
        without = {s: reason for s, reason in reasons.items() if s not in rows}
        return PriceAnswer(NAME, bars, found, rejected, rows, reasons=without)

    def listed_symbols(self) -> tuple[str, ...]:
        """None: contracts come from the positions that hold them."""
        return ()

    def _all(self, symbols: Sequence[str], first: date, last: date) -> dict[str, _Said]:
        if self._no_key:
            return dict.fromkeys(symbols, _Said(Outcome.NO_SOURCE, self._no_key))
        said: dict[str, _Said] = {}
        try:
            for symbol in symbols:
                said[symbol] = self._one(symbol, first, last)
        except KeyRefused as refused:
            return dict.fromkeys(symbols, _Said(Outcome.NO_SOURCE, str(refused))) | said
        return said

    def _one(self, symbol: str, first: date, last: date) -> _Said:
        """One contract's answer. Raises KeyRefused."""
        contract = option_contract(symbol)
        if contract is None:
            return _Said(Outcome.NO_SOURCE, "not an option contract")
        last = min(last, contract.expiration)
        if last < first:
            return _Said(Outcome.NO_DATA, f"expired on {contract.expiration}")
        try:
            answer = self._patience.ask(lambda: self._answer(symbol, first, last))
        except KeyRefused:
            raise
        except tuple(FAILURES) as failure:
            return _Said(FAILURES[type(failure)], str(failure))
        if answer.ticker != f"O:{symbol}":
            return _Said(rejected=(RejectedBar(symbol, first, "wrong_symbol"),))
        if not answer.results:
            return _Said(Outcome.NO_DATA, f"did not trade from {first} to {last}")
        return _read(symbol, answer.results, first, last)

    def _answer(self, symbol: str, first: date, last: date) -> Aggregates:
        """What Polygon says of the contract: one request."""
        self._limit.wait_for_turn()
        response = self._client.get_aggs(
            f"O:{symbol}", 1, "day", first, last, True, "asc", MOST_BARS, raw=True
        )
        return checked(parsed(response.data))


def _why_unusable(key: str) -> str:
    """Why no request can be sent with this key; empty if one can."""
    if not key:
        return NO_KEY
    return "" if key.isascii() and key.isprintable() and " " not in key else UNUSABLE_KEY


def _read(symbol: str, results: Sequence[Any], first: date, last: date) -> _Said:
    """The columns of Polygon's bars; what cannot be read or was not asked for is refused."""
    rows: list[tuple[date, list[float]]] = []
    rejected = []
    for bar in results:
        try:
            # A bar bears the instant its session's day begins in New York.
            day = datetime.fromtimestamp(_number(bar["t"]) / 1000, NEW_YORK).date()
            values = [_number(bar.get(letter)) for letter in FIELDS.values()]
        except (TypeError, KeyError, ValueError, OverflowError, OSError):
            rejected.append(RejectedBar(symbol, first, "unreadable_bar"))
            continue
        if first <= day <= last:
            rows.append((day, values))
        else:
            rejected.append(RejectedBar(symbol, day, "not_asked_for"))
    table = np.array([values for _, values in rows], dtype=np.float64).reshape(-1, len(FIELDS))
    columns = dict(zip(FIELDS, table.T, strict=True))
    dates = np.array([day for day, _ in rows], dtype="datetime64[D]")
    columns = {**columns, "adj_close": columns["close"], "date": dates}
    return _Said(columns=columns, rejected=tuple(rejected))


def _number(value: Any) -> float:  # noqa: ANN401  (whatever JSON holds)
    """A JSON number; NaN for null."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _words(symbol: str, rejected: Sequence[RejectedBar]) -> str:
    reasons = sorted({bar.reason for bar in rejected if bar.symbol == symbol})
    return f"every bar was refused: {', '.join(reasons)}"
