"""A run's process is known by a lock that it holds until it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from sigmasight_assets.liveness import DIED, fail_dead_runs, has_died, stay_alive

ALIVE_AND_GONE = """
import sys
from dagster import DagsterInstance
from sigmasight_assets.liveness import stay_alive
with DagsterInstance.local_temp(sys.argv[1]) as instance:
    for run_id in sys.argv[2:]:
        stay_alive(instance, run_id)
"""


def test_a_process_that_ended_leaves_its_unfinished_runs_dead_and_they_are_failed_once(
    tmp_path: Path,
) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        statuses = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED)
        dead = [recorded(instance, status) for status in (*statuses, DagsterRunStatus.SUCCESS)]
        mine, elsewhere = (recorded(instance, DagsterRunStatus.STARTED) for _ in range(2))
        stay_alive(instance, mine.run_id)
        command = [sys.executable, "-c", ALIVE_AND_GONE, str(tmp_path)]
        subprocess.run([*command, *(run.run_id for run in dead)], check=True)
        assert all(has_died(instance, run.run_id) for run in dead)
        assert not has_died(instance, mine.run_id)
        assert not has_died(instance, elsewhere.run_id)

        assert {run.run_id for run in fail_dead_runs(instance)} == {run.run_id for run in dead[:2]}
        assert fail_dead_runs(instance) == []
        after = [instance.get_run_by_id(run.run_id) for run in (*dead, mine, elsewhere)]
        assert [run.status.value for run in after if run] == [
            *("FAILURE", "FAILURE", "SUCCESS"),
            *("STARTED", "STARTED"),
        ]
        last = instance.all_logs(dead[0].run_id)[-1]
        assert DIED in last.get_dagster_event().message


def test_locks_of_finished_runs_are_removed_and_those_of_dead_ones_kept(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        finished = recorded(instance, DagsterRunStatus.SUCCESS)
        dead = recorded(instance, DagsterRunStatus.STARTED)
        locks = Path(instance.root_directory) / "living_runs"
        locks.mkdir()
        for run in (finished, dead):
            (locks / f"{run.run_id}.lock").touch()
        mine = recorded(instance, DagsterRunStatus.STARTED)
        stay_alive(instance, mine.run_id)
        stay_alive(instance, mine.run_id)
        left = {lock.stem for lock in locks.iterdir()}
        assert left == {dead.run_id, mine.run_id}


def recorded(instance: DagsterInstance, status: DagsterRunStatus) -> DagsterRun:
    return create_run_for_test(instance, job_name="symbol_batch", status=status)
