"""The two databases a command needs, ours and Dagster's: embedded, or those of the settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.locate import DAGSTERS, OURS
from sigmasight_assets.core.errors import ConfigurationError, DatabaseUnavailable
from sigmasight_assets.core.settings import Settings

log = logging.getLogger(__name__)

OURS_SETTING: Final = "SIGMASIGHT_DATABASE_URL"
DAGSTERS_SETTING: Final = "DAGSTER_POSTGRES_URL"

PLACE: Final = "SELECT pg_postmaster_start_time(), current_database(), current_schema()"


@contextmanager
def postgres_servers(settings: Settings) -> Iterator[tuple[str, str]]:
    """The URLs of our database and of Dagster's, both of which answer.

    Raises:
        ConfigurationError: if one of the two settings is there without the other, cannot be
            read, or both name one place.
        DatabaseUnavailable: naming the setting whose server does not answer.
    """
    if settings.database_url or settings.dagster_postgres_url:
        yield _configured(settings)
        return
    log.info("starting the database in %s", settings.home.resolve())
    server = EmbeddedPostgres(settings.home)
    with server.in_use():
        for name in (OURS, DAGSTERS):
            server.create_database(name)
        yield server.database_url(OURS), psycopg2_url(server.database_url(DAGSTERS))


@contextmanager
def our_database(settings: Settings) -> Iterator[Database]:
    """Our database alone, which answers; an embedded server stops as `standing` has it."""
    if settings.database_url:
        url = server_url(OURS_SETTING, settings.database_url)
        _place(OURS_SETTING, url)
        yield Database(settings.database_url)
        return
    server = EmbeddedPostgres(settings.home)
    with server.in_use():
        server.create_database(OURS)
        yield Database(server.database_url(OURS))


def psycopg2_url(url: str) -> str:
    """The URL with the driver that Dagster's storage needs.

    SQLAlchemy reads a bare postgresql:// as psycopg 3, on which dagster-postgres fails.
    """
    driver = server_url(DAGSTERS_SETTING, url).set(drivername="postgresql+psycopg2")
    return driver.render_as_string(hide_password=False)


def server_url(setting: str, text: str) -> URL:
    """The URL a setting holds; complaints about it never show it, for it holds a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{setting} cannot be read as a URL") from None
    if "@" in (url.host or ""):
        raise ConfigurationError(f"{setting}: write special characters of the password as %XX")
    return url


def _configured(settings: Settings) -> tuple[str, str]:
    ours, dagsters = settings.database_url, settings.dagster_postgres_url
    if not (ours and dagsters):
        there, missing = (
            (OURS_SETTING, DAGSTERS_SETTING) if ours else (DAGSTERS_SETTING, OURS_SETTING)
        )
        raise ConfigurationError(
            f"{there} is set and {missing} is not: set both, each to a database of its own, "
            "or neither"
        )
    url = server_url(OURS_SETTING, ours)
    log.info("using the database %s of %s", url.database, url.host or "the local socket")
    if _place(OURS_SETTING, url) == _place(
        DAGSTERS_SETTING, server_url(DAGSTERS_SETTING, dagsters)
    ):
        raise ConfigurationError(
            f"{OURS_SETTING} and {DAGSTERS_SETTING} name one database: give Dagster its own"
        )
    return ours, psycopg2_url(dagsters)


def _place(setting: str, url: URL) -> tuple[Any, ...] | None:
    """Server, database and schema that a URL leads to."""
    try:
        with Database(url.render_as_string(hide_password=False)).connection() as connection:
            return connection.execute(PLACE).fetchone()
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{setting}: {error}") from error
