"""Runs that are killed, raise half way or race: after the next run the rows are the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date

import pytest
from dagster import DagsterRunStatus

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core.nightly import symbols
from sigmasight_assets.liveness import fail_dead_runs, has_died
from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    PORTFOLIO_ASSETS,
    RANGE,
    SYMBOL_ASSETS,
    Stage,
    advisory_locks,
    eventually,
    held,
    result_checksums,
    run_range,
)


@pytest.mark.parametrize(
    ("layer", "table", "assets"),
    [
        ("symbols", "symbol_daily_metrics", SYMBOL_ASSETS[2:]),
        ("portfolios", "stress_test_results", PORTFOLIO_ASSETS),
    ],
)
def test_a_run_killed_half_way_and_run_again_leaves_what_a_straight_run_does(
    stage: Stage, checksums: Mapping[str, str], layer: str, table: str, assets: Sequence[str]
) -> None:
    with held(stage, table, RANGE[5]):
        command = backfill(stage)
        eventually(lambda: stage.published(layer) == RANGE[:5] and advisory_locks(stage, granted=False))
        (killed,) = stage.runs(DagsterRunStatus.STARTED)
        assert fail_dead_runs(stage.instance) == []
        command.send_signal(signal.SIGKILL)
        command.wait()
    assert has_died(stage.instance, killed)
    eventually(lambda: not advisory_locks(stage))
    assert stage.published(layer) == RANGE[:5]
    assert all(stage.materialized(asset) == [] for asset in assets)

    assert backfill(stage).wait() == 0
    assert result_checksums(stage) == checksums
    assert stage.published("symbols") == stage.published("portfolios") == RANGE
    assert all(stage.materialized(asset) == RANGE for asset in ALL_ASSETS)
    assert stage.runs(DagsterRunStatus.FAILURE) == [killed]
    assert stage.runs(DagsterRunStatus.STARTED) == []
    assert not advisory_locks(stage)


def test_sessions_before_one_that_raises_are_kept_and_recorded(
    stage: Stage, checksums: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session_rows = symbols.session_rows

    def raise_on_the_fourth(panel, returns, session, companies):
        if session == RANGE[3]:
            raise ZeroDivisionError("planted")
        return session_rows(panel, returns, session, companies)

    with monkeypatch.context() as patch:
        patch.setattr(symbols, "session_rows", raise_on_the_fourth)
        assert not run_job(stage.instance, "symbol_batch", RANGE[0], RANGE[-1])
    assert stage.published("symbols") == RANGE[:3]
    assert all(stage.materialized(asset) == RANGE[:3] for asset in SYMBOL_ASSETS[2:])
    run_range(stage, RANGE[0], RANGE[-1])
    assert all(stage.materialized(asset) == RANGE for asset in ALL_ASSETS)
    assert result_checksums(stage) == checksums


def test_the_same_sessions_launched_twice_at_once_both_end_with_the_right_rows(
    stage: Stage, checksums: Mapping[str, str]
) -> None:
    # Made to wait at the same place, unless one is refused before, to race for all that follows.
    with held(stage, "symbol_factor_exposures", RANGE[0]):
        commands = [backfill(stage), backfill(stage)]
        ended = (lambda: sum(command.poll() is not None for command in commands))
        eventually(lambda: advisory_locks(stage, granted=False) + ended() == 2)
    codes = sorted(command.wait(60) for command in commands)
    refused = stage.runs(DagsterRunStatus.FAILURE)
    assert codes in ([0, 0], [0, 1])
    assert len(refused) == codes[1]
    assert all("StaleEpoch" in stage.failure(run_id) for run_id in refused)
    assert result_checksums(stage) == checksums
    assert stage.published("symbols") == stage.published("portfolios") == RANGE
    assert all(stage.materialized(asset) == RANGE for asset in ALL_ASSETS)
    assert not advisory_locks(stage)


def backfill(stage: Stage, days: Sequence[date] = RANGE) -> subprocess.Popen[bytes]:
    """The command, as a person would run it, in a process of its own."""
    command = [sys.executable, "-m", "sigmasight_assets.cli.main", "backfill"]
    command += ["--from", days[0].isoformat(), "--to", days[-1].isoformat()]
    return subprocess.Popen(command, env=stage.environment, stdout=subprocess.DEVNULL)
