"""Daily prices, splits and distributions from Yahoo, through yfinance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from yfinance.data import YfData

from sigmasight_assets.core.errors import RateLimited, SourceRefused, SourceUnavailable
from sigmasight_assets.core.market.bars import join
from sigmasight_assets.core.market.patience import Patience, RequestLimit
from sigmasight_assets.core.market.screening import outcomes, screen, sorted_rejections
from sigmasight_assets.core.market.source import Outcome, PriceAnswer, RejectedBar
from sigmasight_assets.core.market.yahoo_bars import Chart, Misfit, read_chart
from sigmasight_assets.core.market.yahoo_session import (
    SOURCE,
    UnknownToYahoo,
    make_session,
    yahoo_data,
)
from sigmasight_assets.core.symbols import canonical, sorted_symbols

CHART_URL: Final = "https://query2.finance.yahoo.com/v8/finance/chart/"
NEW_YORK: Final = ZoneInfo("America/New_York")
EVENTS: Final = "div,splits,capitalGains"


@dataclass(frozen=True)
class Silence:
    """What came of a symbol without a chart, and why, for a person."""

    outcome: Outcome
    text: str


Finding = Chart | Misfit | Silence


class YahooSource:
    """Daily bars of Yahoo's charts: one request per symbol, `at_once` of them under way.

    limit: the budget that every request waits for. base_url: where Yahoo is found instead.
    timeout: seconds for a whole answer. patience: how failures are met, for one run.
    """

    name = SOURCE
    metered = True
    symbols_per_fetch = 100

    def __init__(
        self,
        limit: RequestLimit,
        base_url: str | None = None,
        at_once: int = 5,
        timeout: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._session = make_session(limit, base_url, timeout)
        self._at_once = at_once
        self._patience = patience or Patience(SOURCE, limit)

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        """Bars of the symbols for the sessions from first to last, both included.

        Symbols are asked for, and answered, in any spelling of their stored form. An answer for
        another symbol or in another currency is REJECTED whole. A symbol that Yahoo does not
        know has NO_DATA. One that could not be asked, or whose answer is no chart, after the last
        try too, is RATE_LIMITED or UNAVAILABLE, and costs the others nothing.
        """
        asked = sorted_symbols(canonical(symbol) for symbol in symbols)
        data = yahoo_data(self._session)

        def find(symbol: str) -> Finding:
            return self._find(data, symbol, first, last)

        with ThreadPoolExecutor(self._at_once, thread_name_prefix=SOURCE) as pool:
            try:
                found = dict(zip(asked, pool.map(find, asked), strict=True))
            except BaseException:
                # A Ctrl-C waits for the requests under way, but for no second try of them.
                self._patience.give_up()
                raise
        return _answer(found, first, last)

    def listed_symbols(self) -> tuple[str, ...]:
        """None: Yahoo has no list of its symbols."""
        return ()

    def _find(self, data: YfData, symbol: str, first: date, last: date) -> Finding:
        try:
            return self._patience.ask(lambda: _ask(data, symbol, first, last))
        except RateLimited as error:
            return Silence(Outcome.RATE_LIMITED, str(error))
        except (SourceUnavailable, SourceRefused) as error:
            return Silence(Outcome.UNAVAILABLE, str(error))


def _ask(data: YfData, symbol: str, first: date, last: date) -> Finding:
    """One request, besides those for a cookie and a crumb where yfinance has none yet.

    Never `cache_get`: it would answer a second try, or the next night, with what it remembers.
    """
    try:
        response = data.get(CHART_URL + quote(symbol, safe=""), _parameters(first, last))
        if response.status_code >= 400:
            raise SourceUnavailable(SOURCE, f"HTTP {response.status_code} with a new crumb too")
        return read_chart(symbol, response.content, first, last)
    except UnknownToYahoo as unknown:
        return Silence(Outcome.NO_DATA, unknown.reason)


def _parameters(first: date, last: date) -> dict[str, str]:
    return {
        "period1": str(_midnight(first)),
        "period2": str(_midnight(last + timedelta(days=1))),
        "interval": "1d",
        "events": EVENTS,
    }


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), NEW_YORK).timestamp())


def _answer(found: Mapping[str, Finding], first: date, last: date) -> PriceAnswer:
    charts = {symbol: each for symbol, each in found.items() if isinstance(each, Chart)}
    misfits = {symbol: each for symbol, each in found.items() if isinstance(each, Misfit)}
    silent = {symbol: each for symbol, each in found.items() if isinstance(each, Silence)}
    bars, refused = screen(join({symbol: chart.columns for symbol, chart in charts.items()}))
    whole = [RejectedBar(symbol, first, misfit.reason) for symbol, misfit in misfits.items()]
    rejected = sorted_rejections([*refused, *whole])
    answered = {
        **outcomes(found, bars, rejected),
        **{symbol: each.outcome for symbol, each in silent.items()},
    }
    priced = [symbol for symbol in charts if answered[symbol] is Outcome.ROWS]
    unpriced = [symbol for symbol in charts if answered[symbol] is not Outcome.ROWS]
    return PriceAnswer(
        source=SOURCE,
        bars=bars,
        outcomes=answered,
        rejected=rejected,
        single_series=frozenset(symbol for symbol in priced if charts[symbol].single_series),
        actions=tuple(action for symbol in priced for action in charts[symbol].actions),
        reasons={
            **{symbol: each.text for symbol, each in (misfits | silent).items()},
            **{symbol: _why_unpriced(symbol, refused, first, last) for symbol in unpriced},
        },
    )


def _why_unpriced(symbol: str, refused: Sequence[RejectedBar], first: date, last: date) -> str:
    words = sorted({bar.reason for bar in refused if bar.symbol == symbol})
    if words:
        return f"every bar was refused: {', '.join(words)}"
    return f"no price from {first} to {last}"
