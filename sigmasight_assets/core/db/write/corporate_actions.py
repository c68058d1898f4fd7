"""Splits and dividends: what a source says of a range is all there is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.write.changed_prices import Changed, together
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets.core.market.source import CorporateAction

GONE: Final = """
    DELETE FROM corporate_actions c
    WHERE c.symbol = ANY(%(known)s) AND c.action_date BETWEEN %(first)s AND %(last)s
      AND NOT EXISTS (
          SELECT FROM unnest(%(symbols)s::text[], %(days)s::date[], %(types)s::text[])
              AS a (symbol, day, type)
          WHERE a.symbol = c.symbol AND a.day = c.action_date AND a.type = c.action_type)
    RETURNING c.symbol, c.action_date
"""

OTHERS: Final = "DELETE FROM corporate_actions WHERE symbol = ANY(%s) AND data_source <> %s"

UPSERT: Final = """
    INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source)
    SELECT a.symbol, a.day, a.type, a.value, %(source)s
    FROM unnest(%(symbols)s::text[], %(days)s::date[], %(types)s::text[], %(values)s::float8[])
        AS a (symbol, day, type, value)
    WHERE a.symbol = ANY(%(known)s)
    ORDER BY a.symbol COLLATE "C", a.day, a.type
    ON CONFLICT (symbol, action_date, action_type) DO UPDATE SET
        value = excluded.value, data_source = excluded.data_source, fetched_at = clock_timestamp()
    WHERE (corporate_actions.value, corporate_actions.data_source)
        IS DISTINCT FROM (excluded.value, excluded.data_source)
    RETURNING symbol, action_date
"""


def forget_actions(connection: Connection, symbols: Sequence[str], source: str) -> None:
    """Delete what other sources said of symbols whose window this source now has."""
    connection.execute(OTHERS, (list(symbols), source))


def replace_actions(
    connection: Connection,
    source: str,
    actions: Sequence[CorporateAction],
    request: FetchRequest,
    known: Sequence[str],
) -> dict[str, Changed]:
    """Store the actions of the known symbols in the range that was asked for.

    Returns the days between which each symbol's actions changed.
    """
    values = {
        "source": source,
        "known": list(known),
        "first": request.first,
        "last": request.last,
        "symbols": [action.symbol for action in actions],
        "days": [action.ex_date for action in actions],
        "types": [str(action.action_type) for action in actions],
        "values": [action.value for action in actions],
    }
    changed: dict[str, Changed] = {}
    for statement in (GONE, UPSERT):
        for symbol, day in connection.execute(statement, values):
            changed = together(changed, {symbol: Changed(day, day, 0)})
    return changed
