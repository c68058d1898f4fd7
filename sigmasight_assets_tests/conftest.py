"""A throw-away server per worker, and a fresh migrated database per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.migrate import upgrade
from sigmasight_assets.core.nightly.reference import seed_reference
from sigmasight_assets_tests.postgres import (
    TEST_SUFFIX,
    drop_database,
    fresh_database,
    throwaway_server,
)

# The same examples every time: a red run is red for everyone who repeats it.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("SIGMASIGHT_", "DAGSTER_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this worker's own."""
    with throwaway_server() as started:
        yield started


@pytest.fixture(scope="session")
def template(server: EmbeddedPostgres) -> str:
    """The name of a migrated and seeded database that nobody is connected to."""
    url = fresh_database(server)
    upgrade(Database(url))
    seed_reference(Database(url))
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture
def database(server: EmbeddedPostgres, template: str) -> Iterator[Database]:
    """A migrated and seeded database of the test's own."""
    url = fresh_database(server, template=template)
    yield only_for_tests(Database(url))
    drop_database(server, url)


@pytest.fixture
def empty_database(server: EmbeddedPostgres) -> Iterator[Database]:
    """A database without any table."""
    url = fresh_database(server)
    yield only_for_tests(Database(url))
    drop_database(server, url)


def only_for_tests(database: Database) -> Database:
    """The database itself; refused unless its name ends in `_test`."""
    name = urlsplit(database.url).path.removeprefix("/")
    if not name.endswith(TEST_SUFFIX):
        raise ValueError(f"{name} is no test database: its name does not end in {TEST_SUFFIX}")
    return database
