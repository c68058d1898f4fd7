"""What to ask a price source for, so that every session's 280-session history is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.source import PriceSource
from sigmasight_assets.core.symbols import InvestmentClass, option_contract

HISTORY_SESSIONS: Final = 280
TRAILING_SESSIONS: Final = 5
ANSWER_STAYS_FRESH: Final = timedelta(hours=12)


@dataclass(frozen=True)
class UniverseEntry:
    """What is known of a symbol's stored window.

    needed_from: the earliest session whose price some calculation can use. asked_at:
    when the source last answered for asked_to. A symbol without any price has no price_source and
    no asked_from. attempts: answers in a row in which the first source of its class had no price.
    """

    symbol: str
    investment_class: InvestmentClass
    price_source: str | None
    asked_from: date | None
    asked_to: date | None
    needed_from: date
    asked_at: datetime | None = None
    last_price_date: date | None = None
    attempts: int = 0


@dataclass(frozen=True)
class FetchRequest:
    """One call to a source. replace: what is stored of those that have bars is discarded."""

    symbols: tuple[str, ...]
    first: date
    last: date
    replace: bool


@dataclass(frozen=True)
class Span:
    """What to ask for one symbol."""

    first: date
    last: date
    replace: bool = False


def plan_fetches(
    entries: Iterable[UniverseEntry], source: PriceSource, first: date, last: date, now: datetime
) -> tuple[FetchRequest, ...]:
    """Requests that bring every entry's window up to date for the sessions first to last.

    A new symbol, one whose window has to reach further back, and one whose stored window comes
    from another source are asked for whole. All others are asked for the run's sessions and a
    few before them, so that late and corrected bars arrive. A metered source is not asked for
    what it has answered within twelve hours, or for sessions that were over five sessions before
    it last answered; no source is asked for a contract after its expiration.
    """
    groups: dict[tuple[date, date, bool], list[str]] = defaultdict(list)
    for entry in entries:
        span = _span(entry, source, first, last, now)
        if span is not None:
            groups[span.first, span.last, span.replace].append(entry.symbol)
    return tuple(
        FetchRequest(tuple(chunk), since, until, replace)
        for (since, until, replace), symbols in sorted(groups.items())
        for chunk in _chunks(sorted(symbols), source.symbols_per_fetch)
    )


def whole_window(
    entries: Iterable[UniverseEntry], source: PriceSource, last: date
) -> tuple[FetchRequest, ...]:
    """Requests for all that is stored of the entries, up to `last` or later."""
    groups: dict[tuple[date, date], list[str]] = defaultdict(list)
    for entry in entries:
        since = min(entry.needed_from, entry.asked_from or entry.needed_from)
        until = max(last, entry.asked_to or last)
        groups[since, until].append(entry.symbol)
    return tuple(
        FetchRequest(tuple(chunk), since, until, replace=True)
        for (since, until), symbols in sorted(groups.items())
        for chunk in _chunks(sorted(symbols), source.symbols_per_fetch)
    )


def _span(
    entry: UniverseEntry, source: PriceSource, first: date, last: date, now: datetime
) -> Span | None:
    """What to ask for one symbol; None if there is nothing to learn."""
    contract = option_contract(entry.symbol)
    if contract:
        last = min(last, sessions.on_or_before(contract.expiration))
        is_over = entry.asked_to is not None and entry.asked_to >= last < first
        if is_over and entry.price_source in (None, source.name):
            return None
    if entry.needed_from > last:
        return None
    if entry.asked_from is None or entry.asked_to is None or entry.price_source is None:
        return Span(entry.needed_from, last, replace=True)
    is_another = entry.price_source != source.name
    if is_another or entry.needed_from < entry.asked_from:
        since = min(entry.needed_from, entry.asked_from)
        return Span(since, max(last, entry.asked_to), replace=is_another)
    if source.metered and _is_known(entry, last, now):
        return None
    # A source that was silent for a while may have bars of those days by now.
    heard = min(first, entry.asked_to, entry.last_price_date or first)
    since = sessions.offset(heard, -TRAILING_SESSIONS)
    return Span(max(since, entry.needed_from), last)


def _is_known(entry: UniverseEntry, last: date, now: datetime) -> bool:
    """Whether asking again up to `last` would bring nothing new."""
    if entry.asked_to is None or entry.asked_to < last:
        return False
    if entry.asked_to >= sessions.offset(last, TRAILING_SESSIONS):
        return True
    if entry.asked_at is None or entry.asked_at < sessions.completes_at(last):
        return False
    # A contract may not have traded; a share without its newest bar is asked for again.
    has_newest = entry.last_price_date is not None and entry.last_price_date >= last
    complete = has_newest or entry.investment_class is InvestmentClass.OPTIONS
    return complete and now - entry.asked_at < ANSWER_STAYS_FRESH


def _chunks(symbols: list[str], most: int) -> Iterable[list[str]]:
    for start in range(0, len(symbols), most):
        yield symbols[start : start + most]
