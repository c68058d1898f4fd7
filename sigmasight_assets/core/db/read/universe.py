"""Which symbols a night needs, and what is stored of them."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS, UniverseEntry
from sigmasight_assets.core.symbols import always_in_universe

# A symbol sold before inception moves nothing; one sold after it is needed at inception's price.
HELD: Final = """
    SELECT x.symbol, x.investment_class, x.reason, p.entry_date, f.inception_date
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
# window is wanted.
ENTRIES: Final = f"""
    SELECT u.symbol, coalesce(u.price_source, ''),
           CASE WHEN u.last_price_date IS NOT NULL THEN u.asked_from END, u.asked_to,
           held.inception_date
    FROM symbol_universe u LEFT JOIN (
        SELECT symbol, min(inception_date) AS inception_date FROM ({HELD}) AS lots GROUP BY symbol
    ) AS held ON held.symbol = u.symbol
    WHERE u.status IN ('active', 'processing') OR held.symbol IS NOT NULL
       OR u.symbol = ANY(%(always)s)
       OR (u.status = 'delisted' AND u.last_price_date >= %(alive_from)s)
    ORDER BY u.symbol
"""


def universe_entries(connection: Connection, first: date) -> list[UniverseEntry]:
    """Every symbol that a run beginning with session `first` asks prices for, sorted."""
    alive_from = sessions.offset(first, -20)
    rows = fetch_columns(
        connection,
        ENTRIES,
        {"alive_from": alive_from, "always": list(always_in_universe())},
        {"symbol": "text", "source": "text", "from": "date", "to": "date", "inception": "date"},
    )
    history_from = sessions.offset(first, -HISTORY_SESSIONS)
    return [
        UniverseEntry(
            symbol,
            source or None,
            None if np.isnat(asked_from) else asked_from.astype(object),
            None if np.isnat(asked_to) else asked_to.astype(object),
            _needed_from(history_from, inception),
        )
        for symbol, source, asked_from, asked_to, inception in zip(
            rows["symbol"].tolist(),
            rows["source"].tolist(),
            rows["from"],
            rows["to"],
            rows["inception"],
            strict=True,
        )
    ]


def _needed_from(history_from: date, inception: np.datetime64) -> date:
    """Prices at inception decide the opening cash, so the window reaches back to them."""
    if np.isnat(inception):
        return history_from
    opened = sessions.on_or_after(inception.astype(object))
    return min(history_from, sessions.offset(opened, -HISTORY_SESSIONS))


def latest_asked(connection: Connection) -> date | None:
    """The latest session that any source has been asked for."""
    row = connection.execute("SELECT max(asked_to) FROM symbol_universe").fetchone()
    return row[0] if row else None


def recorded_splits(connection: Connection) -> set[tuple[str, date]]:
    """Symbol and ex-date of every recorded split."""
    rows = connection.execute(
        "SELECT symbol, action_date FROM corporate_actions WHERE action_type = 'split'"
    )
    return {(symbol, day) for symbol, day in rows}
