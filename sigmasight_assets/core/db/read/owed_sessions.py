"""Past sessions that somebody's history needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from psycopg import Connection

# An index lookup for each session: to count or list the dates of millions of prices is not one.
OWED: Final = """
    SELECT day FROM unnest(%(sessions)s::date[]) AS day
    WHERE day >= (SELECT min(inception_date) FROM portfolios WHERE deleted_at IS NULL)
      AND EXISTS (SELECT FROM market_data_cache m WHERE m.date = day)
"""


def owed_sessions(connection: Connection, days: Sequence[date]) -> set[date]:
    """Those of the sessions with any price on which a portfolio existed, deleted ones left out."""
    return {day for (day,) in connection.execute(OWED, {"sessions": list(days)})}
