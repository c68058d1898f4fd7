"""Which symbols a night needs, and what is stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS, UniverseEntry
from sigmasight_assets.core.market.source import ActionType, CorporateAction
from sigmasight_assets.core.symbols import InvestmentClass, always_in_universe

# A symbol sold before inception moves nothing; one sold after it is needed at inception's price.
HELD: Final = """
    SELECT x.symbol, x.investment_class, x.reason, p.entry_date, p.exit_date, f.inception_date
    FROM positions p
    JOIN portfolios f ON f.id = p.portfolio_id AND f.deleted_at IS NULL
    CROSS JOIN LATERAL (VALUES
        (p.symbol, coalesce(p.investment_class, 'PUBLIC'), 'position'),
        (p.underlying_symbol, 'PUBLIC', 'underlying')
    ) AS x (symbol, investment_class, reason)
    WHERE p.deleted_at IS NULL AND p.investment_class IS DISTINCT FROM 'PRIVATE'
      AND x.symbol IS NOT NULL AND (p.exit_date IS NULL OR p.exit_date > f.inception_date)
"""

# A symbol that has never had a price is as good as new: should its source learn of it, the whole
# window is wanted. Contracts are asked for while a position holds them.
ENTRIES: Final = f"""
    SELECT u.symbol, CASE WHEN u.last_price_date IS NOT NULL THEN u.price_source ELSE '' END,
           CASE WHEN u.last_price_date IS NOT NULL THEN u.asked_from END, u.asked_to,
           held.inception_date, extract(epoch FROM u.asked_at)::float8,
           u.last_price_date, u.attempts, u.first_seen_date
    FROM symbol_universe u LEFT JOIN (
        SELECT symbol, min(inception_date) AS inception_date,
               max(coalesce(exit_date, 'infinity')) AS held_until
        FROM ({HELD}) AS lots GROUP BY symbol
    ) AS held ON held.symbol = u.symbol
    WHERE u.investment_class = %(class)s AND CASE u.investment_class
        WHEN 'OPTIONS' THEN held.held_until >= %(first)s
        ELSE u.status <> 'retired' AND (
            u.status IN ('active', 'processing') OR held.symbol IS NOT NULL
            OR u.symbol = ANY(%(always)s)
            OR (u.status = 'delisted' AND u.last_price_date >= %(alive_from)s)) END
    ORDER BY u.symbol
"""


DELISTED_AFTER: Final = 20
"""Sessions without a price after which a symbol is delisted."""


def universe_entries(
    connection: Connection, investment_class: InvestmentClass, first: date
) -> list[UniverseEntry]:
    """Every symbol of a class that a run beginning with session `first` asks prices for, sorted."""
    rows = fetch_columns(
        connection,
        ENTRIES,
        {
            "class": str(investment_class),
            "first": first,
            "alive_from": sessions.offset(first, 1 - DELISTED_AFTER),
            "always": list(always_in_universe()),
        },
        {
            "symbol": "text",
            "source": "text",
            "from": "date",
            "to": "date",
            "inception": "date",
            "asked_at": "float",
            "last_price": "date",
            "attempts": "int",
            "first_seen": "date",
        },
    )
    return [
        UniverseEntry(
            symbol=str(symbol),
            investment_class=investment_class,
            price_source=str(source) or None,
            asked_from=None if np.isnat(asked_from) else asked_from.astype(object),
            asked_to=None if np.isnat(asked_to) else asked_to.astype(object),
            needed_from=_needed_from(first, first_seen, inception),
            asked_at=None if np.isnan(asked_at) else datetime.fromtimestamp(asked_at, UTC),
            last_price_date=None if np.isnat(last_price) else last_price.astype(object),
            attempts=int(attempts),
        )
        for (
            symbol,
            source,
            asked_from,
            asked_to,
            inception,
            asked_at,
            last_price,
            attempts,
            first_seen,
        ) in zip(*rows.values(), strict=True)
    ]


def _needed_from(first: date, first_seen: np.datetime64, inception: np.datetime64) -> date:
    """280 sessions before the earliest session that is computed with the symbol.

    That is the first it was seen in, so that a window begins at the same session whenever it is
    fetched; and prices at inception decide the opening cash.
    """
    days = [day.astype(object) for day in (first_seen, inception) if not np.isnat(day)]
    earliest = sessions.on_or_after(min([first, *days]))
    return sessions.offset(earliest, -HISTORY_SESSIONS)


def latest_asked(connection: Connection) -> date | None:
    """The latest session that any source has been asked for."""
    row = connection.execute("SELECT max(asked_to) FROM symbol_universe").fetchone()
    return row[0] if row else None


def recorded_actions(connection: Connection, symbols: Sequence[str]) -> list[CorporateAction]:
    """Every recorded split and dividend of the symbols."""
    rows = connection.execute(
        "SELECT symbol, action_date, action_type, value::float8 FROM corporate_actions "
        "WHERE symbol = ANY(%s) ORDER BY 1, 2, 3",
        (list(symbols),),
    )
    return [
        CorporateAction(symbol, on, ActionType(kind), value) for symbol, on, kind, value in rows
    ]
