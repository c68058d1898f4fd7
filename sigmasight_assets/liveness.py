"""Whether the process of a run still lives: it holds a lock that the kernel drops with it.

A run records its end by itself, so one whose process was killed stays STARTED for ever unless
somebody notices. A file lock needs no process ids, survives no reboot, and is not lost with a
database connection.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

UNFINISHED: Final = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
DIED: Final = "the process of this run ended without a word: killed, or its machine went down"

# Descriptors are closed by nobody but the kernel: a run is recorded as ended after its resources
# are gone, and until then its process has to be seen alive.
_HELD: Final[dict[Path, int]] = {}


def stay_alive(instance: DagsterInstance, run_id: str) -> None:
    """Show that the run's process, this one, lives until it ends."""
    lock = _lock_file(instance, run_id)
    if lock in _HELD:
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    _forget_finished(instance, lock.parent)
    draft = lock.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    # It gets its name locked: nobody ever finds a lock that is about to be taken.
    draft.rename(lock)
    _HELD[lock] = descriptor


def has_died(instance: DagsterInstance, run_id: str) -> bool:
    """Whether the run was alive and its process is gone.

    False as well when the run lives under another DAGSTER_HOME, where this cannot be told.
    """
    return _is_abandoned(_lock_file(instance, run_id))


def fail_dead_runs(instance: DagsterInstance) -> list[DagsterRun]:
    """Mark unfinished runs whose process is gone as failed, and free their slots; returns them."""
    dead = [
        run
        for run in instance.get_runs(filters=RunsFilter(statuses=UNFINISHED))
        if has_died(instance, run.run_id) and not _has_ended(instance, run.run_id)
    ]
    for run in dead:
        instance.report_run_failed(run, DIED)
    _free_slots(instance)
    return dead


def _has_ended(instance: DagsterInstance, run_id: str) -> bool:
    """Asked once more when the process is gone: it may just have ended as it should."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def _free_slots(instance: DagsterInstance) -> None:
    """Free the slots of finished runs: without a daemon a command would wait for them for ever."""
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        if _has_ended(instance, run_id):
            storage.free_concurrency_slots_for_run(run_id)


def _lock_file(instance: DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "living_runs" / f"{run_id}.lock"


def _is_abandoned(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _forget_finished(instance: DagsterInstance, folder: Path) -> None:
    """Remove the locks of finished runs; an unfinished one's is how it is found to be dead."""
    for lock in folder.glob("*.lock"):
        if _is_abandoned(lock) and _has_ended(instance, lock.stem):
            lock.unlink(missing_ok=True)
