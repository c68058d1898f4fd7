"""Which accounts are there."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg import Connection


def stored_portfolios(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the portfolios that are stored, deleted ones included."""
    rows = connection.execute("SELECT id FROM portfolios WHERE id = ANY(%s)", (list(ids),))
    return {found for (found,) in rows}
