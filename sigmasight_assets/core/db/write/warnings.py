"""Price warnings of a range of sessions, replaced whole."""

from __future__ import annotations

from datetime import date

from psycopg import Connection

from sigmasight_assets.core.db.tables import price_warnings
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.shapes.panel import Columns


def replace_warnings(connection: Connection, first: date, last: date, rows: Columns) -> int:
    """Replace the warnings of the sessions from first to last; returns how many there are."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('price_warnings'), 0)")
    connection.execute("DELETE FROM price_warnings WHERE date BETWEEN %s AND %s", (first, last))
    count = len(rows["symbol"])
    if count:
        copy_rows(connection, "price_warnings", price_warnings, rows)
    return count
