"""The night: 21:00 New York, the session just completed and any that was missed."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.owed_sessions import owed_sessions
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.jobs import symbol_batch
from sigmasight_assets.partitions import NEW_YORK
from sigmasight_assets.ranges import contiguous_ranges, run_request
from sigmasight_assets.resources import Platform

NIGHTLY_CRON: Final = "0 21 * * 1-5"


@schedule(
    name="nightly_schedule",
    job=symbol_batch,
    cron_schedule=NIGHTLY_CRON,
    execution_timezone="America/New_York",
    default_status=DefaultScheduleStatus.RUNNING,
    description=(
        "Materializes the session just completed and any earlier one that is missing; "
        "skips holidays."
    ),
)
def nightly_schedule(
    context: ScheduleEvaluationContext, platform: Platform
) -> Iterator[RunRequest | SkipReason]:
    """One run per gap without a hole: usually just today."""
    tick = context.scheduled_execution_time.astimezone(NEW_YORK)
    session = tick.date()
    if not sessions.is_session(session):
        yield SkipReason(f"{session} is not an NYSE session: the exchange is closed")
        return
    # The tick's time is the daemon's; a frozen clock may be behind it.
    if session > sessions.latest_completed(platform.now()):
        available_at = sessions.completes_at(session).isoformat()
        yield SkipReason(f"{session} is not complete: it is available after {available_at}")
        return
    start = platform.settings().start_date
    for first, last in contiguous_ranges(missing_sessions(platform.database(), session, start)):
        yield run_request(f"symbol_batch {first} {last} at {tick.isoformat()}", first, last)


def missing_sessions(database: Database, session: date, start: date) -> list[date]:
    """The session itself, and each since `start` that a layer lacks and should have.

    Those are all since the first that the layer ever published, priced or not: a night's own
    prices come with it. Before that, they are the sessions with a stored price since the
    earliest inception: the history of a portfolio that began in the past. A session whose
    portfolios alone are missing counts too: their refresh follows the symbols.
    """
    until_now = sessions.as_dates(sessions.between(start, session))
    with database.connection() as connection:
        layers = [set(published(connection, layer)) for layer in Layer]
        owed = owed_sessions(connection, until_now)
    missing = {session}
    for known in layers:
        since = min(known, default=session)
        missing.update(
            day for day in until_now if day not in known and (day > since or day in owed)
        )
    return sorted(missing)
