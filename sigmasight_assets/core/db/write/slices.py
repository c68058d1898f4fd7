"""The one write path of computed tables: a session's slices, replaced in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from psycopg import Connection, sql
from sqlalchemy import Date, Table, Uuid

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import (
    Claim,
    check_claim,
    lock_publications,
    lock_slices,
    publish_if_complete,
    record_slice,
)
from sigmasight_assets.core.db.write.encoded_rows import EncodedRows, encode_rows
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


@dataclass(frozen=True)
class Target:
    """The rows of one table for one session that a write replaces: all, or those of a subset."""

    table: Table
    subset: Subset | None = None


def write_session(
    database: Database,
    claim: Claim,
    session: date,
    slices: Sequence[Slice],
    also: Callable[[Connection], None] | None = None,
) -> Mapping[str, int]:
    """Replace the slices of one session, as `write_parts` does with rows in parts."""

    def parts() -> Iterator[Mapping[str, EncodedRows]]:
        for part in slices:
            yield {part.table.name: encode_rows(part.table, part.columns)}

    targets = [Target(part.table, part.subset) for part in slices]
    return write_parts(database, claim, session, targets, parts, also)


def write_parts(
    database: Database,
    claim: Claim,
    session: date,
    targets: Sequence[Target],
    parts: Callable[[], Iterable[Mapping[str, EncodedRows]]],
    also: Callable[[Connection], None] | None = None,
    first: Callable[[Connection], None] | None = None,
) -> Mapping[str, int]:
    """Replace the slices of one session and publish it when its layer is complete.

    One transaction: rows, the record of them and the publication appear together or not at all.
    Slices of a subset alone never complete a session, but a session that is complete is
    published anew, so that readers notice. `parts` gives the rows, by table name, bit by bit; it
    is asked again when the transaction is. `also` is done in the same transaction, after the
    rows, before the publication and under its lock; `first` before that lock is taken, to wait
    for what `also` would have to wait for. Returns rows written by table name.

    Raises:
        StaleEpoch: a later run holds the session; nothing was written.
    """

    def work(connection: Connection) -> Mapping[str, int]:
        written = dict.fromkeys((target.table.name for target in targets), 0)
        lock_slices(connection, written, session)
        check_claim(connection, claim, [session])
        for target in targets:
            _clear(connection, session, target)
        for part in parts():
            for name, rows in part.items():
                copy_encoded(connection, name, rows)
                written[name] += rows.count
        for target in targets:
            if target.subset is None:
                name = target.table.name
                record_slice(connection, claim, name, session, written[name])
        if first:
            first(connection)
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
    copy_encoded(connection, target, encode_rows(table, columns))


def copy_encoded(connection: Connection, target: str, rows: EncodedRows) -> None:
    """COPY rows that are encoded already into a table."""
    if not rows.count:
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(target), sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for chunk in rows.chunks:
            stream.write(chunk)


def _clear(connection: Connection, session: date, target: Target) -> None:
    """What no longer belongs to the session leaves with the commit that brings what does."""
    condition = sql.SQL("{} = {}").format(
        sql.Identifier(session_column(target.table)), sql.Literal(session)
    )
    if target.subset is not None:
        column = target.table.c[target.subset.column]
        condition += sql.SQL(" AND {} = ANY({}::{}[])").format(
            sql.Identifier(column.name),
            sql.Literal(list(target.subset.values)),
            sql.SQL("uuid" if isinstance(column.type, Uuid) else "text"),
        )
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(target.table.name), condition)
    )
