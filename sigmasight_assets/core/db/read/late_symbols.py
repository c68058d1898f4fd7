"""Symbols that come late: lacking in published sessions, or still being onboarded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

from psycopg import Connection

# A set operation per session reads each session's rows side by side, whatever the length of the
# history; prices are looked up for what is left.
LATE: Final = """
    WITH wanted AS MATERIALIZED (
        SELECT u.symbol FROM symbol_universe u
        WHERE u.investment_class = 'PUBLIC' AND u.symbol = ANY(%(symbols)s::text[])
    )
    SELECT d.session, late.symbol
    FROM unnest(%(sessions)s::date[], %(since)s::date[]) AS d (session, since)
    JOIN published_sessions p ON p.layer = 'symbols' AND p.session = d.session
    CROSS JOIN LATERAL (
        SELECT symbol FROM wanted
        EXCEPT
        SELECT e.symbol FROM symbol_factor_exposures e WHERE e.calculation_date = d.session
    ) AS late
    WHERE EXISTS (
        SELECT FROM market_data_cache m
        WHERE m.symbol = late.symbol AND m.date BETWEEN d.since AND d.session
          AND m.close IS NOT NULL)
    ORDER BY d.session, late.symbol
"""

# One that has been asked for in vain may never come.
BEING_ONBOARDED: Final = """
    SELECT u.symbol FROM symbol_universe u
    WHERE u.investment_class = 'PUBLIC'
      AND u.status IN ('pending', 'processing') AND u.attempts = 0 AND u.asked_at IS NULL
      AND CASE WHEN %(symbols)s::text[] IS NOT NULL THEN u.symbol = ANY(%(symbols)s::text[])
          ELSE EXISTS (
              SELECT FROM positions p
              JOIN portfolios f ON f.id = p.portfolio_id AND f.deleted_at IS NULL
              WHERE p.symbol = u.symbol AND p.deleted_at IS NULL AND p.exit_date IS NULL
                AND coalesce(p.investment_class, 'PUBLIC') = 'PUBLIC') END
    ORDER BY u.symbol
"""


def late_symbols(
    connection: Connection, since: Mapping[date, date], symbols: Collection[str]
) -> dict[date, list[str]]:
    """The PUBLIC symbols that belong to a published session and have no factors on it.

    since: each session to look at, with the first of those whose close makes a symbol belong to
    it. A session that lacks none, or is not published, is absent; sessions and symbols ascend.
    """
    values = {"sessions": list(since), "since": list(since.values()), "symbols": list(symbols)}
    late: dict[date, list[str]] = defaultdict(list)
    for session, symbol in connection.execute(LATE, values):
        late[session].append(symbol)
    return dict(late)


def symbols_being_onboarded(
    connection: Connection, symbols: Collection[str] | None = None
) -> list[str]:
    """Those of the symbols, or of all in open PUBLIC positions, that may have prices soon."""
    chosen = None if symbols is None else list(symbols)
    return [symbol for (symbol,) in connection.execute(BEING_ONBOARDED, {"symbols": chosen})]
