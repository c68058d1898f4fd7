"""Which portfolios show results that are out of date, and who will bring them up to date."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import change_marks
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.jobs import company_sync, portfolio_refresh, symbol_batch
from sigmasight_assets.overdue import PATIENCE

UNDER_WAY: Final = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
AGAIN_AFTER: Final = timedelta(minutes=10)
"""How long a refresh that failed is not asked for again."""


@dataclass(frozen=True)
class StalePortfolios:
    """Portfolios of which a published session is out of date.

    session: the newest published one. ids: sorted. state: changes whenever one of them does.
    """

    session: date
    ids: tuple[str, ...]
    state: str

    def run_key(self, now: datetime) -> str:
        """One run for a state, and another when that did not help for a while."""
        tries = int(now.timestamp() // AGAIN_AFTER.total_seconds())
        return f"stale portfolios {self.state} {tries}"


def stale_portfolios(database: Database) -> StalePortfolios | None:
    """What a refresh of the newest published session would bring up to date, if anything.

    That refresh could not begin while the session's symbols are withdrawn. A portfolio whose
    change alters nothing up to that session, or that began later, waits for the night.
    """
    with database.connection() as connection:
        session = max(published(connection, Layer.PORTFOLIOS), default=None)
        if session is None or session not in published(connection, Layer.SYMBOLS, session):
            return None
        marks = change_marks(connection, session)
    stale = marks.stale_from <= np.datetime64(session)
    if not stale.any():
        return None
    ids = tuple(marks.id[stale].tolist())
    versions = marks.data_version[stale].tolist()
    told = repr([session, *zip(ids, versions, strict=True)])
    return StalePortfolios(session, ids, hashlib.sha256(told.encode()).hexdigest()[:16])


def coming_refresh(instance: DagsterInstance, now: datetime) -> str | None:
    """Why stale portfolios will be refreshed anyway, for a person; None if they will not.

    Any run counts that is queued or under way, be it the UI's, but that of companies: it changes
    no portfolio. A batch that has succeeded is followed by a refresh, which may not have been
    asked for yet.
    """
    runs = instance.get_runs(RunsFilter(statuses=UNDER_WAY))
    for run in runs:
        if run.job_name != company_sync.name:
            return f"run {run.run_id} of {run.job_name} is queued or under way"
    succeeded = [DagsterRunStatus.SUCCESS]
    batch = _newest(instance, RunsFilter(job_name=symbol_batch.name, statuses=succeeded))
    refresh = _newest(instance, RunsFilter(job_name=portfolio_refresh.name))
    if batch is None or (refresh is not None and refresh.storage_id > batch.storage_id):
        return None
    if now.timestamp() - (batch.end_time or 0.0) > PATIENCE.total_seconds():
        return None
    return f"the refresh that follows run {batch.dagster_run.run_id} of {symbol_batch.name} is due"


def _newest(instance: DagsterInstance, filters: RunsFilter) -> RunRecord | None:
    return next(iter(instance.get_run_records(filters, limit=1)), None)
