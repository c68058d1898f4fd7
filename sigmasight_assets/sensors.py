"""What follows a symbol batch or an edit: a refresh of portfolios, or an alarm without one."""

from typing import Final

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

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.jobs import company_sync, portfolio_refresh, symbol_batch
from sigmasight_assets.overdue import punctuality
from sigmasight_assets.ranges import REFRESHED_BY, run_request, sessions_of_run
from sigmasight_assets.resources import Platform
from sigmasight_assets.stale_portfolios import coming_refresh, stale_portfolios

MOST_NAMED: Final = 500
"""Where more portfolios are out of date, a run refreshes all of them."""


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


@run_status_sensor(
    name="company_sync_sensor",
    run_status=DagsterRunStatus.SUCCESS,
    monitored_jobs=[symbol_batch],
    request_job=company_sync,
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Starts company_sync after a symbol_batch of the latest session.",
)
def company_sync_sensor(
    context: RunStatusSensorContext, platform: Platform
) -> RunRequest | SkipReason:
    """Profiles are of today, so a batch of earlier sessions alone brings none."""
    days = sessions_of_run(context.dagster_run.tags)
    latest = sessions.latest_completed(platform.now())
    if not days or days[-1] != latest:
        return SkipReason(f"run {context.dagster_run.run_id} did not end with {latest}")
    if context.dagster_run.tags.get(REFRESHED_BY):
        return SkipReason("the command that started the batch does this itself")
    if not platform.settings().knows_companies():
        return SkipReason("the configured prices come without company data")
    with platform.database().connection() as connection:
        if latest not in published(connection, Layer.SYMBOLS, latest):
            return SkipReason(f"the symbols of {latest} were withheld")
    return run_request(f"company_sync after {context.dagster_run.run_id}", latest, latest)


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


@sensor(
    name="stale_portfolios_sensor",
    job=portfolio_refresh,
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Refreshes portfolios that were edited, or whose symbols arrived, since the night.",
)
def stale_portfolios_sensor(
    context: SensorEvaluationContext, platform: Platform
) -> RunRequest | SkipReason:
    """One run for the newest published session; it brings the earlier ones up to date too."""
    found = stale_portfolios(platform.database())
    if found is None:
        return SkipReason("no published session of a portfolio is out of date")
    coming = coming_refresh(context.instance, platform.now())
    if coming:
        return SkipReason(coming)
    named = list(found.ids) if len(found.ids) <= MOST_NAMED else []
    return RunRequest(
        found.run_key(platform.now()),
        partition_key=found.session.isoformat(),
        run_config={"ops": {"portfolio_layer": {"config": {"portfolio_ids": named}}}},
    )
