"""What a person sees while a command works."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

STEP_SECONDS: Final = 1.0


class _OneLineASecond(logging.Filter):
    """Steps of core's long loops are many; one a second shows that they go on."""

    def __init__(self) -> None:
        super().__init__()
        self._last = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        is_step = record.name.startswith("sigmasight_assets.core")
        if not is_step or record.levelno > logging.INFO:
            return True
        now = time.monotonic()
        if now < self._last + STEP_SECONDS:
            return False
        self._last = now
        return True


def show_progress() -> None:
    """Our own messages go to stderr; Dagster's, to its event log, where its UI shows them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(_OneLineASecond())
    ours = logging.getLogger("sigmasight_assets")
    ours.handlers = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False
