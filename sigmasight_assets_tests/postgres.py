"""Throw-away PostgreSQL servers and databases for tests: never the configured one."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sigmasight_assets.core.db.embedded import EmbeddedPostgres

TEST_SUFFIX = "_test"


@contextmanager
def throwaway_server() -> Iterator[EmbeddedPostgres]:
    """A server of its own in a temporary folder; stopped and deleted at the end.

    It is up within a second, so each xdist worker may have one for its session.
    """
    with tempfile.TemporaryDirectory(prefix="sigmasight-postgres-") as home:
        server = EmbeddedPostgres(Path(home), fsync=False)
        try:
            server.ensure_running()
            yield server
        finally:
            server.stop()


def fresh_database(server: EmbeddedPostgres, *, template: str = "template1") -> str:
    """The URL of a new database whose name nobody else has and that ends in `_test`.

    A migrated database nobody is connected to makes a template that spares the migration.
    """
    name = f"sigmasight_{secrets.token_hex(8)}{TEST_SUFFIX}"
    address = server.ensure_running()
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with address.connect() as connection:
        # Where the file system lets files share blocks, a copy takes a fifth of the time.
        with suppress(psycopg.Error):
            connection.execute("SET file_copy_method = 'clone'")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    return address.url(name)


def drop_database(server: EmbeddedPostgres, url: str) -> None:
    """Drop a database that `fresh_database` made, whoever is still connected to it."""
    name = urlsplit(url).path.removeprefix("/")
    if not name.endswith(TEST_SUFFIX):
        raise ValueError(f"{name} is no test database: its name does not end in {TEST_SUFFIX}")
    with server.ensure_running().connect() as connection:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))
