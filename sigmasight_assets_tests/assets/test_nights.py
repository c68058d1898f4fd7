"""Dagster's own scheduler and sensors, driven through time: what each tick starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
from dagster import AssetCheckKey, AssetCheckSeverity, AssetKey, DagsterEvent, DagsterRunStatus
from dagster import DagsterEventType as EventType
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from sigmasight_assets.ranges import sessions_of_run
from sigmasight_assets_tests.assets.instances import Stage
from sigmasight_assets_tests.builders import day, days

Asked = list[tuple[str, list[date]]]


@dataclass(frozen=True)
class Daemon:
    """The daemon's scheduler and sensors, which see the instants that a test lets them see."""

    stage: Stage
    workspace: WorkspaceProcessContext

    def sees(self, instant: str) -> Asked:
        """The runs it asks for at an instant: job and sessions."""
        before = {run.run_id for run in self.stage.instance.get_runs()}
        now = datetime.fromisoformat(instant)
        log = logging.getLogger(__name__)
        with freeze_time(now):
            list(launch_scheduled_runs(self.workspace, log, now, {}))
            list(execute_sensor_iteration(self.workspace, log, None, None))
        for state in self.stage.instance.all_instigator_state():
            ticks = self.stage.ticks(state.instigator_name)
            assert not [tick.error for tick in ticks if tick.status is TickStatus.FAILURE]
        new = [run for run in self.stage.instance.get_runs() if run.run_id not in before]
        return sorted((run.job_name, sessions_of_run(run.tags)) for run in new)

    def carries_out(self) -> None:
        """Let the runs that wait in the queue succeed, and publish their sessions."""
        instance = self.stage.instance
        for run_id in self.stage.runs(DagsterRunStatus.QUEUED):
            run = instance.get_run_by_id(run_id)
            assert run is not None
            sessions = sessions_of_run(run.tags)
            layer = {"symbol_batch": "symbols", "portfolio_refresh": "portfolios"}[run.job_name]
            self.stage.publish(layer, str(sessions[0]), str(sessions[-1]))
            if layer == "portfolios":
                self.stage.tell("UPDATE portfolios SET stale_from = NULL")
            for stage in (EventType.RUN_STARTING, EventType.RUN_START, EventType.RUN_SUCCESS):
                instance.report_dagster_event(DagsterEvent(stage.value, run.job_name), run_id)


@contextmanager
def started(stage: Stage) -> Iterator[Daemon]:
    """A daemon with a code server of its own, started just now in the test's environment."""
    module = ModuleTarget("sigmasight_assets.definitions", None, None, "sigmasight")
    with create_test_daemon_workspace_context(module, stage.instance) as workspace:
        yield Daemon(stage, workspace)


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    with started(stage) as running:
        yield running


def test_thanksgiving_week_runs_its_four_sessions_and_refreshes_the_portfolios_of_each(
    daemon: Daemon, stage: Stage
) -> None:
    assert daemon.sees("2025-11-24T15:00+00:00") == []
    for evening, session in [
        ("2025-11-25", "2025-11-24"),
        ("2025-11-26", "2025-11-25"),
        ("2025-11-27", "2025-11-26"),
        ("2025-11-28", None),
        # Friday's session ends at 13:00 and counts like any other.
        ("2025-11-29", "2025-11-28"),
    ]:
        asked = [day(session)] if session else []
        assert daemon.sees(f"{evening}T01:59:59+00:00") == []
        assert daemon.sees(f"{evening}T02:00:00+00:00") == [("symbol_batch", asked)] * len(asked)
        daemon.carries_out()
        follows = [("portfolio_refresh", asked)] * len(asked)
        assert daemon.sees(f"{evening}T02:01:00+00:00") == follows
        daemon.carries_out()
    week = days("2025-11-24", "2025-11-28")
    assert len(week) == 4
    assert stage.published("symbols") == stage.published("portfolios") == week
    ticks = stage.ticks("nightly_schedule")
    assert [tick.skip_reason for tick in ticks if tick.status is TickStatus.SKIPPED] == [
        "2025-11-27 is not an NYSE session: the exchange is closed"
    ]
    keys = [key for tick in ticks for key in tick.run_keys]
    assert len(keys) == len(set(keys)) == 4


def test_the_night_begins_at_nine_in_new_york_on_both_sides_of_each_change_of_clocks(
    daemon: Daemon,
) -> None:
    for start, ticks in [
        ("2025-10-31T20:00", {"2025-11-01T01:00": "2025-10-31", "2025-11-04T02:00": "2025-11-03"}),
        ("2026-03-06T21:00", {"2026-03-07T02:00": "2026-03-06", "2026-03-10T01:00": "2026-03-09"}),
    ]:
        daemon.sees(f"{start}:00+00:00")
        for tick, session in ticks.items():
            instant = datetime.fromisoformat(f"{tick}:00+00:00")
            assert daemon.sees((instant - timedelta(seconds=1)).isoformat()) == []
            assert daemon.sees(instant.isoformat()) == [("symbol_batch", [day(session)])]


def test_a_daemon_that_was_down_from_friday_to_monday_asks_for_both_sessions_in_one_run(
    daemon: Daemon, stage: Stage
) -> None:
    for layer in ("symbols", "portfolios"):
        stage.publish(layer, "2026-03-04", "2026-03-05")
    stage.tell("UPDATE portfolios SET stale_from = NULL")
    assert daemon.sees("2026-03-06T15:00:00+00:00") == []
    monday_evening = daemon.sees("2026-03-10T01:30:00+00:00")
    assert monday_evening == [("symbol_batch", days("2026-03-06", "2026-03-09"))]
    # Dagster makes up for the newest missed tick alone; the sessions of the others are in it.
    assert len(stage.ticks("nightly_schedule")) == 1


def test_the_alarm_of_a_night_without_a_refresh_is_a_failed_check_of_the_snapshots(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMASIGHT_NOW", "2026-03-14T03:30:00+00:00")
    with started(stage) as daemon:
        assert daemon.sees("2026-03-14T03:30:00+00:00") == []
        assert daemon.sees("2026-03-14T03:40:00+00:00") == []
    alarm = stage.check("portfolio_snapshots", "refreshed_within_an_hour")
    assert not alarm.passed
    assert alarm.severity is AssetCheckSeverity.ERROR
    late = "the portfolios of 2026-03-13 are missing an hour after their time"
    assert alarm.description == late
    ticks = stage.ticks("portfolio_refresh_overdue_sensor")
    assert [tick.skip_reason for tick in ticks] == [late, late]
    storage = stage.instance.event_log_storage
    key = AssetCheckKey(AssetKey("portfolio_snapshots"), "refreshed_within_an_hour")
    assert len(storage.get_asset_check_execution_history(check_key=key, limit=5)) == 1
