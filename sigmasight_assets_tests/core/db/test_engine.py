"""Connections and transactions: what is tried again, what is not, and what a person is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection

from sigmasight_assets.core.db.engine import TRIES, Database
from sigmasight_assets.core.db.migrate import current_revision, upgrade
from sigmasight_assets.core.errors import ConfigurationError, DatabaseUnavailable
from sigmasight_assets_tests.core.db.broken_connections import (
    COMMIT,
    CommitSwallower,
    killing,
    terminate,
)


@pytest.fixture
def control(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


def insert(connection: Connection) -> None:
    connection.execute("INSERT INTO users (email) VALUES ('a@example.com') ON CONFLICT DO NOTHING")


def users(database: Database) -> int:
    with database.connection() as connection:
        row = connection.execute("SELECT count(*) FROM users").fetchone()
    assert row
    return row[0]


def test_a_connections_block_is_one_transaction(database: Database) -> None:
    def fail() -> None:
        with database.connection() as connection:
            insert(connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert users(database) == 0
    with database.connection() as connection:
        insert(connection)
    assert users(database) == 1


@pytest.mark.parametrize("moment", [1, COMMIT])
def test_a_killed_transaction_is_tried_again_whole(
    database: Database, control: psycopg.Connection, moment: int
) -> None:
    with killing(control, moment) as killer:
        database.transaction(insert)
    assert (killer.killed, users(database)) == (1, 1)


def test_after_three_kills_the_error_is_the_callers(
    database: Database, control: psycopg.Connection
) -> None:
    with (
        killing(control, 1, times=TRIES) as killer,
        pytest.raises(psycopg.OperationalError),
    ):
        database.transaction(insert)
    assert (killer.killed, users(database)) == (TRIES, 0)


def test_an_error_that_another_try_cannot_help_is_raised_at_once(database: Database) -> None:
    calls = []

    def work(connection: Connection) -> None:
        calls.append(1)
        connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        database.transaction(work)
    assert len(calls) == 1


def test_a_deadlock_is_resolved_by_another_try(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("INSERT INTO users (email) VALUES ('a'), ('b')")
    met = threading.Barrier(2)
    tries = []

    def crosswise(first: str, second: str) -> None:
        def work(connection: Connection) -> None:
            tries.append(first)
            update = "UPDATE users SET full_name = coalesce(full_name, '') || %s WHERE email = %s"
            connection.execute(update, (first, first))
            if len(tries) <= 2:
                met.wait(5)
            connection.execute(update, (first, second))

        database.transaction(work)

    threads = [threading.Thread(target=crosswise, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    with database.connection() as connection:
        names = connection.execute("SELECT full_name FROM users").fetchall()
    assert {"".join(sorted(name)) for (name,) in names} == {"ab"}


def test_a_commit_whose_answer_is_lost_is_repeated_and_does_no_harm(database: Database) -> None:
    proxy = CommitSwallower(database.url)
    Database(proxy.url).transaction(insert)
    proxy.close()
    assert (proxy.cut, users(database)) == (1, 1)


def test_a_database_does_not_say_its_password(database: Database) -> None:
    assert repr(database) == "Database()"


def test_a_kill_while_reading_reaches_the_caller(database: Database) -> None:
    def read() -> None:
        with database.connection() as connection:
            terminate(database.url, connection.info.backend_pid)
            connection.execute("SELECT 1")

    with pytest.raises(psycopg.OperationalError):
        read()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:open-sesame@127.0.0.1:1/nothing_test",
        "postgresql+psycopg2://postgres:open-sesame@127.0.0.1:1/nothing_test",
    ],
)
def test_an_unreachable_server_is_one_line_without_the_password(url: str) -> None:
    for action in (lambda: Database(url).connection().__enter__(), lambda: upgrade(Database(url))):
        with pytest.raises(DatabaseUnavailable) as failure:
            action()
        assert "open-sesame" not in str(failure.value)
        assert "\n" not in str(failure.value)
    with pytest.raises(DatabaseUnavailable):
        current_revision(Database(url))


@pytest.mark.parametrize(
    "url",
    [
        "open-sesame",
        "postgresql://postgres:open-sesame@127.0.0.1:port/nothing_test",
        "postgresql://postgres:open-sesame@127.0.0.1:5432/nothing_test?colour=blue",
    ],
)
def test_an_unusable_url_is_a_configuration_error_without_the_password(url: str) -> None:
    for action in (lambda: Database(url).connection().__enter__(), lambda: upgrade(Database(url))):
        with pytest.raises(ConfigurationError) as failure:
            action()
        assert "open-sesame" not in str(failure.value)
