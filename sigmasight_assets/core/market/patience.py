"""How a remote source is asked: tried again with growing pauses, and left alone when it is down.

A source tells apart what may pass (`SourceUnavailable`, `RateLimited`) from what will not
(`SourceRefused`): only the first is tried again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from sigmasight_assets.core.errors import RateLimited, SourceUnavailable

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TRIES: Final = 3
LONGEST_WAIT: Final = 10.0
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=5)
MOST_FAILURES_IN_A_ROW: Final = 20
MOST_PAUSES_IN_A_ROW: Final = 3


def stated_pause(retry_after: str | None) -> timedelta | None:
    """The span that a Retry-After states, in seconds or as a date; None where it states none."""
    try:
        return timedelta(seconds=Retry().parse_retry_after(retry_after or "")) or None
    except (InvalidHeader, ValueError, OverflowError):
        return None


class RequestLimit(Protocol):
    """The one budget of requests to a source, shared by every process that asks it."""

    def wait_for_turn(self) -> None:
        """Return when one more request may be sent, and count it as sent."""
        ...

    def pause(self, span: timedelta) -> None:
        """Nobody sends a request before `span` has passed; a longer pause stays."""
        ...


class Unlimited:
    """No budget at all, for a source that nobody counts."""

    def wait_for_turn(self) -> None:
        """At once."""

    def pause(self, span: timedelta) -> None:
        """Nobody to hold back."""


class Patience:
    """Asks one source, for one run.

    A transient failure is tried three times, with exponential pauses and jitter between. A 429
    pauses the source for everybody, for as long as it asked or 30 s, doubled each time. After 20
    questions in a row that failed, or three pauses without an answer between, the source is left
    alone: every further question of the run fails at once, and the next run asks again.
    """

    def __init__(
        self,
        source: str,
        limit: RequestLimit,
        first_wait: float = 0.5,
        first_pause: timedelta = FIRST_PAUSE,
    ) -> None:
        self.source = source
        self.limit = limit
        self._first_wait = first_wait
        self._first_pause = first_pause
        self._lock = threading.Lock()
        self._failures = 0
        self._pauses = 0
        self._is_leaving = False

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer to a question, which sends requests of its own after `limit.wait_for_turn`.

        Raises:
            SourceUnavailable, RateLimited: after the last try, or at once if given up.
            Whatever else the question raises, at once.
        """
        attempts = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=self._first_wait, max=LONGEST_WAIT),
            retry=retry_if_exception(self._is_worth_a_try),
            reraise=True,
        )
        try:
            answer: Answer = attempts(self._once, question)
        except SourceUnavailable:
            with self._lock:
                self._failures += 1
            raise
        return answer

    def give_up(self) -> None:
        """Whoever asks is leaving: questions under way are not tried again, others not asked."""
        self._is_leaving = True

    def _once(self, question: Callable[[], Answer]) -> Answer:
        given_up = self._given_up()
        if given_up:
            raise given_up
        pauses = self._pauses
        try:
            answer = question()
        except RateLimited as limited:
            self._pause(pauses, limited.retry_after)
            raise
        with self._lock:
            self._failures = 0
            # An answer that was under way when the source had enough says nothing of now.
            if self._pauses == pauses:
                self._pauses = 0
        return answer

    def _given_up(self) -> SourceUnavailable | RateLimited | None:
        if self._is_leaving:
            return SourceUnavailable(self.source, "the run that asked is ending")
        if self._pauses >= MOST_PAUSES_IN_A_ROW:
            return RateLimited(self.source, None)
        if self._failures >= MOST_FAILURES_IN_A_ROW:
            return SourceUnavailable(self.source, "left alone after too many failures in a row")
        return None

    def _is_worth_a_try(self, error: BaseException) -> bool:
        return isinstance(error, (SourceUnavailable, RateLimited)) and self._given_up() is None

    def _pause(self, pauses_before: int, asked_for: timedelta | None) -> None:
        """Once for all requests that were under way when the source had enough."""
        with self._lock:
            if self._pauses != pauses_before:
                return
            span = min(asked_for or self._first_pause * 2**pauses_before, LONGEST_PAUSE)
            self._pauses += 1
        log.warning("%s asks for a pause: %.0f s", self.source, span.total_seconds())
        self.limit.pause(span)
