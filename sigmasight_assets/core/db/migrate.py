"""Bring the database's tables to a revision: all in one transaction, one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from sigmasight_assets.core.db.engine import UNREADABLE, Database
from sigmasight_assets.core.errors import ConfigurationError, DatabaseUnavailable

SCRIPTS: Final = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def head_revision() -> str:
    """The newest revision that this code knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise AssertionError("there are no migrations")
    return revision


def current_revision(database: Database) -> str | None:
    """The revision the database is at, None when it is empty."""
    with _connection(database) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database) -> None:
    """Bring the tables to the newest revision. Doing it twice, or twice at once, is harmless."""
    _run(database, lambda config: command.upgrade(config, "head"))


def downgrade(database: Database, revision: str = "base") -> None:
    """Take the tables back to a revision, by default to an empty database."""
    _run(database, lambda config: command.downgrade(config, revision))


def _run(database: Database, step: Callable[[Config], None]) -> None:
    config = _config()
    with _connection(database) as connection:
        _one_at_a_time(connection)
        config.attributes["connection"] = connection
        step(config)


@contextmanager
def _connection(database: Database) -> Iterator[Connection]:
    """A connection whose block is one transaction, committed at its end."""
    try:
        with database.engine().begin() as connection:
            yield connection
    except OperationalError as error:
        raise DatabaseUnavailable(
            f"the database cannot be migrated: {' '.join(str(error.orig).split())}"
        ) from error
    except ProgrammingError as error:
        if error.statement is not None:
            raise
        raise ConfigurationError(UNREADABLE) from None


def _one_at_a_time(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('sigmasight migrations'))"))
