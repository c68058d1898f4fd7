"""Bring profiles, estimates and statements up to date, as far as the source's budget goes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Final, TypeVar

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.company_queue import fundamentals_due, profiles_due
from sigmasight_assets.core.db.write.companies import Stored, write_profiles, write_statements
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets.core.market.companies import (
    CompanySource,
    ProfileAnswer,
    StatementsAnswer,
)
from sigmasight_assets.core.market.source import UNANSWERED, Outcome

log = logging.getLogger(__name__)

AT_ONCE: Final = 5
SYMBOLS_PER_TRANSACTION: Final = 50

Answer = TypeVar("Answer", ProfileAnswer, StatementsAnswer)


@dataclass(frozen=True)
class CompanyReport:
    """What a refresh did. outcomes counts the symbols asked for; failures are those without news.

    Outcomes: updated, unchanged, no_data, rejected, rate_limited, unavailable. due: how many were
    to be asked for; fewer were if the source had enough.
    """

    due: int
    outcomes: Mapping[str, int]
    failures: tuple[BatchFailure, ...]


def refresh_profiles(
    database: Database, source: CompanySource, now: datetime, most: int
) -> CompanyReport:
    """Ask for the profiles and estimates that are due, at most so many, and store them.

    Each set of answers is one transaction, so a killed run keeps what it has and the next goes
    on. A source that fails or has enough is an outcome, not an error.
    """
    with database.connection() as connection:
        due = profiles_due(connection, now, most)
    return _refresh(database, "company_profiles", due, source.profile, write_profiles, now)


def refresh_fundamentals(
    database: Database, source: CompanySource, now: datetime, most: int
) -> CompanyReport:
    """Ask for the statements that are due, at most of so many companies, and store them.

    The rest is as for `refresh_profiles`.
    """
    today = now.astimezone(UTC).date()
    with database.connection() as connection:
        due = fundamentals_due(connection, now, most)

    def ask(symbol: str) -> StatementsAnswer:
        return source.statements(symbol, due[symbol], today)

    return _refresh(database, "fundamentals", list(due), ask, write_statements, now)


def _refresh(
    database: Database,
    batch: str,
    due: Sequence[str],
    ask: Callable[[str], Answer],
    write: Callable[[Database, Mapping[str, Answer], datetime], Mapping[str, Stored]],
    now: datetime,
) -> CompanyReport:
    outcomes: Counter[str] = Counter()
    failures: list[BatchFailure] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(due), SYMBOLS_PER_TRANSACTION):
            answers = _ask_all(pool, ask, due[start : start + SYMBOLS_PER_TRANSACTION])
            stored = write(database, answers, now)
            outcomes.update(stored.get(each) or answers[each].outcome for each in answers)
            failed = _failures(answers)
            log_failures(database, batch, sessions.latest_completed(now), failed)
            failures += failed
            told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            log.info("%s: %d of %d asked: %s", batch, outcomes.total(), len(due), told)
            if _has_had_enough(answers):
                break
    return CompanyReport(len(due), dict(outcomes), tuple(failures))


def _ask_all(
    pool: ThreadPoolExecutor, ask: Callable[[str], Answer], symbols: Sequence[str]
) -> dict[str, Answer]:
    """The answers by symbol, sorted; nobody else is asked for once the source has had enough."""
    limited = Event()

    def asked(symbol: str) -> Answer | None:
        if limited.is_set():
            return None
        answer = ask(symbol)
        if answer.outcome is Outcome.RATE_LIMITED:
            limited.set()
        return answer

    found = zip(symbols, pool.map(asked, symbols), strict=True)
    return {symbol: answer for symbol, answer in sorted(found) if answer}


def _has_had_enough(answers: Mapping[str, Answer]) -> bool:
    """Whether the source is rate limited, or has been given up: not one answer came."""
    said = {answer.outcome for answer in answers.values()}
    return Outcome.RATE_LIMITED in said or said <= UNANSWERED


def _failures(answers: Mapping[str, Answer]) -> list[BatchFailure]:
    return [
        BatchFailure(symbol, answer.outcome, answer.reason)
        for symbol, answer in answers.items()
        if answer.outcome is not Outcome.ROWS
    ]
