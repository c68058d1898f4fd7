"""Jobs run in this process, recorded in the Dagster instance like any other run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from uuid import uuid4

from dagster import DagsterInstance

from sigmasight_assets.definitions import defs
from sigmasight_assets.liveness import fail_dead_runs, stay_alive
from sigmasight_assets.ranges import REFRESHED_BY, range_tags

log = logging.getLogger(__name__)

BLOCKED: Final = "DagsterAssetCheckFailedError"
"""A check that stopped the run: what it found is said below, where a traceback says nothing."""

INTERRUPTED: Final = "DagsterExecutionInterruptedError"


def run_job(
    instance: DagsterInstance,
    job_name: str,
    first: date,
    last: date,
    config: Mapping[str, Any] | None = None,
) -> bool:
    """Run a job for the sessions from first to last as one run; whether it succeeded.

    No daemon watches over such a run, so each command buries the ones killed before it.
    """
    for dead in fail_dead_runs(instance):
        log.warning("run %s of %s was killed; it is marked as failed", dead.run_id, dead.job_name)
    run_id = str(uuid4())
    stay_alive(instance, run_id)
    result = defs.resolve_job_def(job_name).execute_in_process(
        instance=instance,
        run_id=run_id,
        tags={**range_tags(first, last), REFRESHED_BY: "command"},
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": dict(config or {}),
        },
        raise_on_error=False,
    )
    failed_steps = [event for event in result.all_events if event.is_step_failure]
    for event in result.all_events:
        if event.is_run_failure and not failed_steps:
            log.error("%s: %s %s", job_name, event.message, event.job_failure_data.error or "")
        if event.is_step_failure and event.step_failure_data.error:
            if event.step_failure_data.error.cls_name == INTERRUPTED:
                raise KeyboardInterrupt
            if event.step_failure_data.error.cls_name == BLOCKED:
                continue
            log.error("%s: %s", event.step_key, event.step_failure_data.error.to_string())
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            log.warning("%s %s: %s", check.severity.value, check.check_name, check.description)
    return result.success
