"""What Yahoo's chart of one symbol says: its bars, its splits and its distributions.

Read here and not by yfinance's `Ticker.history`, which makes an unknown volume 0, keeps the first
of two contradictory bars, and passes close off as adj_close where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.market.bars import VALUE_FIELDS
from sigmasight_assets.core.market.source import ActionType, CorporateAction
from sigmasight_assets.core.market.yahoo_form import (
    CURRENCY,
    Numbers,
    Result,
    malformed,
    parse_chart,
)
from sigmasight_assets.core.symbols import MAX_LENGTH, canonical

WRONG_SYMBOL: Final = "wrong_symbol"
WRONG_CURRENCY: Final = "wrong_currency"

Column = NDArray[Any]


@dataclass(frozen=True)
class Chart:
    """One symbol's answer. columns: `date` and the values of `PriceBars`, of the days asked for.

    actions: sorted, with an ex-date among those days.
    """

    columns: Mapping[str, Column]
    single_series: bool
    actions: tuple[CorporateAction, ...]


@dataclass(frozen=True)
class Misfit:
    """An answer of which nothing may be kept. reason: a word; text: for a person."""

    reason: str
    text: str


def read_chart(symbol: str, content: bytes, first: date, last: date) -> Chart | Misfit:
    """The bars and actions of the days from first to last, both included; numbers as sent.

    A day without close and adj_close is no bar. Where one of the two is missing throughout, the
    other serves both. Days are those of the exchange. Malformed actions are left out.

    Raises:
        UnknownToYahoo: the answer says that there is no such symbol.
        SourceUnavailable: the answer is not what a chart should be.
    """
    result = parse_chart(content)
    if canonical(result.meta.symbol) != symbol:
        return Misfit(WRONG_SYMBOL, f"Yahoo answered for {result.meta.symbol[:MAX_LENGTH]}")
    if result.meta.currency != CURRENCY:
        return Misfit(WRONG_CURRENCY, f"in {(result.meta.currency or 'no currency')[:MAX_LENGTH]}")
    zone = _zone(result.meta.zone)
    columns, single_series = _on_one_basis(_columns(result, zone))
    days = columns["date"]
    wanted = (days >= np.datetime64(first)) & (days <= np.datetime64(last))
    wanted &= ~(np.isnan(columns["close"]) & np.isnan(columns["adj_close"]))
    bars = {name: column[wanted] for name, column in columns.items()}
    return Chart(bars, single_series, _actions(symbol, result, zone, first, last))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise malformed("an unknown time zone") from None


def _columns(result: Result, zone: ZoneInfo) -> dict[str, Column]:
    """All days of the answer, the newest one once."""
    instants = result.timestamp or []
    adjusted = result.indicators.adjclose or []
    given = {
        **dict(result.indicators.quote[0]),
        "adj_close": adjusted[0].adjclose if adjusted else None,
    }
    if instants and not given["close"] and not given["adj_close"]:
        raise malformed("days without closes")
    columns = {name: _floats(name, given[name], len(instants)) for name in VALUE_FIELDS}
    columns["date"] = _days(instants, zone)
    if _ends_with_live_row(columns["date"], instants, result.meta.newest_trade):
        return {name: np.delete(column, -2) for name, column in columns.items()}
    return columns


def _floats(name: str, numbers: Numbers | None, count: int) -> Column:
    """A column as it was sent, NaN for null; unknown throughout where it is missing."""
    if not numbers:
        return np.full(count, np.nan)
    if len(numbers) != count:
        raise malformed(f"{len(numbers)} values of {name} for {count} days")
    return np.array(numbers, dtype=np.float64)


def _day(instant: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(instant, zone).date()


def _days(instants: Iterable[int], zone: ZoneInfo) -> Column:
    return np.array([_day(instant, zone) for instant in instants], dtype="datetime64[D]")


def _ends_with_live_row(days: Column, instants: list[int], newest_trade: int | None) -> bool:
    """Whether the last row is the newest day's once more: Yahoo appends its latest quote.

    It bears the time of the latest trade, and is the more complete one.
    """
    return len(days) > 1 and bool(days[-1] == days[-2]) and instants[-1] == newest_trade


def _on_one_basis(columns: dict[str, Column]) -> tuple[dict[str, Column], bool]:
    """The columns, and whether one of close and adj_close has to serve both."""
    close, adj_close = columns["close"], columns["adj_close"]
    no_close, no_adj_close = bool(np.isnan(close).all()), bool(np.isnan(adj_close).all())
    if no_close == no_adj_close:
        return columns, False
    known = adj_close if no_close else close
    return {**columns, "close": known, "adj_close": known}, True


def _actions(
    symbol: str, result: Result, zone: ZoneInfo, first: date, last: date
) -> tuple[CorporateAction, ...]:
    """Of two distributions on one day the sum is paid, of two splits the product is done."""
    values: dict[tuple[date, ActionType], float] = {}
    for instant, kind, value in result.actions():
        key = (_day(instant, zone), kind)
        if first <= key[0] <= last:
            before = values.get(key)
            together = value if before is None else _together(kind, before, value)
            values[key] = together
    actions = (CorporateAction(symbol, day, kind, value) for (day, kind), value in values.items())
    return tuple(sorted(actions))


def _together(kind: ActionType, one: float, other: float) -> float:
    return one * other if kind is ActionType.SPLIT else one + other
