"""What a person sees while a command works."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)

STEP_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 5.0


class _Terminal(logging.Handler):
    """Our own messages on stderr.

    Steps of core's long loops are many; one a second shows that they go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spoke_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        is_step = record.name.startswith("sigmasight_assets.core")
        if is_step and record.levelno <= logging.INFO and now < self.spoke_at + STEP_SECONDS:
            return
        self.spoke_at = now
        print(self.format(record), file=sys.stderr, flush=True)


def show_progress() -> None:
    """Our own messages go to stderr; Dagster's, to its event log, where its UI shows them."""
    ours = logging.getLogger("sigmasight_assets")
    ours.handlers = [_Terminal()]
    ours.setLevel(logging.INFO)
    ours.propagate = False


@contextmanager
def never_silent() -> Iterator[None]:
    """Inside the block, say every few seconds that the work goes on, if nothing else does."""
    ended = threading.Event()
    watcher = threading.Thread(target=_break_silence, args=(ended,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _break_silence(ended: threading.Event) -> None:
    started = time.monotonic()
    terminals = [
        each for each in logging.getLogger("sigmasight_assets").handlers if type(each) is _Terminal
    ]
    while not ended.wait(0.5):
        now = time.monotonic()
        if all(now > terminal.spoke_at + SILENT_SECONDS for terminal in terminals):
            log.info("still working, for %.0f s now", now - started)
