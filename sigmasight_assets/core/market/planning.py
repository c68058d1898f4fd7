"""What to ask a price source for, so that every session's 280-session history is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from sigmasight_assets.core import sessions

HISTORY_SESSIONS: Final = 280
TRAILING_SESSIONS: Final = 5
SYMBOLS_PER_FETCH: Final = 2_000


@dataclass(frozen=True)
class UniverseEntry:
    """What is known of a symbol's stored window.

    needed_from: the earliest session whose price some calculation of this run can use.
    """

    symbol: str
    price_source: str | None
    asked_from: date | None
    asked_to: date | None
    needed_from: date


@dataclass(frozen=True)
class FetchRequest:
    """One call to a source; `replace` discards what another source has stored."""

    symbols: tuple[str, ...]
    first: date
    last: date
    replace: bool


def plan_fetches(
    entries: Iterable[UniverseEntry], source: str, first: date, last: date
) -> tuple[FetchRequest, ...]:
    """Requests that bring every entry's window up to date for the sessions first to last.

    A new symbol, one whose window has to reach further back, and one whose stored window comes
    from another source are asked for whole. All others are asked for the run's sessions and a
    few before them, so that late and corrected bars arrive.
    """
    groups: dict[tuple[date, date, bool], list[str]] = defaultdict(list)
    for entry in entries:
        groups[_wanted(entry, source, first, last)].append(entry.symbol)
    return tuple(
        FetchRequest(tuple(chunk), since, until, replace)
        for (since, until, replace), symbols in sorted(groups.items())
        for chunk in _chunks(sorted(symbols))
    )


def _wanted(entry: UniverseEntry, source: str, first: date, last: date) -> tuple[date, date, bool]:
    if entry.asked_from is None or entry.asked_to is None or entry.price_source is None:
        return entry.needed_from, last, False
    if entry.price_source != source:
        return (
            min(entry.needed_from, entry.asked_from),
            max(last, entry.asked_to),
            True,
        )
    if entry.needed_from < entry.asked_from:
        return entry.needed_from, max(last, entry.asked_to), False
    since = sessions.offset(min(first, entry.asked_to), -TRAILING_SESSIONS)
    return max(since, entry.needed_from), last, False


def _chunks(symbols: list[str]) -> Iterable[list[str]]:
    for start in range(0, len(symbols), SYMBOLS_PER_FETCH):
        yield symbols[start : start + SYMBOLS_PER_FETCH]
