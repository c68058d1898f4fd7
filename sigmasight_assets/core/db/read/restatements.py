"""Which stored windows a source tells otherwise: it has restated their history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from sigmasight_assets.core.market.source import PriceAnswer, PriceBars

TOLERANCE: Final = 1e-5
"""Of a price; the smallest dividends move history by more, the noise of sources by less."""

LOOKED_AT: Final = 3
"""Bars of a symbol: the oldest one may be missing on either side."""

# OFFSET keeps the look-ups by key: a join of thousands of bars would read the whole table.
# Only the oldest bar that both have: a bar that alone differs, after it, is a late correction.
RETOLD: Final = """
    SELECT symbol FROM (
        SELECT DISTINCT ON (a.symbol) a.symbol,
               abs(a.close / m.close - 1) > %(tolerance)s
               OR abs(a.adj_close / m.adj_close - 1) > %(tolerance)s AS differs
        FROM unnest(%(symbols)s::text[], %(days)s::date[], %(closes)s::float8[],
                    %(adj_closes)s::float8[]) AS a (symbol, day, close, adj_close)
        CROSS JOIN LATERAL (
            SELECT close, adj_close, data_source FROM market_data_cache
            WHERE symbol = a.symbol AND date = a.day OFFSET 0) AS m
        WHERE m.data_source = %(source)s
        ORDER BY a.symbol, a.day
    ) AS oldest WHERE differs
"""

NEW_ACTIONS: Final = """
    SELECT DISTINCT a.symbol
    FROM unnest(%(symbols)s::text[], %(days)s::date[], %(types)s::text[], %(values)s::float8[])
        AS a (symbol, day, type, value)
    WHERE EXISTS (
        SELECT FROM market_data_cache m WHERE m.symbol = a.symbol AND m.date < a.day)
      AND NOT EXISTS (
        SELECT FROM corporate_actions c
        WHERE c.symbol = a.symbol AND c.action_date = a.day AND c.action_type = a.type
          AND c.value = a.value)
"""


def restated_symbols(
    connection: Connection, answer: PriceAnswer, stored_from: Mapping[str, date]
) -> set[str]:
    """Symbols with a stored price before an action that is new, or whose oldest bar differs.

    stored_from: from when on each symbol's window is stored; others are not looked at.
    """
    bars = answer.bars
    rows = _oldest(bars, stored_from)
    close, adj_close = (
        [None if np.isnan(value) else value for value in column[rows].tolist()]
        for column in (bars.close, bars.adj_close)
    )
    retold = connection.execute(
        RETOLD,
        {
            "tolerance": TOLERANCE,
            "source": answer.source,
            "symbols": [bars.symbols[number] for number in bars.symbol[rows].tolist()],
            "days": bars.date[rows].astype(object).tolist(),
            "closes": close,
            "adj_closes": adj_close,
        },
    )
    actions = [action for action in answer.actions or () if action.symbol in stored_from]
    acted = connection.execute(
        NEW_ACTIONS,
        {
            "symbols": [action.symbol for action in actions],
            "days": [action.ex_date for action in actions],
            "types": [str(action.action_type) for action in actions],
            "values": [action.value for action in actions],
        },
    )
    return {symbol for (symbol,) in [*retold, *acted]}


def _oldest(bars: PriceBars, stored_from: Mapping[str, date]) -> NDArray[np.int64]:
    """Row numbers of the first bars of each symbol that its window should have; sorted bars."""
    never = np.datetime64("9999-12-31")
    since = np.array([stored_from.get(symbol, never) for symbol in bars.symbols], "datetime64[D]")
    inside = np.flatnonzero(bars.date >= since[bars.symbol]) if len(bars) else np.empty(0, int)
    symbol = bars.symbol[inside]
    place = np.arange(len(inside)) - np.searchsorted(symbol, symbol)
    oldest: NDArray[np.int64] = inside[place < LOOKED_AT]
    return oldest
