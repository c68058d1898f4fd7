"""What follows a symbol batch: the refresh of portfolios, or an alarm that it is missing."""

from datetime import date, datetime, time, timedelta
from typing import Final

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunStatusSensorContext,
    SensorEvaluationContext,
    SkipReason,
    run_status_sensor,
    sensor,
)

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published, published_at
from sigmasight_assets.jobs import portfolio_refresh, symbol_batch
from sigmasight_assets.partitions import NEW_YORK
from sigmasight_assets.ranges import range_tags, sessions_of_run
from sigmasight_assets.resources import Platform

NIGHT_BEGINS: Final = time(21, 0, tzinfo=NEW_YORK)
PATIENCE: Final = timedelta(minutes=60)
OVERDUE_CHECK: Final = "refreshed_within_an_hour"


@run_status_sensor(
    name="portfolio_refresh_sensor",
    run_status=DagsterRunStatus.SUCCESS,
    monitored_jobs=[symbol_batch],
    request_job=portfolio_refresh,
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Starts portfolio_refresh for the sessions of a symbol_batch that succeeded.",
)
def portfolio_refresh_sensor(context: RunStatusSensorContext) -> RunRequest | SkipReason:
    """The same sessions, in one run. A failed batch never comes here."""
    days = sessions_of_run(context.dagster_run.tags)
    if not days:
        return SkipReason(f"run {context.dagster_run.run_id} had no sessions")
    return RunRequest(
        run_key=f"portfolio_refresh after {context.dagster_run.run_id}",
        tags=range_tags(days[0], days[-1]),
    )


@sensor(
    name="portfolio_refresh_overdue_sensor",
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=300,
    description="Fails a check when the latest session's portfolios are missing after an hour.",
)
def portfolio_refresh_overdue_sensor(
    context: SensorEvaluationContext, platform: Platform
) -> SkipReason:
    """Report once per session; the cursor holds the session last reported."""
    now = platform.now()
    session, overdue = overdue_session(platform.database(), now)
    if not overdue:
        return SkipReason(f"the portfolios of {session} are refreshed, or not due yet")
    if context.cursor != session.isoformat():
        context.log.error("the portfolios of %s are still not refreshed", session)
        context.instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=AssetKey("portfolio_snapshots"),
                check_name=OVERDUE_CHECK,
                passed=False,
                severity=AssetCheckSeverity.ERROR,
                description=f"the portfolios of {session} are missing an hour after their time",
            )
        )
        context.update_cursor(session.isoformat())
    return SkipReason(f"overdue: {session}")


def overdue_session(database: Database, now: datetime) -> tuple[date, bool]:
    """The latest completed session, and whether its portfolios should long be there.

    They are due an hour after the night began, or after a later symbol batch was published. A
    database in which nothing was ever published owes nobody anything.
    """
    session = sessions.latest_completed(now)
    with database.connection() as connection:
        if not published(connection, Layer.SYMBOLS):
            return session, False
        done = published(connection, Layer.PORTFOLIOS, session)
        symbols_done = published_at(connection, Layer.SYMBOLS, session)
    night = datetime.combine(session, NIGHT_BEGINS)
    due = max(night, symbols_done or night) + PATIENCE
    return session, session not in done and now > due
