"""Sessions on demand: one, or a range in one run."""

from __future__ import annotations

import logging
from datetime import date
from uuid import UUID

from dagster import DagsterInstance

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.cli.platform import Grounds, command_settings, standing
from sigmasight_assets.cli.summary import print_summary
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import change_marks
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.settings import Settings

log = logging.getLogger(__name__)


def run(day: date, portfolio: str | None, force: bool) -> int:
    """Run one session for everybody, or refresh one portfolio on it."""
    settings = command_settings()
    if not sessions.is_session(day):
        before = sessions.on_or_before(day)
        if not force:
            print(f"{day} is not an NYSE session, nothing to do (--force would run {before})")
            return 0
        day = before
    require_range(settings, day, day)
    portfolio_id = _portfolio_id(portfolio)
    with standing(settings) as grounds, DagsterInstance.get() as instance:
        if portfolio_id:
            _require_portfolio(grounds, day, portfolio_id)
        return run_sessions(grounds, instance, day, day, portfolio_id)


def backfill(first: date, last: date) -> int:
    """Run every session of a range as one run of each job."""
    settings = command_settings()
    days = sessions.as_dates(sessions.between(first, last))
    if not days:
        raise ConfigurationError(f"there is no NYSE session from {first} to {last}")
    require_range(settings, days[0], days[-1])
    with standing(settings) as grounds, DagsterInstance.get() as instance:
        return run_sessions(grounds, instance, days[0], days[-1])


def run_sessions(
    grounds: Grounds,
    instance: DagsterInstance,
    first: date,
    last: date,
    portfolio_id: str | None = None,
) -> int:
    """Symbols, then portfolios; a single portfolio is refreshed on symbols that are there."""
    with grounds.database.connection() as connection:
        symbols_are_there = first in published(connection, Layer.SYMBOLS, first)
    if not (portfolio_id and symbols_are_there):
        log.info("symbols, %s to %s", first, last)
        if not run_job(instance, "symbol_batch", first, last):
            return 1
    log.info("portfolios, %s to %s", first, last)
    chosen = {"portfolio_layer": {"config": {"portfolio_ids": [portfolio_id]}}}
    if not run_job(instance, "portfolio_refresh", first, last, chosen if portfolio_id else None):
        return 1
    print_summary(grounds.database)
    return 0


def require_range(settings: Settings, first: date, last: date) -> None:
    """Refuse sessions that have no partition or whose close has not passed.

    Raises:
        ConfigurationError, SessionNotComplete: naming the nearest legal session.
    """
    if first > last:
        raise ConfigurationError(f"the range ends ({last}) before it begins ({first})")
    if first < settings.start_date:
        raise ConfigurationError(
            f"{first} is before the first session, {settings.start_date} (SIGMASIGHT_START_DATE)"
        )
    sessions.require_completed(last, settings.clock())


def _portfolio_id(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a portfolio id (a UUID)") from None


def _require_portfolio(grounds: Grounds, day: date, portfolio_id: str) -> None:
    with grounds.database.connection() as connection:
        if not len(change_marks(connection, day, [portfolio_id]).id):
            raise ConfigurationError(f"there is no portfolio {portfolio_id} on {day}")
