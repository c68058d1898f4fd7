"""Runs that are killed, raise half way or race: after the next run the rows are the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date

import pytest
from dagster import DagsterRunStatus
from dagster._core.launcher import WorkerStatus

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core.nightly import symbol_sessions
from sigmasight_assets.liveness import fail_dead_runs
from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    RANGE,
    SYMBOL_ASSETS,
    Stage,
    advisory_locks,
    eventually,
    held,
    result_checksums,
)


def test_a_run_killed_twice_half_way_leaves_in_the_end_what_a_straight_run_does(
    stage: Stage, checksums: Mapping[str, str]
) -> None:
    in_symbols = kill_at(stage, "symbols", "symbol_daily_metrics", RANGE[5])
    assert stage.published("symbols") == RANGE[:5]
    assert stage.materialized("symbol_daily_metrics") == []
    in_portfolios = kill_at(stage, "portfolios", "stress_test_results", RANGE[7])
    assert stage.published("portfolios") == RANGE[:7]
    assert stage.materialized("stress_test_results") == []

    assert backfill(stage).wait() == 0
    assert result_checksums(stage) == checksums
    assert stage.published("symbols") == stage.published("portfolios") == RANGE
    assert all(stage.materialized(asset) == RANGE for asset in ALL_ASSETS)
    assert set(stage.runs(DagsterRunStatus.FAILURE)) == {in_symbols, in_portfolios}
    assert stage.runs(DagsterRunStatus.STARTED) == []


def test_sessions_before_one_that_raises_are_kept_and_recorded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_rows = symbol_sessions.session_rows

    def raise_on_the_fourth(panel, returns, session, companies):
        if session == RANGE[3]:
            raise ZeroDivisionError("planted")
        return session_rows(panel, returns, session, companies)

    with monkeypatch.context() as patch:
        patch.setattr(symbol_sessions, "session_rows", raise_on_the_fourth)
        assert not run_job(stage.instance, "symbol_batch", RANGE[0], RANGE[5])
    assert stage.published("symbols") == RANGE[:3]
    assert all(stage.materialized(asset) == RANGE[:3] for asset in SYMBOL_ASSETS[2:])
    assert run_job(stage.instance, "symbol_batch", RANGE[3], RANGE[5])
    assert stage.published("symbols") == RANGE[:6]
    assert all(stage.materialized(asset) == RANGE[:6] for asset in SYMBOL_ASSETS)


def test_the_same_sessions_launched_twice_at_once_both_end_with_the_right_rows(
    stage: Stage, checksums: Mapping[str, str]
) -> None:
    # Made to wait at the same place, unless one is refused before, to race for all that follows.
    with held(stage, "symbol_factor_exposures", RANGE[0]):
        commands = [backfill(stage), backfill(stage)]
        eventually(lambda: advisory_locks(stage, granted=False) + ended(commands) == 2)
    codes = sorted(command.wait(60) for command in commands)
    refused = [stage.failure(run_id) for run_id in stage.runs(DagsterRunStatus.FAILURE)]
    assert [reason for reason in refused if "StaleEpoch" not in reason] == []
    assert codes in ([0, 0], [0, 1]), refused
    assert len(refused) == codes[1]
    assert result_checksums(stage) == checksums
    assert stage.published("symbols") == stage.published("portfolios") == RANGE
    assert all(stage.materialized(asset) == RANGE for asset in ALL_ASSETS)
    assert not advisory_locks(stage)


def kill_at(stage: Stage, layer: str, table: str, session: date) -> str:
    """Kill the command while it waits to write a slice; returns the id of the run it was in."""
    before = RANGE[: RANGE.index(session)]
    with held(stage, table, session):
        command = backfill(stage)
        eventually(lambda: stage.published(layer)[-1:] == before[-1:])
        eventually(lambda: advisory_locks(stage, granted=False))
        (run_id,) = stage.runs(DagsterRunStatus.STARTED)
        assert fail_dead_runs(stage.instance) == []
        assert health(stage, run_id) is WorkerStatus.RUNNING
        command.send_signal(signal.SIGKILL)
        command.wait()
    assert health(stage, run_id) is WorkerStatus.FAILED
    assert stage.runs(DagsterRunStatus.STARTED) == [run_id]
    eventually(lambda: not advisory_locks(stage))
    return run_id


def health(stage: Stage, run_id: str) -> WorkerStatus:
    """What the daemon's monitoring is told of a run's process."""
    run = stage.instance.get_run_by_id(run_id)
    assert run is not None
    return stage.instance.run_launcher.check_run_worker_health(run).status


def ended(commands: Sequence[subprocess.Popen[bytes]]) -> int:
    return sum(command.poll() is not None for command in commands)


def backfill(stage: Stage, days: Sequence[date] = RANGE) -> subprocess.Popen[bytes]:
    """The command, as a person would run it, in a process of its own."""
    command = [sys.executable, "-m", "sigmasight_assets.cli.main", "backfill"]
    command += ["--from", days[0].isoformat(), "--to", days[-1].isoformat()]
    return subprocess.Popen(command, env=stage.environment, stdout=subprocess.DEVNULL)
