"""What a refresh of portfolios leaves behind besides its slices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.book import ChangeMarks

# Compared with the version that was read: an edit made during the refresh keeps its mark, and so
# does a portfolio that somebody is editing at this moment.
SETTLE: Final = """
    WITH refreshed AS (
        SELECT p.id FROM portfolios p
        JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS read (id, data_version)
            ON read.id = p.id AND read.data_version = p.data_version
        WHERE p.stale_from IS NOT NULL ORDER BY p.id FOR UPDATE OF p SKIP LOCKED
    )
    UPDATE portfolios SET stale_from = NULL FROM refreshed WHERE portfolios.id = refreshed.id
"""

# Another refresh may have seen the change, brought up to date what was published, and settled.
# One that was read and begins later by now has rows all the same.
OUTDATED: Final = """
    SELECT p.id FROM portfolios p
    WHERE p.deleted_at IS NULL
      AND (p.inception_date <= %(session)s OR p.id = ANY(%(ids)s::uuid[]))
      AND (%(chosen)s::uuid[] IS NULL OR p.id = ANY(%(chosen)s::uuid[]))
      AND NOT EXISTS (
          SELECT FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS read (id, data_version)
          WHERE read.id = p.id AND read.data_version = p.data_version)
    ORDER BY p.id FOR UPDATE
"""

MARK_OUTDATED: Final = f"""
    WITH outdated AS ({OUTDATED})
    UPDATE portfolios SET data_version = data_version + 1,
        stale_from = LEAST(stale_from, %(session)s)
    FROM outdated WHERE portfolios.id = outdated.id
"""

DELETED: Final = """
    SELECT id FROM portfolios WHERE deleted_at IS NOT NULL
    UNION
    (SELECT DISTINCT portfolio_id FROM portfolio_snapshots EXCEPT SELECT id FROM portfolios)
"""

FORGET_MATRICES: Final = "DELETE FROM correlation_matrices WHERE calculation_date < %s"


def settle_refresh(database: Database, marks: ChangeMarks) -> None:
    """Portfolios that did not change since their marks were read are up to date."""
    database.transaction(lambda connection: connection.execute(SETTLE, _versions(marks)))


def lock_outdated(
    connection: Connection, marks: ChangeMarks, session: date, portfolio_ids: Sequence[str] | None
) -> None:
    """Wait for who is editing the portfolios that `mark_outdated` will mark.

    Before the publication's lock is taken: an edit left open must not hold up everybody. One that
    stays open for longer than half a minute costs the transaction a try.
    """
    connection.execute("SET LOCAL lock_timeout = '30s'")
    connection.execute(OUTDATED, _outdated(marks, session, portfolio_ids))


def mark_outdated(
    connection: Connection, marks: ChangeMarks, session: date, portfolio_ids: Sequence[str] | None
) -> None:
    """Mark, from a session that is being written, the portfolios changed since they were read.

    For the transaction that writes rows made from what was read with `marks`, of the portfolios
    named or of all: those changed, and new, since then lack rows that say so.
    """
    connection.execute(MARK_OUTDATED, _outdated(marks, session, portfolio_ids))


def _outdated(
    marks: ChangeMarks, session: date, portfolio_ids: Sequence[str] | None
) -> dict[str, Any]:
    chosen = None if portfolio_ids is None else list(portfolio_ids)
    return {**_versions(marks), "session": session, "chosen": chosen}


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
