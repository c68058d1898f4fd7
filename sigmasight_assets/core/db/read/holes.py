"""Rows that should be there and are not: sessions missing in a portfolio's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

# Counting is a fraction of comparing; only sessions that lack something are compared.
HOLED_SESSIONS: Final = """
    SELECT p.session FROM published_sessions p
    WHERE p.layer = 'portfolios'
      AND (SELECT count(*) FROM portfolios f
           WHERE f.deleted_at IS NULL AND f.inception_date <= p.session
             AND (%(ids)s::uuid[] IS NULL OR f.id = ANY(%(ids)s::uuid[])))
        > (SELECT count(*) FROM portfolio_snapshots s JOIN portfolios f ON f.id = s.portfolio_id
           WHERE s.snapshot_date = p.session
             AND f.deleted_at IS NULL AND f.inception_date <= p.session
             AND (%(ids)s::uuid[] IS NULL OR f.id = ANY(%(ids)s::uuid[])))
"""

# What failed is tried again once its portfolio can be computed, as its newest session shows. As
# sets, so that no plan made of old statistics looks up each pair.
HOLES: Final = """
    SELECT session, f.id::text FROM unnest(%(sessions)s::date[]) AS holed (session)
    JOIN portfolios f ON f.deleted_at IS NULL AND f.inception_date <= session
    WHERE (%(ids)s::uuid[] IS NULL OR f.id = ANY(%(ids)s::uuid[]))
    EXCEPT
    SELECT snapshot_date, portfolio_id::text FROM portfolio_snapshots
    WHERE snapshot_date = ANY(%(sessions)s::date[])
    EXCEPT
    SELECT batch_date, item FROM batch_failure_log
    WHERE batch_type = %(batch_type)s AND batch_date = ANY(%(sessions)s::date[])
      AND item NOT IN (
          SELECT portfolio_id::text FROM portfolio_snapshots
          WHERE snapshot_date = (
              SELECT max(session) FROM published_sessions WHERE layer = 'portfolios'))
    ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Holes:
    """Sessions that lack rows of a portfolio, and the portfolios that lack any."""

    sessions: Sequence[date]
    portfolio_ids: Sequence[str]


def portfolio_holes(
    connection: Connection, batch_type: str, portfolio_ids: Sequence[str] | None = None
) -> Holes:
    """Published sessions without a snapshot of a portfolio that existed.

    A portfolio that is known to have failed there is no hole while its newest session fails too.
    """
    chosen = None if portfolio_ids is None else list(portfolio_ids)
    holed = connection.execute(HOLED_SESSIONS, {"ids": chosen}).fetchall()
    values = {
        "sessions": [session for (session,) in holed],
        "ids": chosen,
        "batch_type": batch_type,
    }
    rows = connection.execute(HOLES, values).fetchall() if holed else []
    return Holes(
        sorted({session for session, _ in rows}),
        sorted({portfolio_id for _, portfolio_id in rows}),
    )
