"""Connections and transactions.

Our tables are read and written through psycopg 3 (COPY); SQLAlchemy describes them and runs
the migrations.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import psycopg
from psycopg import Connection
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from sigmasight_assets.core.errors import ConfigurationError, DatabaseUnavailable

log = logging.getLogger(__name__)

Result = TypeVar("Result")

TRIES: Final = 3
CONNECT_TIMEOUT_SECONDS: Final = 10
UNREADABLE: Final = "the database URL cannot be read"
RETRYABLE: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.OperationalError,
)


@dataclass(frozen=True)
class Database:
    """One PostgreSQL database, named by its URL; its text form leaves the password out."""

    url: str = field(repr=False)

    def libpq_url(self) -> str:
        """The URL without a driver name, as libpq reads it.

        Raises:
            ConfigurationError: if it cannot be read.
        """
        return self._url("postgresql").render_as_string(hide_password=False)

    def engine(self) -> Engine:
        """A SQLAlchemy engine over psycopg 3, without a pool."""
        return create_engine(self._url("postgresql+psycopg"), poolclass=NullPool)

    def _url(self, driver: str) -> URL:
        try:
            return make_url(self.url).set(drivername=driver)
        except (ArgumentError, ValueError):
            raise ConfigurationError(UNREADABLE) from None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection whose block is one transaction: committed at its end, else rolled back.

        Raises:
            DatabaseUnavailable: if the server cannot be reached.
        """
        try:
            opened = psycopg.connect(
                self.libpq_url(),
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name="sigmasight",
            )
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(_reason(error)) from error
        except psycopg.ProgrammingError:
            raise ConfigurationError(UNREADABLE) from None
        with opened as connection:
            yield connection

    def transaction(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction; the whole of it is tried again on a passing fault.

        Serialization failures, deadlocks and lost connections are retried with growing pauses,
        three tries in all. A statement is never retried alone: its transaction is gone. `work`
        must be a pure function of the database and its arguments, since it may run again after
        a commit whose answer was lost.
        """
        for attempt in range(1, TRIES + 1):
            try:
                with self.connection() as connection:
                    return work(connection)
            except (DatabaseUnavailable, *RETRYABLE) as error:
                if attempt == TRIES:
                    raise
                pause = 0.2 * 3 ** (attempt - 1) * random.uniform(0.5, 1.5)
                log.warning(
                    "transaction failed (%s), trying again in %.1f s", type(error).__name__, pause
                )
                time.sleep(pause)
        raise AssertionError("unreachable")


def _reason(error: psycopg.OperationalError) -> str:
    """The server's own words on one line, which never hold the password."""
    words = " ".join(str(error).split()) or type(error).__name__
    return f"the database cannot be reached: {words}"
