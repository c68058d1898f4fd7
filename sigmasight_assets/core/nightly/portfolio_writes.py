"""One session of the portfolio layer: computed block by block, written in one transaction."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.encoded_rows import EncodedRows, encode_rows
from sigmasight_assets.core.db.write.failures import note_failures
from sigmasight_assets.core.db.write.portfolios import lock_outdated, mark_outdated
from sigmasight_assets.core.db.write.reconciliation import forget_exceptions
from sigmasight_assets.core.db.write.slices import Subset, Target, write_parts
from sigmasight_assets.core.nightly.portfolio_blocks import Failures, ahead, isolated, storable
from sigmasight_assets.core.nightly.portfolio_ground import Ground
from sigmasight_assets.core.nightly.portfolio_rows import (
    Market,
    Stopwatch,
    market_rows,
    portfolio_rows,
    read_market,
)
from sigmasight_assets.core.nightly.portfolio_sessions import (
    ASSET_TABLES,
    BATCH_TYPE,
    OF_PORTFOLIOS,
    PortfolioSession,
    Rules,
)
from sigmasight_assets.core.risk.valuation import PricedBook, price_at
from sigmasight_assets.core.shapes.book import Book
from sigmasight_assets.core.shapes.panel import Columns

log = logging.getLogger(__name__)

MATRICES: Final = "correlation_matrices"


@dataclass(frozen=True)
class Task:
    """What a refresh writes: tables of some assets, of all portfolios or of those named."""

    database: Database
    run_id: str
    rules: Rules
    assets: Collection[str] = tuple(ASSET_TABLES)
    portfolio_ids: Sequence[str] | None = None

    def targets(self, scenario_ids: Sequence[str]) -> list[Target]:
        """The rows to replace on a session for which these scenarios are computed.

        Where portfolios are named, the moves of other scenarios stay: others have results of them.
        """
        names = sorted(name for asset in self.assets for name in ASSET_TABLES[asset])
        if self.portfolio_ids is None:
            return [Target(metadata.tables[name]) for name in names]
        own = Subset("portfolio_id", self.portfolio_ids)
        moves = Subset("scenario_id", scenario_ids)
        return [
            Target(metadata.tables[name], own if name in OF_PORTFOLIOS else moves) for name in names
        ]


class _Tally:
    """What one try of a session's transaction has come to."""

    def __init__(self, failures: Failures, watch: Stopwatch) -> None:
        self.failures = failures
        self.watch = watch
        self.snapshots: list[Columns] = []
        self.scenario_pnl: Counter[str] = Counter()

    def count(self, rows: Mapping[str, Columns]) -> None:
        self.snapshots.append(rows["portfolio_snapshots"])
        results = rows["stress_test_results"]
        known = np.isfinite(results["correlated_pnl"])
        names, place = np.unique(results["scenario_id"][known].astype(str), return_inverse=True)
        sums = np.bincount(place, results["correlated_pnl"][known], len(names))
        self.scenario_pnl.update(dict(zip(names.tolist(), sums.tolist(), strict=True)))


def refresh_session(
    task: Task, ground: Ground, claim: Claim, session: date, keep_matrices: bool
) -> PortfolioSession:
    """Compute one session and write it; a portfolio that fails is logged with its reason.

    Raises:
        StaleEpoch: a later run has claimed the session; nothing was written.
    """
    began, watch = time.perf_counter(), Stopwatch()
    with watch.phase("read"):
        market = read_market(
            task.database, session, ground.held, task.rules.rates, task.portfolio_ids is not None
        )
    tries: list[_Tally] = []
    targets = task.targets([each.scenario_id for each in market.scenarios])
    wanted = {target.table.name for target in targets}

    def parts() -> Iterator[Mapping[str, EncodedRows]]:
        tries.append(_Tally(ground.failures(session), watch))
        made = _parts(ground, market, tries[-1], keep_matrices)
        for part in ahead(_encoded(each, wanted, watch) for each in made):
            with watch.phase("write"):
                yield part

    outdated = (ground.marks, session, task.portfolio_ids)

    def first(connection: Connection) -> None:
        lock_outdated(connection, *outdated)

    def also(connection: Connection) -> None:
        note_failures(connection, BATCH_TYPE, session, tries[-1].failures.listed())
        mark_outdated(connection, *outdated)
        forget_exceptions(connection, session, task.portfolio_ids)

    written = write_parts(task.database, claim, session, targets, parts, also, first)
    done = tries[-1]
    seconds = time.perf_counter() - began
    log.info("portfolios %s: %d rows in %.2f s", session, sum(written.values()), seconds)
    return PortfolioSession(
        session,
        written,
        seconds,
        dict(watch.seconds),
        _joined(done.snapshots),
        dict(done.scenario_pnl),
        done.failures.listed(),
    )


def _parts(
    ground: Ground, market: Market, tally: _Tally, keep_matrices: bool
) -> Iterator[Mapping[str, Columns]]:
    """The session's rows, those of the market first, then block by block."""
    yield market_rows(market)
    for priced in ground.priced:

        def work(book: Book, whole: PricedBook = priced) -> Mapping[str, Columns]:
            part = whole if book is whole.book else price_at(book, whole.closes)
            return portfolio_rows(part, market, tally.watch)

        for computed in isolated(priced.book, work, tally.failures):
            rows = storable(computed, tally.failures)
            tally.count(rows)
            yield rows if keep_matrices else _without_matrices(rows)


def _without_matrices(rows: Mapping[str, Columns]) -> Mapping[str, Columns]:
    return {name: columns for name, columns in rows.items() if name != MATRICES}


def _encoded(
    rows: Mapping[str, Columns], wanted: Collection[str], watch: Stopwatch
) -> Mapping[str, EncodedRows]:
    with watch.phase("encode"):
        return {
            name: encode_rows(metadata.tables[name], columns)
            for name, columns in rows.items()
            if name in wanted
        }


def _joined(parts: Sequence[Columns]) -> Columns:
    """The rows of all blocks; of no portfolios at all, no columns."""
    names = parts[0] if parts else {}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
