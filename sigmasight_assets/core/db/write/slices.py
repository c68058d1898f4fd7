"""The one write path of computed tables: a session's slices, replaced in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from psycopg import Connection, sql
from sqlalchemy import Date, Table, Uuid

from sigmasight_assets.core.db.binary_copy import encode
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import (
    Claim,
    check_claim,
    lock_publications,
    lock_slices,
    publish_if_complete,
    record_slice,
)
from sigmasight_assets.core.shapes.panel import Columns


@dataclass(frozen=True)
class Subset:
    """Some portfolios or some symbols: a column of a table's key, and its values."""

    column: str
    values: Sequence[str]


@dataclass(frozen=True)
class Slice:
    """All rows of one table for one session, or those of a subset of it."""

    table: Table
    columns: Columns
    subset: Subset | None = None


def write_session(
    database: Database,
    claim: Claim,
    session: date,
    slices: Sequence[Slice],
    also: Callable[[Connection], None] | None = None,
) -> Mapping[str, int]:
    """Replace the slices of one session and publish it when its layer is complete.

    One transaction: rows, the record of them and the publication appear together or not at all.
    Slices of a subset alone never complete a session, but a session that is complete is
    published anew, so that readers notice. `also` is done in the same transaction, before the
    publication and under its lock. Returns rows written by table name.

    Raises:
        StaleEpoch: a later run holds the session; nothing was written.
    """

    def work(connection: Connection) -> Mapping[str, int]:
        lock_slices(connection, [part.table.name for part in slices], session)
        check_claim(connection, claim, [session])
        written = {part.table.name: _replace(connection, session, part) for part in slices}
        for part in slices:
            if part.subset is None:
                record_slice(connection, claim, part.table.name, session, written[part.table.name])
        lock_publications(connection)
        if also:
            also(connection)
        publish_if_complete(connection, claim, session)
        return written

    return database.transaction(work)


def session_column(table: Table) -> str:
    """The part of a table's natural key that is the session."""
    (column,) = (key for key in table.primary_key.columns if isinstance(key.type, Date))
    return str(column.name)


def copy_rows(connection: Connection, target: str, table: Table, columns: Columns) -> None:
    """COPY rows into `target`, a table with the columns of `table`."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(target), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for chunk in encode(table, columns):
            stream.write(chunk)


def _replace(connection: Connection, session: date, part: Slice) -> int:
    """Delete and insert: what no longer belongs to the session leaves with the same commit."""
    condition = sql.SQL("{} = {}").format(
        sql.Identifier(session_column(part.table)), sql.Literal(session)
    )
    if part.subset is not None:
        column = part.table.c[part.subset.column]
        condition += sql.SQL(" AND {} = ANY({}::{}[])").format(
            sql.Identifier(column.name),
            sql.Literal(list(part.subset.values)),
            sql.SQL("uuid" if isinstance(column.type, Uuid) else "text"),
        )
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(part.table.name), condition)
    )
    rows = len(next(iter(part.columns.values())))
    if rows:
        copy_rows(connection, part.table.name, part.table, part.columns)
    return rows
