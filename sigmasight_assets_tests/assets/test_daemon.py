"""The real webserver and daemon: what is launched in the UI runs, follows up and survives."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from datetime import date

from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

from sigmasight_assets.core import sessions
from sigmasight_assets.ranges import sessions_of_run
from sigmasight_assets_tests.assets.dagster_dev import dagster_dev, kill_group
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

SUCCESS, FAILURE, STARTED = (
    DagsterRunStatus.SUCCESS,
    DagsterRunStatus.FAILURE,
    DagsterRunStatus.STARTED,
)


def test_a_backfill_from_the_ui_is_one_run_and_a_batch_leads_to_its_refresh(stage: Stage) -> None:
    bad, good, ten = sessions.offset(RANGE[0], -1), RANGE[-1], RANGE[:10]
    plant_symbols_without_a_price_since(stage, sessions.offset(bad, -19), 100)
    with dagster_dev(stage) as (ui, _):
        backfill = ui.backfill(ten)
        failed = ui.launch("symbol_batch", bad)
        eventually(lambda: stage.status(failed) is FAILURE)
        batch = ui.launch("symbol_batch", good)
        eventually(lambda: refreshes(stage, SUCCESS))
        assert stage.status(batch) is SUCCESS
        assert refreshes(stage) == [[good]]
        assert stage.published("portfolios")[-1] == good

        eventually(lambda: ui.backfill_status(backfill)["status"] == "COMPLETED_SUCCESS", 120)
        status = ui.backfill_status(backfill)
        assert [run["status"] for run in status["runs"]] == ["SUCCESS"]
        counts = status["assetBackfillData"]["assetBackfillStatuses"]
        assert {each["assetKey"]["path"][0] for each in counts} == set(ALL_ASSETS)
        assert {each["numPartitionsMaterialized"] for each in counts} == {10}
    assert stage.published("symbols") == stage.published("portfolios") == [*ten, good]
    assert all(stage.materialized(asset) == [*ten, good] for asset in ALL_ASSETS[2:])


def test_runs_whose_process_or_whole_host_is_killed_fail_and_are_run_again(stage: Stage) -> None:
    night = RANGE[-1]
    with ExitStack() as waiting:
        waiting.enter_context(held(stage, "symbol_daily_metrics", night))
        with dagster_dev(stage) as (ui, host):
            first = ui.launch("symbol_batch", night)
            eventually(lambda: advisory_locks(stage, granted=False) == 1)
            os.kill(worker(stage, first), signal.SIGKILL)
            eventually(lambda: stage.status(first) is FAILURE)
            eventually(lambda: advisory_locks(stage, granted=False) == 2)
            (second,) = stage.runs(STARTED)
            kill_group(host)
        assert stage.status(second) is STARTED
        with dagster_dev(stage):
            eventually(lambda: stage.status(second) is FAILURE)
            eventually(lambda: stage.runs(STARTED))
            (third,) = stage.runs(STARTED)
            waiting.close()
            eventually(lambda: stage.status(third) is SUCCESS)
            assert stage.published("symbols") == [night]
            assert all(stage.materialized(asset) == [night] for asset in SYMBOL_ASSETS)
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
