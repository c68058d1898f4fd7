"""What a refresh of portfolios leaves behind besides its slices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.book import ChangeMarks

# Compared with the version that was read: an edit made during the refresh keeps its mark.
SETTLE: Final = """
    UPDATE portfolios SET stale_from = NULL
    FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS refreshed (id, data_version)
    WHERE portfolios.id = refreshed.id AND portfolios.data_version = refreshed.data_version
      AND stale_from IS NOT NULL
"""

# Another refresh may have seen the change, brought up to date what was published, and settled.
MARK_OUTDATED: Final = """
    UPDATE portfolios SET data_version = data_version + 1,
        stale_from = LEAST(stale_from, %(session)s)
    WHERE deleted_at IS NULL AND inception_date <= %(session)s
      AND (%(chosen)s::uuid[] IS NULL OR id = ANY(%(chosen)s::uuid[]))
      AND NOT EXISTS (
          SELECT FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS read (id, data_version)
          WHERE read.id = portfolios.id AND read.data_version = portfolios.data_version)
"""

DELETED: Final = """
    SELECT DISTINCT portfolio_id FROM portfolio_snapshots
    EXCEPT SELECT id FROM portfolios WHERE deleted_at IS NULL
"""

FORGET_MATRICES: Final = "DELETE FROM correlation_matrices WHERE calculation_date < %s"


def settle_refresh(database: Database, marks: ChangeMarks) -> None:
    """Portfolios that did not change since their marks were read are up to date."""
    database.transaction(lambda connection: connection.execute(SETTLE, _versions(marks)))


def mark_outdated(
    connection: Connection, marks: ChangeMarks, session: date, portfolio_ids: Sequence[str] | None
) -> None:
    """Mark, from a session that is being written, the portfolios changed since they were read.

    For the transaction that writes rows made from what was read with `marks`, of the portfolios
    named or of all: those changed, and new, since then lack rows that say so.
    """
    chosen = None if portfolio_ids is None else list(portfolio_ids)
    values = {**_versions(marks), "session": session, "chosen": chosen}
    connection.execute(MARK_OUTDATED, values)


def forget_deleted(database: Database, tables: Collection[str]) -> None:
    """Drop the rows that computed tables hold of portfolios which were deleted.

    What is stored would otherwise tell which sessions were computed again after the deletion; a
    portfolio that is restored lacks its sessions, and gets them back.
    """

    def work(connection: Connection) -> None:
        gone = [each for (each,) in connection.execute(DELETED).fetchall()]
        for name in sorted(tables) if gone else ():
            statement = sql.SQL("DELETE FROM {} WHERE portfolio_id = ANY(%s)")
            connection.execute(statement.format(sql.Identifier(name)), (gone,))

    database.transaction(work)


def _versions(marks: ChangeMarks) -> dict[str, list[Any]]:
    return {"ids": marks.id.tolist(), "versions": marks.data_version.tolist()}


def forget_matrices(database: Database, before: date) -> None:
    """Drop the correlation matrices of sessions before a day."""
    database.transaction(lambda connection: connection.execute(FORGET_MATRICES, (before,)))
