"""The database by itself: where it is, its tables, what they hold, stopping it."""

from __future__ import annotations

import sys

from sigmasight_assets.cli.platform import command_settings
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.locate import configured_database
from sigmasight_assets.core.db.migrate import current_revision, upgrade
from sigmasight_assets.core.db.write.reference import seed_reference


def database(action: str) -> int:
    """Carry out `sigmasight db ACTION`."""
    settings = command_settings()
    if action == "stop":
        if settings.database_url:
            print("the database is not ours to stop: SIGMASIGHT_DATABASE_URL is set")
            return 0
        EmbeddedPostgres(settings.home).stop()
        return 0
    found = configured_database(settings)
    if action == "url":
        print(found.libpq_url())
        if not settings.database_url:
            print("the embedded server runs until `sigmasight db stop`", file=sys.stderr)
    elif action == "migrate":
        upgrade(found)
        seed_reference(found)
        print(f"the tables are at revision {current_revision(found)}")
    else:
        for table, checksum in table_checksums(found).items():
            print(f"{checksum}  {table}")
    return 0
