"""The stored prices give way to others: every window is fetched anew, results without prices go."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

from psycopg import Connection, sql

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import CHANNEL, LAYER_TABLES
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import session_column

# No source bears this name, so the next fetch discards the window, as for a change of source.
SUPERSEDED: Final = "superseded"

# A symbol that the old prices did not have may be among the new ones.
SUPERSEDE: Final = """
    UPDATE symbol_universe SET price_source = %(superseded)s, error_message = NULL, attempts = 0,
        status = CASE WHEN status IN ('error', 'delisted') THEN 'active' ELSE status END
    WHERE symbol IN (
        SELECT symbol FROM symbol_universe WHERE price_source IS NOT NULL
        ORDER BY symbol FOR UPDATE)
"""

# Readers are told of what is gone as of what is new.
UNPUBLISH: Final = (
    """
    WITH withdrawn AS (
        DELETE FROM published_sessions WHERE session = ANY(%(days)s) RETURNING layer, session)
    SELECT pg_notify(%(channel)s, layer || ' ' || session) FROM withdrawn
    """,
    "DELETE FROM written_slices WHERE session = ANY(%(days)s)",
)


def supersede_prices(
    database: Database, results: Collection[date], without_price: Collection[date]
) -> None:
    """Have the next fetch replace every stored window, and withdraw the results of the old ones.

    results: the sessions to withdraw. Rows of those `without_price` are deleted too: no run will
    replace them.
    """

    def work(connection: Connection) -> None:
        connection.execute(SUPERSEDE, {"superseded": SUPERSEDED})
        for statement in UNPUBLISH:
            connection.execute(statement, {"days": sorted(results), "channel": CHANNEL})
        if without_price:
            _delete_rows(connection, sorted(without_price))

    database.transaction(work)


def _delete_rows(connection: Connection, days: list[date]) -> None:
    for name in sorted(set().union(*LAYER_TABLES.values())):
        table = metadata.tables[name]
        delete = sql.SQL("DELETE FROM {} WHERE {} = ANY({})").format(
            sql.Identifier(name), sql.Identifier(session_column(table)), sql.Literal(days)
        )
        connection.execute(delete)
