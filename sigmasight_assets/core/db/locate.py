"""Which database the settings mean."""

from __future__ import annotations

from typing import Final

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.settings import Settings

OURS: Final = "sigmasight"
DAGSTERS: Final = "dagster"


def configured_database(settings: Settings) -> Database:
    """The configured database; without one the embedded server's, started if need be."""
    if settings.database_url:
        return Database(settings.database_url)
    server = EmbeddedPostgres(settings.home)
    server.create_database(OURS)
    return Database(server.database_url(OURS))
