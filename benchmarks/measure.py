"""Time and memory of a piece of work, and of the PostgreSQL that serves it."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Timing:
    """Wall seconds, and processor seconds of this process and of PostgreSQL.

    On a machine that does other things too, the processor seconds say more.
    """

    seconds: float
    own_cpu: float
    server_cpu: float


def timed(home: Path, work: Callable[[], Result]) -> tuple[Timing, Result]:
    """How long the work took, and what it returned; `home` is that of the embedded server."""
    began, own, server = time.perf_counter(), time.process_time(), _server_cpu(home)
    result = work()
    seconds, own = time.perf_counter() - began, time.process_time() - own
    return Timing(seconds, own, _server_cpu(home) - server), result


def fastest(home: Path, repeats: int, work: Callable[[int], Result]) -> tuple[Timing, Result]:
    """The fastest of a few repeats, each told its number: disturbances only ever slow one down."""
    runs = [timed(home, partial(work, number)) for number in range(repeats)]
    return min(runs, key=lambda run: run[0].seconds)


def _server_cpu(home: Path) -> float:
    """Processor seconds of all PostgreSQL processes so far, those that have ended included."""
    pid = (home / "postgres" / "cluster" / "data" / "postmaster.pid").read_text().split()[0]
    ticks = sum(_ticks(Path("/proc") / pid))
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(_ticks(Path("/proc") / child)[:2])
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(process: Path) -> list[int]:
    """User and system time of a process, and the same of its children that have ended."""
    after_name = (process / "stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in after_name[11:15]]


def apart(work: Callable[..., Result], *arguments: object) -> tuple[Result, int]:
    """Run module-level `work` in a fresh process: its result, and the peak bytes of that process.

    Raises:
        RuntimeError: if the process failed; its traceback is on stderr.
    """
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_child, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        result, peak = here.recv()
    except EOFError:
        raise RuntimeError(f"{work.__module__}.{work.__name__} failed") from None
    finally:
        process.join()
    return result, peak


def _child(answer: Connection, work: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    result = work(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer.send((result, peak))
