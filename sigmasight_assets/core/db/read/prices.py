"""Stored prices as panels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.binary_copy import EPOCH, HEADER, TRAILER, decode_arrays
from sigmasight_assets.core.risk.panel import PricePanel

# One row per symbol: PostgreSQL gathers 2.5 million prices into 11,000 arrays in half the time
# that sending them one by one takes, and their bytes are read without parsing.
PANEL_QUERY: Final = """
    COPY (
        SELECT m.symbol,
               array_agg(m.date),
               array_agg(coalesce(m.close::float8, 'NaN')),
               array_agg(coalesce(m.adj_close::float8, 'NaN'))
        FROM market_data_cache m
        WHERE m.date BETWEEN %(first)s AND %(last)s
          AND (%(symbols)s::text[] IS NULL OR m.symbol = ANY(%(symbols)s::text[]))
          AND (NOT %(public)s OR EXISTS (
              SELECT FROM symbol_universe u
              WHERE u.symbol = m.symbol AND u.investment_class = 'PUBLIC'))
        GROUP BY m.symbol
        ORDER BY m.symbol COLLATE "C"
    ) TO STDOUT (FORMAT binary)
"""


def public_panel(connection: Connection, first: date, last: date) -> PricePanel:
    """Prices of every PUBLIC symbol that has one in the sessions from first to last."""
    return _panel(connection, first, last, symbols=None, public=True)


def panel_of(connection: Connection, symbols: Sequence[str], first: date, last: date) -> PricePanel:
    """Prices of the given symbols, of whatever class; those without any are absent."""
    return _panel(connection, first, last, symbols=sorted(set(symbols)), public=False)


def _panel(
    connection: Connection, first: date, last: date, symbols: list[str] | None, public: bool
) -> PricePanel:
    days = sessions.between(first, last)
    row_of = np.arange(len(days))[np.searchsorted(days, np.arange(days[0], days[-1] + 1))]
    first_day = int((days[0] - EPOCH).astype(int))
    names: list[str] = []
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    connection.execute("SET LOCAL work_mem = '512MB'")
    with (
        connection.cursor() as cursor,
        cursor.copy(
            PANEL_QUERY, {"first": first, "last": last, "symbols": symbols, "public": public}
        ) as stream,
    ):
        for chunk in stream:
            row = bytes(chunk).removeprefix(HEADER)
            if row == TRAILER:
                continue
            name, (dates, close, adjusted) = decode_arrays(row, (">i4", ">f8", ">f8"))
            names.append(name)
            columns.append((dates, close, adjusted))
    closes = np.full((len(days), len(names)), np.nan)
    adjusted_closes = np.full_like(closes, np.nan)
    for column, (dates, close, adjusted) in enumerate(columns):
        rows = row_of[dates - first_day]
        closes[rows, column] = close
        adjusted_closes[rows, column] = adjusted
    return PricePanel(tuple(names), days, closes, adjusted_closes)


def last_stored_session(connection: Connection) -> date | None:
    """The newest session with any price."""
    row = connection.execute("SELECT max(date) FROM market_data_cache").fetchone()
    return row[0] if row else None
