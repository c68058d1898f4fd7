"""The real webserver and daemon: what is launched in the UI runs, is followed up and survives.

One test, because a daemon takes its time: its loops are half a minute long.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from datetime import date

from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

from sigmasight_assets.core import sessions
from sigmasight_assets.ranges import sessions_of_run
from sigmasight_assets_tests.assets.dagster_dev import Ui, daemon, webserver
from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    RANGE,
    SYMBOL_ASSETS,
    Stage,
    advisory_locks,
    eventually,
    held,
    plant_symbols_without_a_price_since,
)

TEN, KILLED, GOOD = RANGE[:10], RANGE[10], RANGE[11]
BAD = sessions.offset(RANGE[0], -1)
SUCCESS, FAILURE, STARTED = (
    DagsterRunStatus.SUCCESS,
    DagsterRunStatus.FAILURE,
    DagsterRunStatus.STARTED,
)


def test_runs_of_the_ui_are_one_each_lead_to_their_refresh_and_outlive_their_host(
    stage: Stage,
) -> None:
    # They belong to BAD and to no later session.
    plant_symbols_without_a_price_since(stage, sessions.offset(BAD, -19), 100)
    with webserver(stage) as ui, ExitStack() as waiting:
        backfill = ui.backfill(TEN)
        failed = ui.launch("symbol_batch", BAD)
        with daemon(stage):
            a_refresh_follows_the_batch_that_succeeds_alone(stage, ui, failed)
            waiting.enter_context(held(stage, "symbol_daily_metrics", KILLED))
            retry = a_killed_run_is_run_again(stage, ui)
            a_backfill_is_one_run(stage, ui, backfill)
        # Everything that was on the daemon's side was killed, the retry among it.
        assert stage.status(retry) is STARTED
        with daemon(stage):
            eventually(lambda: stage.status(retry) is FAILURE)
            eventually(lambda: stage.runs(STARTED))
            (last,) = stage.runs(STARTED)
            waiting.close()
            eventually(lambda: stage.status(last) is SUCCESS)
    nothing_hangs(stage)
    assert stage.published("symbols") == RANGE
    assert all(stage.materialized(asset) == RANGE for asset in SYMBOL_ASSETS[2:])


def a_refresh_follows_the_batch_that_succeeds_alone(stage: Stage, ui: Ui, failed: str) -> None:
    eventually(lambda: stage.status(failed) is FAILURE)
    batch = ui.launch("symbol_batch", GOOD)
    eventually(lambda: refreshes(stage, SUCCESS))
    assert stage.status(batch) is SUCCESS
    assert refreshes(stage) == [[GOOD]]
    assert stage.published("portfolios")[-1] == GOOD


def a_killed_run_is_run_again(stage: Stage, ui: Ui) -> str:
    """Kill the process of a run that waits half way; returns the run that follows it."""
    run = ui.launch("symbol_batch", KILLED)
    eventually(lambda: advisory_locks(stage, granted=False) == 1)
    os.kill(worker(stage, run), signal.SIGKILL)
    eventually(lambda: stage.status(run) is FAILURE, 10)
    eventually(lambda: advisory_locks(stage, granted=False) == 2)
    (retry,) = stage.runs(STARTED)
    return retry


def a_backfill_is_one_run(stage: Stage, ui: Ui, backfill: str) -> None:
    eventually(lambda: ui.backfill_status(backfill)["status"] == "COMPLETED_SUCCESS", 120)
    status = ui.backfill_status(backfill)
    assert [run["status"] for run in status["runs"]] == ["SUCCESS"]
    counts = status["assetBackfillData"]["assetBackfillStatuses"]
    assert {each["assetKey"]["path"][0] for each in counts} == set(ALL_ASSETS)
    assert {each["numPartitionsMaterialized"] for each in counts} == {len(TEN)}
    assert all(set(TEN) <= set(stage.materialized(asset)) for asset in ALL_ASSETS)
    assert stage.published("portfolios") == [*TEN, GOOD]


def nothing_hangs(stage: Stage) -> None:
    unfinished = [run for run in stage.instance.get_runs() if not run.is_finished]
    assert all(run.job_name == "portfolio_refresh" for run in unfinished)
    eventually(lambda: not advisory_locks(stage))
    assert stage.instance.event_log_storage.get_concurrency_run_ids() == set()


def refreshes(stage: Stage, *statuses: DagsterRunStatus) -> list[list[date]]:
    """The sessions of each refresh."""
    filters = RunsFilter(job_name="portfolio_refresh", statuses=statuses)
    return [sessions_of_run(run.tags) for run in stage.instance.get_runs(filters)]


def worker(stage: Stage, run_id: str) -> int:
    """The process that executes a run."""
    entries = stage.instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
    found = [entry.get_dagster_event().engine_event_data.metadata for entry in entries]
    (pid,) = {each["pid"].value for each in found if "pid" in each}
    return int(pid)
