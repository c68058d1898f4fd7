"""The shared budget of requests: processes, pauses, kills. Elapsed times have lower bounds only."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event, Semaphore

import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.source_limits import DatabaseLimit
from sigmasight_assets.core.errors import DatabaseUnavailable
from sigmasight_assets_tests.core.db.broken_connections import CommitSwallower

SPAWN = multiprocessing.get_context("spawn")
PATIENT = 30.0
A_LITTLE_EARLY = 0.99
"""The server's clock may be slewed against the one that a test measures with."""


class Asleep(Exception):
    """Raised instead of sleeping; says for how long."""


def no_sleep(seconds: float) -> None:
    raise Asleep(seconds)


def seconds_asked(limit: DatabaseLimit) -> float:
    """How long a limit made with `no_sleep` would have slept."""
    with pytest.raises(Asleep) as asleep:
        limit.wait_for_turn()
    return asleep.value.args[0]


@dataclass
class Signals:
    """What a test and the processes that it watches tell each other."""

    ready: Semaphore = field(default_factory=lambda: SPAWN.Semaphore(0))
    go: Event = field(default_factory=SPAWN.Event)
    asleep: Semaphore = field(default_factory=lambda: SPAWN.Semaphore(0))
    done: Semaphore = field(default_factory=lambda: SPAWN.Semaphore(0))


def take_turns(url: str, per_second: float, turns: int, signals: Signals) -> None:
    """In a process of its own: so many turns, once told to go."""

    def sleep(seconds: float) -> None:
        signals.asleep.release()
        time.sleep(seconds)

    limit = DatabaseLimit(Database(url), "polygon", per_second, sleep)
    signals.ready.release()
    assert signals.go.wait(PATIENT)
    for _ in range(turns):
        limit.wait_for_turn()
        signals.done.release()


@contextmanager
def taking_turns(
    database: Database, per_second: float, *turns: int
) -> Iterator[tuple[list[BaseProcess], Signals]]:
    """A process for each number of turns, waiting for the word to go."""
    signals = Signals()
    processes: list[BaseProcess] = [
        SPAWN.Process(target=take_turns, args=(database.url, per_second, each, signals))
        for each in turns
    ]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            assert signals.ready.acquire(timeout=PATIENT)
        yield processes, signals
    finally:
        for process in processes:
            process.kill()
            process.join()


def row(database: Database) -> tuple[datetime, datetime | None]:
    """The instants kept for polygon; fails at once if anybody holds the row."""
    with database.connection() as connection:
        kept = connection.execute(
            "SELECT next_request_at, paused_until FROM source_limits WHERE source = 'polygon' "
            "FOR UPDATE NOWAIT"
        ).fetchone()
    assert kept
    return kept


def others_connected(database: Database) -> int:
    with database.connection() as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert found
    return found[0]


def test_processes_together_are_no_faster_than_the_limit(database: Database) -> None:
    per_second, each = 50, 12
    with taking_turns(database, per_second, each, each, each) as (_, signals):
        started = time.monotonic()
        signals.go.set()
        for _ in range(3 * each):
            assert signals.done.acquire(timeout=PATIENT)
        elapsed = time.monotonic() - started
    assert elapsed >= (3 * each - 1) / per_second * A_LITTLE_EARLY


def test_a_pause_set_here_is_kept_by_another_process(database: Database) -> None:
    span = 0.4
    limit = DatabaseLimit(database, "polygon", 1000)
    with taking_turns(database, 1000, 1) as (_, signals):
        started = time.monotonic()
        limit.pause(timedelta(seconds=span))
        signals.go.set()
        assert signals.done.acquire(timeout=PATIENT)
        elapsed = time.monotonic() - started
    assert elapsed >= span * A_LITTLE_EARLY


def test_a_pause_reaches_who_is_asleep_already(database: Database) -> None:
    asleep, awake = threading.Event(), []

    def sleep(seconds: float) -> None:
        asleep.set()
        time.sleep(seconds)

    def wait() -> None:
        DatabaseLimit(database, "polygon", 5, sleep).wait_for_turn()
        awake.append(time.monotonic())

    DatabaseLimit(database, "polygon", 5).wait_for_turn()
    thread = threading.Thread(target=wait)
    thread.start()
    assert asleep.wait(PATIENT)
    paused = time.monotonic()
    DatabaseLimit(database, "polygon", 5).pause(timedelta(seconds=0.6))
    thread.join()
    assert awake[0] - paused >= 0.6 * A_LITTLE_EARLY


