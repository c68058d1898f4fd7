"""The portfolio layer: snapshots, exposures, correlations and stress tests of each session."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim, Layer, claim_sessions, join_sessions
from sigmasight_assets.core.db.read.book import ChangeMarks, change_marks, held_symbols
from sigmasight_assets.core.db.read.holes import portfolio_holes
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets.core.db.write.portfolios import (
    forget_deleted,
    forget_matrices,
    settle_refresh,
)
from sigmasight_assets.core.nightly.late_symbols import complete_symbols
from sigmasight_assets.core.nightly.portfolio_ground import read_ground
from sigmasight_assets.core.nightly.portfolio_sessions import (
    ASSET_TABLES,
    BATCH_TYPE,
    OF_PORTFOLIOS,
    PortfolioSession,
    Rules,
    SkippedSession,
)
from sigmasight_assets.core.nightly.portfolio_writes import Task, refresh_session

UNPUBLISHED: Final = "symbols_not_published"


def refresh_portfolios(
    database: Database,
    run_id: str,
    days: Sequence[date],
    rules: Rules,
    assets: Collection[str] = tuple(ASSET_TABLES),
    portfolio_ids: Sequence[str] | None = None,
) -> Iterator[PortfolioSession | SkippedSession]:
    """Compute and write sessions one by one, each in one transaction.

    First the sessions asked for, of all portfolios or of those named. Factors of a symbol that
    arrived after the batch are added before; a session whose symbols are not published is
    skipped. Then what is missing or out of date in the sessions published before: of portfolios
    whose past was changed, and of those that lack a session.

    Raises:
        StaleEpoch: a later run has claimed a session; those before it are committed.
    """
    with database.connection() as connection:
        ready = set(published(connection, Layer.SYMBOLS))
        held = held_symbols(connection, days[-1], portfolio_ids)
        stale = _stale_sessions(connection, change_marks(connection, days[-1], portfolio_ids))
    complete_symbols(database, run_id, sorted(stale.union(days)), held)
    # Read after that: holders of a symbol that was completed are marked by it.
    with database.connection() as connection:
        marks = change_marks(connection, days[-1], portfolio_ids)
    task = Task(database, run_id, rules, assets, portfolio_ids)
    for session in days:
        if session not in ready:
            yield _skipped(database, session)
    computable = [session for session in days if session in ready]
    yield from _refresh(task, computable)
    yield from _bring_up_to_date(task, marks, ready - set(days))
    if portfolio_ids is None:
        forget_deleted(database, [*OF_PORTFOLIOS, "reconciliation_exceptions"])
    if set(assets) == set(ASSET_TABLES) and len(computable) == len(days):
        settle_refresh(database, marks)


def _skipped(database: Database, session: date) -> SkippedSession:
    detail = f"the symbol layer has not published {session}: run symbol_batch for it first"
    failure = BatchFailure(str(session), UNPUBLISHED, detail)
    log_failures(database, BATCH_TYPE, session, [failure])
    return SkippedSession(session, UNPUBLISHED, detail)


def _bring_up_to_date(
    task: Task, marks: ChangeMarks, days: set[date]
) -> Iterator[PortfolioSession]:
    """Those of the days that are published and in which rows are out of date, or missing."""
    changed = marks.id[~np.isnat(marks.stale_from)].tolist()
    with task.database.connection() as connection:
        stale = _stale_sessions(connection, marks)
    every = replace(task, assets=tuple(ASSET_TABLES), portfolio_ids=changed)
    yield from _refresh(every, sorted(stale & days))
    with task.database.connection() as connection:
        holes = portfolio_holes(connection, BATCH_TYPE, task.portfolio_ids)
    every = replace(every, portfolio_ids=holes.portfolio_ids)
    yield from _refresh(every, sorted(days.intersection(holes.sessions)))


def _stale_sessions(connection: Connection, marks: ChangeMarks) -> set[date]:
    """Published sessions in which some portfolio's rows are out of date."""
    stale = marks.stale_from[~np.isnat(marks.stale_from)]
    if not len(stale):
        return set()
    since: date = stale.min().astype(object)
    return set(published(connection, Layer.PORTFOLIOS, since))


def _refresh(task: Task, days: Sequence[date]) -> Iterator[PortfolioSession]:
    """Compute and write sessions, of which any number may be asked for, none included."""
    if not days:
        return
    claim = task.database.transaction(lambda connection: _claim(connection, task, days))
    ground = read_ground(task.database, days, task.portfolio_ids)
    keep_from = _matrices_from(task.database, days[-1], task.rules)
    for session in days:
        yield refresh_session(task, ground, claim, session, session >= keep_from)
    forget_matrices(task.database, keep_from)


def _claim(connection: Connection, task: Task, days: Sequence[date]) -> Claim:
    """A refresh of some portfolios works beside that of a session; two of a session do not."""
    claim = claim_sessions if task.portfolio_ids is None else join_sessions
    return claim(connection, Layer.PORTFOLIOS, days, task.run_id)


def _matrices_from(database: Database, last: date, rules: Rules) -> date:
    """The first session whose matrices are kept: the newest sessions there are count."""
    with database.connection() as connection:
        newest = max([last, *published(connection, Layer.PORTFOLIOS, last)])
    return sessions.offset(newest, 1 - rules.matrix_sessions)
