"""Bring the stored prices up to date for a range of sessions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim
from sigmasight_assets.core.db.read.prices import price_counts
from sigmasight_assets.core.db.read.quality import warning_count
from sigmasight_assets.core.db.read.universe import (
    DELISTED_AFTER,
    latest_asked,
    universe_entries,
)
from sigmasight_assets.core.db.write.asked_symbols import Asking
from sigmasight_assets.core.db.write.failures import log_failures
from sigmasight_assets.core.db.write.prices import StoredPrices, write_prices
from sigmasight_assets.core.market.chains import ATTEMPTS, PriceSources, entries_for
from sigmasight_assets.core.market.planning import (
    FetchRequest,
    UniverseEntry,
    plan_fetches,
    whole_window,
)
from sigmasight_assets.core.market.source import Outcome, PriceAnswer, PriceSource
from sigmasight_assets.core.nightly.price_results import (
    FAILURES,
    HAVE_BARS,
    SymbolResult,
    failures,
    symbol_results,
)
from sigmasight_assets.core.symbols import InvestmentClass

log = logging.getLogger(__name__)

PRICED_CLASSES: Final = (InvestmentClass.PUBLIC, InvestmentClass.OPTIONS)


@dataclass(frozen=True)
class PriceReport:
    """What a refresh of prices did. Stored prices are counted by session.

    results: one per symbol that was asked for, sorted by symbol; fresh: symbols that were not,
    because their source had said all there is; restated: windows that were fetched again.
    """

    results: tuple[SymbolResult, ...]
    fresh: int
    restated: int
    offered_rows: int
    changed_rows: int
    rejected_rows: int
    warnings: int
    stored_rows: dict[date, int]

    def counts(self) -> dict[str, int]:
        """Symbols by result, and those that were not asked for again."""
        counted = Counter(str(each.result) for each in self.results)
        return dict(sorted(counted.items())) | ({"fresh": self.fresh} if self.fresh else {})

    def failures(self) -> str:
        """How many failed and how, with an example, for a person; empty if none did."""
        failed = [each for each in self.results if each.result in FAILURES]
        counted = Counter(str(each.result) for each in failed)
        how = ", ".join(f"{count} {result}" for result, count in counted.most_common())
        return f"{how}; {failed[0].symbol}: {failed[0].reason}" if failed else ""

    def failed_share(self) -> float:
        """Failed symbols among those that the night needs; 0 where it needs none."""
        needed = len(self.results) + self.fresh
        return sum(each.result in FAILURES for each in self.results) / needed if needed else 0.0


@dataclass(frozen=True)
class Answered:
    """One request, what the source said, and what came of it."""

    request: FetchRequest
    answer: PriceAnswer
    stored: StoredPrices


@dataclass(frozen=True)
class Refresh:
    """What a refresh of one class works on, and in whose name."""

    database: Database
    asking: Asking
    first: date
    last: date


def refresh_prices(
    database: Database,
    sources: PriceSources,
    claim: Claim,
    first: date,
    last: date,
    now: datetime,
    classes: Sequence[InvestmentClass] = PRICED_CLASSES,
) -> PriceReport:
    """Ask the sources for what the sessions from first to last need, and store it.

    Each answer is one transaction, so a killed run keeps what it has and the next goes on. A
    symbol that failed is left as it was, and asked for again by the next run.

    Raises:
        StaleEpoch: a later run has claimed one of the sessions.
    """
    answered: list[Answered] = []
    needed = 0
    for investment_class in classes:
        with database.connection() as connection:
            entries = universe_entries(connection, investment_class, first)
            newest = max(last, latest_asked(connection) or last)
        needed += len(entries)
        chain = sources.chain(investment_class)
        names = tuple(source.name for source in chain)
        alive_from = sessions.offset(newest, 1 - DELISTED_AFTER)
        asking = Asking(claim, now, {}, names, alive_from, ATTEMPTS)
        answered += _ask_chain(Refresh(database, asking, first, last), chain, entries)
    return _report(database, first, last, classes, needed, answered)


def _ask_chain(
    refresh: Refresh, chain: Sequence[PriceSource], entries: Sequence[UniverseEntry]
) -> list[Answered]:
    """The preferred source first; the others for what it has no price of."""
    outcomes: dict[str, Outcome] = {}
    answered: list[Answered] = []
    for place, source in enumerate(chain):
        asked = entries_for(place, chain, entries, outcomes)
        if place:
            # What the first source was silent about has lost the window of a source of the past.
            names = refresh.asking.chain
            asked = [each if each.price_source in names else _new(each) for each in asked]
        for each in _ask(refresh, source, asked):
            answered.append(each)
            outcomes.update(each.answer.outcomes)
    return answered


def _new(entry: UniverseEntry) -> UniverseEntry:
    return replace(entry, price_source=None, asked_from=None, last_price_date=None)


def _ask(
    refresh: Refresh, source: PriceSource, entries: Sequence[UniverseEntry]
) -> Iterator[Answered]:
    """Ask one source, write each answer, and fetch restated windows again, whole."""
    by_symbol = {entry.symbol: entry for entry in entries}
    windows = {entry.symbol: (entry.price_source, entry.asked_from) for entry in entries}
    refresh = replace(refresh, asking=replace(refresh.asking, windows=windows))
    requests = plan_fetches(entries, source, refresh.first, refresh.last, refresh.asking.now)
    for number, request in enumerate(requests, start=1):
        done = _fetch(refresh, source, request)
        log.info(
            "prices %d/%d from %s: %d symbols, %s to %s, %d of them changed",
            number,
            len(requests),
            source.name,
            len(request.symbols),
            request.first,
            request.last,
            len(done.stored.changed),
        )
        yield done
        restated = [by_symbol[symbol] for symbol in sorted(done.stored.restated)]
        for whole in whole_window(restated, source, refresh.last):
            log.info("history restated, fetched again: %s", ", ".join(whole.symbols))
            yield _fetch(refresh, source, whole)


def _fetch(refresh: Refresh, source: PriceSource, request: FetchRequest) -> Answered:
    answer = source.fetch(request.symbols, request.first, request.last)
    return Answered(
        request, answer, write_prices(refresh.database, refresh.asking, request, answer)
    )


def _report(
    database: Database,
    first: date,
    last: date,
    classes: Sequence[InvestmentClass],
    needed: int,
    answered: Sequence[Answered],
) -> PriceReport:
    """Log what failed, and count. The last source that was asked for a symbol has the last word."""
    found = {
        result.symbol: result
        for each in answered
        for result in symbol_results(each.request, each.answer, each.stored)
    }
    results = tuple(found[symbol] for symbol in sorted(found))
    for batch, failed in failures(results).items():
        log_failures(database, batch, last, failed)
    with database.connection() as connection:
        stored_rows = price_counts(connection, first, last, classes)
        warnings = warning_count(connection, first, last, classes)
    restated = frozenset().union(*(each.stored.restated for each in answered))
    changes = [span.count for each in answered for span in each.stored.changed.values()]
    return PriceReport(
        results=results,
        fresh=needed - len(results),
        restated=sum(found[symbol].result in HAVE_BARS for symbol in restated),
        offered_rows=sum(each.stored.offered for each in answered),
        changed_rows=sum(changes),
        rejected_rows=sum(len(each.answer.rejected) for each in answered),
        warnings=warnings,
        stored_rows=stored_rows,
    )
