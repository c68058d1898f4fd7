"""One database for the tests of this room, emptied before each, and homes for embedded servers.

Emptying takes a third of the time of a fresh database.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.nightly.reference import seed_reference
from sigmasight_assets_tests.conftest import only_for_tests
from sigmasight_assets_tests.core.db.embedded_servers import copy_home, end_server, make_home
from sigmasight_assets_tests.postgres import drop_database, fresh_database

STRANGERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="session")
def reused_database(server: EmbeddedPostgres, template: str) -> Iterator[Database]:
    """The database that the tests of a worker take in turn."""
    url = fresh_database(server, template=template)
    yield only_for_tests(Database(url))
    drop_database(server, url)


@pytest.fixture
def database(reused_database: Database) -> Database:
    """A migrated and seeded database for tests that leave its tables as they are."""
    with reused_database.connection() as connection:
        connection.execute(STRANGERS)
        connection.execute("SET LOCAL session_replication_role = replica")
        for table in metadata.sorted_tables:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
    seed_reference(reused_database)
    return reused_database


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty home, whose server is ended."""
    yield tmp_path
    end_server(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a server's data, to be copied."""
    return make_home(tmp_path_factory.mktemp("made"))


@pytest.fixture
def made_home(made: Path, home: Path) -> Path:
    """A home whose server has been there before and is stopped."""
    copy_home(made, home)
    return home
