"""How Dagster starts runs, and how its daemon learns that one has died. Named in dagster.yaml."""

from __future__ import annotations

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

from sigmasight_assets.liveness import DIED, has_died


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, whose runs are missed when their process is gone.

    Left to itself the default launcher hears of a killed run from its code server alone. When
    that was killed too, as with the whole process tree, the run would hold its place in the
    queue until `max_runtime_seconds`.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Asked by run monitoring, for every run that has started."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED when the run's process is known to be gone."""
        if has_died(self._instance, run.run_id):
            return CheckRunHealthResult(WorkerStatus.FAILED, DIED, transient=True)
        return CheckRunHealthResult(WorkerStatus.RUNNING)
