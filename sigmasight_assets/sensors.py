"""What follows a symbol batch: the refresh of portfolios, or an alarm that it is missing."""

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunStatusSensorContext,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    run_status_sensor,
    sensor,
)

from sigmasight_assets.jobs import portfolio_refresh, symbol_batch
from sigmasight_assets.overdue import punctuality
from sigmasight_assets.ranges import REFRESHED_BY, run_request, sessions_of_run
from sigmasight_assets.resources import Platform


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
    starter = context.dagster_run.tags.get(REFRESHED_BY)
    if starter:
        return SkipReason(f"the {starter} that started the batch refreshes the portfolios itself")
    run_key = f"portfolio_refresh after {context.dagster_run.run_id}"
    return run_request(run_key, days[0], days[-1])


@sensor(
    name="portfolio_refresh_overdue_sensor",
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=300,
    description="Fails a check when the latest session's portfolios are missing after an hour.",
)
def portfolio_refresh_overdue_sensor(
    context: SensorEvaluationContext, platform: Platform
) -> SensorResult | SkipReason:
    """Report once per session; the cursor holds the session last reported."""
    found = punctuality(platform.database(), platform.now())
    reported = context.cursor == found.session.isoformat()
    if reported or not found.overdue:
        return SkipReason(found.sentence())
    context.log.error(found.sentence())
    return SensorResult(
        skip_reason=SkipReason(found.sentence()),
        asset_events=[found.alarm()],
        cursor=found.session.isoformat(),
    )
