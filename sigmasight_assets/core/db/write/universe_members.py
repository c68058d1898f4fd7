"""Symbols enter the universe, and leave it, because a person says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.symbols import always_in_universe, sorted_symbols

REQUESTED_BY: Final = "universe"

# Locks what is there as it adds what is not: everyone takes the rows in this one order.
ENTER: Final = """
    INSERT INTO symbol_universe (symbol, investment_class, status, requested_by)
    SELECT symbol, 'PUBLIC', 'active', %(requested_by)s
    FROM unnest(%(symbols)s::text[]) AS wanted (symbol)
    ORDER BY symbol COLLATE "C"
    ON CONFLICT (symbol) DO UPDATE SET symbol = excluded.symbol WHERE false
    RETURNING symbol
"""

# A night asks whole for what it does not know to have been asked for; stored prices stay.
ASK_AGAIN: Final = """
    UPDATE symbol_universe SET status = 'active', attempts = 0, error_message = NULL,
        asked_from = NULL, asked_to = NULL, asked_at = NULL, requested_by = %(requested_by)s
    WHERE symbol = ANY(%(symbols)s) AND status IN ('error', 'delisted', 'retired')
    RETURNING symbol
"""

LOCKED: Final = """
    SELECT symbol, status FROM symbol_universe WHERE symbol = ANY(%s) ORDER BY symbol FOR UPDATE
"""

HOLDERS: Final = """
    SELECT held.symbol, count(DISTINCT f.id)
    FROM positions p
    JOIN portfolios f ON f.id = p.portfolio_id AND f.deleted_at IS NULL
    CROSS JOIN LATERAL (VALUES (p.symbol), (p.underlying_symbol)) AS held (symbol)
    WHERE p.deleted_at IS NULL AND p.exit_date IS NULL
      AND p.investment_class IS DISTINCT FROM 'PRIVATE'
      AND held.symbol = ANY(%s)
    GROUP BY held.symbol
"""

RETIRE: Final = """
    UPDATE symbol_universe SET status = 'retired'
    WHERE symbol = ANY(%s) AND status <> 'retired' RETURNING symbol
"""


@dataclass(frozen=True)
class Added:
    """Symbols that are new, that will be asked for anew, and that were being asked for."""

    new: frozenset[str]
    asked_again: frozenset[str]
    there: frozenset[str]


@dataclass(frozen=True)
class Retired:
    """Symbols retired now and earlier; refused: why each of the others must stay, a predicate.

    When one is refused, none is retired.
    """

    now: frozenset[str]
    before: frozenset[str]
    refused: Mapping[str, str]


def add_members(database: Database, symbols: Collection[str]) -> Added:
    """Make PUBLIC symbols, in their stored form, part of every night from now on.

    One that failed, was delisted or retired is active again, and the next night asks for its
    whole window. Pending, processing and active ones stay as they are.
    """
    wanted = sorted_symbols(symbols)
    values = {"symbols": list(wanted), "requested_by": REQUESTED_BY}

    def work(connection: Connection) -> Added:
        new = _names(connection, ENTER, values)
        again = _names(connection, ASK_AGAIN, values)
        return Added(new, again, frozenset(wanted) - new - again)

    return database.transaction(work)


def retire_members(database: Database, symbols: Collection[str]) -> Retired:
    """Have no night ask for the symbols any more; their prices and results stay.

    All or none: refused are unknown symbols, those that every night needs, and those that an open
    position of an existing portfolio holds or has as its underlying. A position that enters in
    the same instant may be missed, as one that enters the next day is.
    """
    wanted = list(sorted_symbols(symbols))

    def work(connection: Connection) -> Retired:
        statuses: dict[str, str] = dict(connection.execute(LOCKED, (wanted,)).fetchall())
        holders: dict[str, int] = dict(connection.execute(HOLDERS, (wanted,)).fetchall())
        refused = {
            symbol: reason
            for symbol in wanted
            if (reason := _why_it_stays(symbol, statuses, holders)) is not None
        }
        if refused:
            return Retired(frozenset(), frozenset(), refused)
        now = _names(connection, RETIRE, [wanted])
        return Retired(now, frozenset(wanted) - now, {})

    return database.transaction(work)


def _why_it_stays(
    symbol: str, statuses: Mapping[str, str], holders: Mapping[str, int]
) -> str | None:
    if symbol in always_in_universe():
        return "is always in: a factor proxy or benchmark"
    if symbol not in statuses:
        return "is not in the universe"
    if symbol in holders:
        count = holders[symbol]
        return f"is needed by open positions of {count} portfolio{'s' if count > 1 else ''}"
    return None


def _names(
    connection: Connection, statement: str, values: Mapping[str, object] | list[list[str]]
) -> frozenset[str]:
    return frozenset(symbol for (symbol,) in connection.execute(statement, values))
