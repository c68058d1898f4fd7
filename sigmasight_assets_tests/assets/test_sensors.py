"""The refresh that follows a symbol batch, and the alarm when none came."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    RunRequest,
    SensorResult,
    SkipReason,
    build_run_status_sensor_context,
    build_sensor_context,
)

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.definitions import defs
from sigmasight_assets.overdue import CHECK_NAME, punctuality
from sigmasight_assets.ranges import REFRESHED_BY, range_tags
from sigmasight_assets.resources import Platform
from sigmasight_assets.sensors import portfolio_refresh_overdue_sensor, portfolio_refresh_sensor
from sigmasight_assets_tests.assets.instances import RANGE, Stage, Tables
from sigmasight_assets_tests.builders import day

LATEST = RANGE[-1]
CHECK = AssetCheckKey(AssetKey("portfolio_snapshots"), CHECK_NAME)


@pytest.mark.parametrize(
    ("tags", "partition", "range_of_tags"),
    [
        ({"dagster/partition": "2026-03-12"}, "2026-03-12", {}),
        (range_tags(day("2026-03-12"), day("2026-03-12")), "2026-03-12", {}),
        (
            range_tags(day("2026-03-05"), day("2026-03-12")),
            None,
            range_tags(day("2026-03-05"), day("2026-03-12")),
        ),
    ],
)
def test_a_refresh_has_the_sessions_of_the_batch_that_succeeded(
    tags: dict[str, str], partition: str | None, range_of_tags: dict[str, str]
) -> None:
    request, run_id = follow_up(tags)
    assert isinstance(request, RunRequest)
    assert request.partition_key == partition
    assert request.tags == range_of_tags
    assert request.run_key == f"portfolio_refresh after {run_id}"


def test_a_batch_without_sessions_starts_nothing() -> None:
    assert isinstance(follow_up({})[0], SkipReason)


def test_a_batch_whose_command_refreshes_the_portfolios_itself_starts_nothing() -> None:
    tags = {**range_tags(day("2026-03-12"), day("2026-03-12")), REFRESHED_BY: "command"}
    assert isinstance(follow_up(tags)[0], SkipReason)


@pytest.mark.parametrize(
    ("symbols", "portfolios", "now", "overdue"),
    [
        # The night's batch failed, so that no refresh ever started.
        ("2026-03-12", "2026-03-12", "2026-03-13 22:00:00", False),
        ("2026-03-12", "2026-03-12", "2026-03-13 22:00:01", True),
        ("2026-03-12", "2026-03-12", "2026-03-15 12:00:00", True),
        # The batch came at 22:00 (see Tables.publish), so the refresh is due at 23:00.
        ("2026-03-13", "2026-03-12", "2026-03-13 23:00:00", False),
        ("2026-03-13", "2026-03-12", "2026-03-13 23:00:01", True),
        ("2026-03-13", "2026-03-13", "2026-03-15 12:00:00", False),
        # Before its close a session is nobody's debt; the one before it is.
        ("2026-03-12", "2026-03-12", "2026-03-13 15:59:59", False),
        ("2026-03-11", "2026-03-11", "2026-03-13 15:59:59", True),
        # The night after a failed one.
        ("2026-03-12", "2026-03-12", "2026-03-16 21:30:00", False),
    ],
)
def test_portfolios_are_overdue_an_hour_after_nine_or_after_their_symbols(
    tables: Tables, symbols: str, portfolios: str, now: str, overdue: bool
) -> None:
    tables.publish("symbols", symbols, symbols)
    tables.publish("portfolios", portfolios, portfolios)
    instant = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo("America/New_York"))
    assert punctuality(tables.database, instant).overdue is overdue


def test_portfolios_that_never_saw_a_night_are_overdue_and_no_portfolio_owes_nothing(
    stage: Stage,
) -> None:
    instant = datetime(2026, 3, 13, 23, 30, tzinfo=ZoneInfo("America/New_York"))
    assert punctuality(stage.database, instant).overdue
    stage.tell("UPDATE portfolios SET deleted_at = now()")
    assert not punctuality(stage.database, instant).overdue


def test_the_alarm_fails_a_check_once_and_the_refresh_lets_it_pass_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGMASIGHT_NOW", "2026-03-14T03:30:00+00:00")
    result = alarm(stage.instance, None)
    assert isinstance(result, SensorResult)
    assert result.skip_reason is not None
    sentence = f"the portfolios of {LATEST} are missing an hour after their time"
    assert result.skip_reason.skip_message == sentence
    assert sentence in "".join(capsys.readouterr())
    (evaluation,) = result.asset_events
    assert (evaluation.asset_check_key, evaluation.passed) == (CHECK, False)
    assert isinstance(alarm(stage.instance, result.cursor), SkipReason)

    assert run_job(stage.instance, "symbol_batch", LATEST, LATEST)
    assert run_job(stage.instance, "portfolio_refresh", LATEST, LATEST)
    assert stage.check("portfolio_snapshots", CHECK_NAME).passed
    assert isinstance(alarm(stage.instance, None), SkipReason)


def follow_up(tags: dict[str, str]) -> tuple[RunRequest | SkipReason, str]:
    """What the sensor asks for after a symbol_batch with these tags, and that run's id."""
    with DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def("symbol_batch")
        run = instance.create_run_for_job(job, tags=tags)
        context = build_run_status_sensor_context(
            portfolio_refresh_sensor.name,
            dagster_instance=instance,
            dagster_run=run,
            dagster_event=DagsterEvent(DagsterEventType.RUN_SUCCESS.value, run.job_name),
        )
        return portfolio_refresh_sensor(context), run.run_id


def alarm(instance: DagsterInstance, cursor: str | None) -> SensorResult | SkipReason:
    platform = {"platform": Platform()}
    with build_sensor_context(instance, cursor, resources=platform) as context:
        return portfolio_refresh_overdue_sensor(context)
