"""A short wait for symbols that are being onboarded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.late_symbols import symbols_being_onboarded

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
WORD_SECONDS: Final = 10.0
"""How often the log hears what is waited for."""


def await_onboarding(
    database: Database,
    symbols: Collection[str] | None,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Sequence[str]:
    """Wait at most `seconds` while symbols are being onboarded; returns those that still are.

    symbols: None for every symbol in an open PUBLIC position. clock: seconds, never backwards.
    """
    now = word_at = clock()
    deadline = now + seconds
    while True:
        with database.connection() as connection:
            waited_for = symbols_being_onboarded(connection, symbols)
        now = clock()
        if not waited_for or now >= deadline:
            return waited_for
        if now >= word_at:
            names = ", ".join(waited_for)
            log.info("waiting %.0f s at most for symbols to arrive: %s", deadline - now, names)
            word_at = now + WORD_SECONDS
        sleep(min(POLL_SECONDS, deadline - now))
