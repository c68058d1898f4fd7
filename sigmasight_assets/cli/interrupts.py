"""Ctrl-C, a closed terminal and a polite kill: one end for all three, and it is not interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _wanted() -> list[signal.Signals]:
    """All of them, but a SIGHUP that `nohup` made us ignore."""
    deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [each for each in ENDINGS if not (deaf and each is signal.SIGHUP)]


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first such signal into a KeyboardInterrupt; the ones after it change nothing."""
    kept = {number: signal.signal(number, _interrupt) for number in _wanted()}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def ignore_further() -> None:
    """Let nobody interrupt the way out.

    What was started is stopped there, within bounded times, and an impatient second Ctrl-C would
    leave half of it running.
    """
    for number in ENDINGS:
        # Not SIG_IGN: Python reports a signal that arrived just before as an error, in ten lines.
        signal.signal(number, _nothing)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        # While Dagster runs a job, SIGINT has a handler that ends the run in an orderly way.
        signal.raise_signal(signal.SIGINT)
        return
    ignore_further()
    raise KeyboardInterrupt


def _nothing(number: int, frame: FrameType | None) -> None:
    """Take no notice."""
