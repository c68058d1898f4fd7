"""Price warnings of some symbols and a range of sessions, replaced whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from psycopg import Connection

from sigmasight_assets.core.db.tables import price_warnings
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.shapes.panel import Columns


def replace_warnings(
    connection: Connection, symbols: Sequence[str], first: date, last: date, rows: Columns
) -> None:
    """Replace the warnings of the symbols on the sessions from first to last."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('price_warnings'), 0)")
    connection.execute(
        "DELETE FROM price_warnings WHERE symbol = ANY(%s) AND date BETWEEN %s AND %s",
        (list(symbols), first, last),
    )
    if len(rows["symbol"]):
        copy_rows(connection, "price_warnings", price_warnings, rows)