def test_after_a_pause_there_is_no_burst(database: Database) -> None:
    limit = DatabaseLimit(database, "polygon", 20)
    started = time.monotonic()
    limit.pause(timedelta(seconds=0.2))
    for _ in range(4):
        limit.wait_for_turn()
    assert time.monotonic() - started >= (0.2 + 3 / 20) * A_LITTLE_EARLY


def test_a_shorter_pause_does_not_end_a_longer_one(database: Database) -> None:
    limit = DatabaseLimit(database, "polygon", 1000, no_sleep)
    limit.pause(timedelta(hours=2))
    limit.pause(timedelta(seconds=1))
    assert 7000 < seconds_asked(limit) <= 7200
    limit.pause(timedelta(hours=4))
    assert 14000 < seconds_asked(limit) <= 14400


def test_an_idle_hour_is_not_saved_up(database: Database) -> None:
    limit = DatabaseLimit(database, "polygon", 0.01, no_sleep)
    limit.wait_for_turn()
    with database.connection() as connection:
        connection.execute("UPDATE source_limits SET next_request_at = now() - interval '1 hour'")
    limit.wait_for_turn()
    assert 50 < seconds_asked(limit) <= 100


def test_the_budget_outlives_who_used_it(database: Database) -> None:
    with taking_turns(database, 0.01, 1) as (processes, signals):
        signals.go.set()
        processes[0].join(PATIENT)
        assert processes[0].exitcode == 0
    assert 50 < seconds_asked(DatabaseLimit(database, "polygon", 0.01, no_sleep)) <= 100


def test_two_sources_have_budgets_of_their_own(database: Database) -> None:
    polygon = DatabaseLimit(database, "polygon", 0.01, no_sleep)
    polygon.wait_for_turn()
    polygon.pause(timedelta(hours=1))
    DatabaseLimit(database, "yfinance", 0.01, no_sleep).wait_for_turn()
    assert seconds_asked(polygon) > 3000
    assert seconds_asked(DatabaseLimit(database, "yfinance", 0.01, no_sleep)) <= 100


def test_a_faster_setting_works_at_once(database: Database) -> None:
    DatabaseLimit(database, "polygon", 0.0001, no_sleep).wait_for_turn()
    sleeps = []

    def sleep(seconds: float) -> None:
        assert seconds <= 1 / 20
        sleeps.append(seconds)
        time.sleep(seconds)

    faster = DatabaseLimit(database, "polygon", 20, sleep)
    faster.wait_for_turn()
    faster.wait_for_turn()
    # Two gaps; a sleep may end a moment before the server's clock has come so far.
    assert sum(sleeps) <= 2 / 20 + 0.01


def test_a_process_killed_in_its_sleep_leaves_nothing(database: Database) -> None:
    DatabaseLimit(database, "polygon", 0.01).wait_for_turn()
    before = row(database)
    with taking_turns(database, 0.01, 1) as (processes, signals):
        signals.go.set()
        assert signals.asleep.acquire(timeout=PATIENT)
        assert row(database) == before
        processes[0].kill()
        processes[0].join()
        assert not signals.done.acquire(block=False)
    assert row(database) == before
    assert others_connected(database) == 0


def test_a_turn_whose_commit_is_not_confirmed_counts(database: Database) -> None:
    proxy = CommitSwallower(database.url)
    with pytest.raises(Asleep):
        DatabaseLimit(Database(proxy.url), "polygon", 0.01, no_sleep).wait_for_turn()
    proxy.close()
    assert proxy.cut == 1


def test_a_database_that_is_away_is_the_callers_error() -> None:
    away = Database("postgresql://postgres@127.0.0.1:1/nothing_test")
    with pytest.raises(DatabaseUnavailable):
        DatabaseLimit(away, "polygon", 1).wait_for_turn()
