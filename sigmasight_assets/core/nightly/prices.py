"""Bring the stored prices up to date for a range of sessions."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim
from sigmasight_assets.core.db.read.prices import price_counts, public_panel
from sigmasight_assets.core.db.read.universe import latest_asked, recorded_splits, universe_entries
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets.core.db.write.prices import write_prices
from sigmasight_assets.core.db.write.warnings import replace_warnings
from sigmasight_assets.core.market.planning import FetchRequest, plan_fetches
from sigmasight_assets.core.market.source import Outcome, PriceAnswer, PriceSource
from sigmasight_assets.core.market.warnings import FROZEN_CLOSES, price_warnings

log = logging.getLogger(__name__)

DELISTED_AFTER: Final = 20
BATCH: Final = "market_data_cache"


@dataclass(frozen=True)
class PriceReport:
    """What a refresh of prices did. Symbols are counted by outcome, stored prices by session."""

    outcomes: dict[str, int]
    offered_rows: int
    changed_rows: int
    rejected_rows: int
    warnings: int
    stored_rows: dict[date, int]


def refresh_prices(
    database: Database, source: PriceSource, claim: Claim, first: date, last: date
) -> PriceReport:
    """Ask the source for what the sessions from first to last need, and store it.

    Each answer is one transaction, so a killed run keeps what it has and the next goes on.

    Raises:
        StaleEpoch: a later run has claimed one of the sessions.
    """
    with database.connection() as connection:
        entries = universe_entries(connection, first)
        newest = max(last, latest_asked(connection) or last)
    alive_from = sessions.offset(newest, -DELISTED_AFTER)
    outcomes: Counter[str] = Counter()
    failures: list[BatchFailure] = []
    offered = changed = rejected = 0
    requests = plan_fetches(entries, source.name, first, last)
    for number, request in enumerate(requests, start=1):
        answer = source.fetch(request.symbols, request.first, request.last)
        stored = write_prices(
            database, claim, sessions_of(claim), request, answer, alive_from=alive_from
        )
        offered += stored.offered
        changed += stored.changed
        rejected += len(answer.rejected)
        outcomes.update(str(outcome) for outcome in answer.outcomes.values())
        failures += _failures(request, answer)
        log.info(
            "prices %d/%d: %d symbols, %s to %s, %d rows, %d changed",
            number,
            len(requests),
            len(request.symbols),
            request.first,
            request.last,
            stored.offered,
            stored.changed,
        )
    log_failures(database, BATCH, last, failures)
    warnings = _refresh_warnings(database, first, last)
    with database.connection() as connection:
        stored_rows = price_counts(connection, first, last)
    return PriceReport(dict(outcomes), offered, changed, rejected, warnings, stored_rows)


def sessions_of(claim: Claim) -> list[date]:
    """The sessions a claim covers, in order."""
    return sorted(claim.epochs)


def _failures(request: FetchRequest, answer: PriceAnswer) -> list[BatchFailure]:
    """Symbols without a price and refused bars, one entry per symbol."""
    span = f"{request.first} to {request.last}"
    failures = [
        BatchFailure(symbol, str(outcome), f"{answer.source}: {outcome} from {span}")
        for symbol, outcome in answer.outcomes.items()
        if outcome is not Outcome.ROWS
    ]
    by_symbol: dict[str, list[str]] = {}
    for bar in answer.rejected:
        by_symbol.setdefault(bar.symbol, []).append(f"{bar.date} {bar.reason}")
    failures += [
        BatchFailure(symbol, "rejected", f"{len(bars)} refused: {', '.join(bars[:5])}")
        for symbol, bars in by_symbol.items()
    ]
    return failures


def _refresh_warnings(database: Database, first: date, last: date) -> int:
    """Recompute price_warnings of the sessions from first to last from what is stored."""

    def work(connection: Connection) -> int:
        panel = public_panel(connection, sessions.offset(first, -FROZEN_CLOSES), last)
        rows = price_warnings(panel, first, last, recorded_splits(connection))
        return replace_warnings(connection, first, last, rows)

    return database.transaction(work)
