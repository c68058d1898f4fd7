"""What a table says, as one number: equal inputs must give equal checksums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psycopg import sql
from sqlalchemy import Table

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.tables import metadata

# They tell of runs, not of results.
BOOKKEEPING: Final = frozenset(
    {
        "session_epochs",
        "written_slices",
        "published_sessions",
        "batch_failure_log",
        "changed_prices",
        "source_limits",
        "company_checks",
    }
)


def table_checksums(database: Database) -> Mapping[str, str]:
    """MD5 of each table's rows in the order of its natural key, by table name.

    Timestamps, counters, fields copied from profiles and run bookkeeping are left out.
    """
    chosen = [table for table in metadata.sorted_tables if table.name not in BOOKKEEPING]
    with database.connection() as connection:
        found = {}
        for table in sorted(chosen, key=lambda each: each.name):
            row = connection.execute(_query(table)).fetchone()
            found[table.name] = str(row[0]) if row else ""
    return found


def _query(table: Table) -> sql.Composed:
    """Digests of rows are chained, not their texts: a table of gigabytes is no one string."""
    columns = [each.name for each in table.columns if each.info.get("checksum", True)]
    key = [each.name for each in table.primary_key.columns]
    return sql.SQL(
        "SELECT md5(coalesce(string_agg(digest, '' ORDER BY {key}), '')) FROM "
        "(SELECT {key}, md5(ROW({columns})::text) AS digest FROM {table}) AS rows"
    ).format(
        key=sql.SQL(", ").join(map(sql.Identifier, key)),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier(table.name),
    )
