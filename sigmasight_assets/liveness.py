"""Whether the process of a run still lives: it holds a lock that the kernel drops with it.

A run records its end by itself, so one whose process was killed stays STARTED for ever unless
somebody notices. A file lock needs no process ids, survives no reboot, and is not lost with a
database connection.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

UNFINISHED = (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
DIED = "the process of this run ended without a word: killed, or its machine went down"


@contextmanager
def living(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Mark the run as alive as long as this block is not left and this process lives."""
    lock = _lock_file(instance, run_id)
    lock.parent.mkdir(parents=True, exist_ok=True)
    draft = lock.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # It gets its name locked: nobody ever finds a lock that is about to be taken.
        draft.rename(lock)
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def has_died(instance: DagsterInstance, run_id: str) -> bool:
    """Whether the run was alive and its process is gone without ending it.

    False as well when the run lives under another DAGSTER_HOME, where this cannot be told.
    """
    try:
        descriptor = os.open(_lock_file(instance, run_id), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def fail_dead_runs(instance: DagsterInstance) -> list[DagsterRun]:
    """Mark runs whose process is gone as failed; returns them."""
    dead = [
        run
        for run in instance.get_runs(filters=RunsFilter(statuses=UNFINISHED))
        if has_died(instance, run.run_id)
    ]
    for run in dead:
        instance.report_run_failed(run, DIED)
        _lock_file(instance, run.run_id).unlink(missing_ok=True)
    return dead


def _lock_file(instance: DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "living_runs" / f"{run_id}.lock"
