"""The database by itself: where it is, its tables, what they hold, stopping it."""

from __future__ import annotations

import sys

from psycopg.errors import UndefinedTable

from sigmasight_assets.cli.platform import bring_up_to_date, command_settings
from sigmasight_assets.cli.servers import OURS_SETTING, our_database, server_url
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.locate import configured_database
from sigmasight_assets.core.db.migrate import current_revision
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.settings import Settings


def database(action: str) -> int:
    """Carry out `sigmasight db ACTION`."""
    settings = command_settings()
    actions = {"url": _url, "migrate": _migrate, "checksum": _checksum, "stop": _stop}
    actions[action](settings)
    return 0


def _url(settings: Settings) -> None:
    """The URL alone on stdout: it is made for $(sigmasight db url)."""
    if settings.database_url:
        server_url(OURS_SETTING, settings.database_url)
    print(configured_database(settings).libpq_url())
    if not settings.database_url:
        print("the embedded server runs until `sigmasight db stop`", file=sys.stderr)


def _migrate(settings: Settings) -> None:
    with our_database(settings) as found:
        bring_up_to_date(found)
        print(f"the tables are at revision {current_revision(found)}")


def _checksum(settings: Settings) -> None:
    with our_database(settings) as found:
        try:
            checksums = table_checksums(found)
        except UndefinedTable:
            raise ConfigurationError(
                "the tables are not there: `sigmasight db migrate` makes them"
            ) from None
    for table, checksum in checksums.items():
        print(f"{checksum}  {table}")


def _stop(settings: Settings) -> None:
    if settings.database_url:
        print(f"the database is not ours to stop: {OURS_SETTING} is set")
        return
    EmbeddedPostgres(settings.home).stop()
    print("the embedded database is stopped")
