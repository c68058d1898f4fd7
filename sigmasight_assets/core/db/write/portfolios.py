"""What a refresh of portfolios leaves behind besides its slices."""

from __future__ import annotations

from datetime import date
from typing import Final

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.book import ChangeMarks

# Compared with the version that was read: an edit made during the refresh keeps its mark.
SETTLE: Final = """
    UPDATE portfolios SET stale_from = NULL
    FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS refreshed (id, data_version)
    WHERE portfolios.id = refreshed.id AND portfolios.data_version = refreshed.data_version
      AND stale_from IS NOT NULL
"""

FORGET_MATRICES: Final = "DELETE FROM correlation_matrices WHERE calculation_date < %s"


def settle_refresh(database: Database, marks: ChangeMarks) -> None:
    """Portfolios that did not change since their marks were read are up to date."""

    versions = {"ids": marks.id.tolist(), "versions": marks.data_version.tolist()}
    database.transaction(lambda connection: connection.execute(SETTLE, versions))


def forget_matrices(database: Database, before: date) -> None:
    """Drop the correlation matrices of sessions before a day."""
    database.transaction(lambda connection: connection.execute(FORGET_MATRICES, (before,)))
