"""Symbols enter the universe and are seen in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.universe import HELD
from sigmasight_assets.core.symbols import always_in_universe, canonical, classify, option_contract

ENTER: Final = """
    INSERT INTO symbol_universe
        (symbol, investment_class, status, first_seen_date, last_seen_date, requested_by)
    SELECT symbol, investment_class, 'active', %(first)s, %(last)s, requested_by
    FROM unnest(%(symbols)s::text[], %(classes)s::text[], %(reasons)s::text[])
        AS wanted (symbol, investment_class, requested_by)
    ORDER BY symbol COLLATE "C"
    ON CONFLICT (symbol) DO UPDATE SET
        first_seen_date = LEAST(symbol_universe.first_seen_date, excluded.first_seen_date),
        last_seen_date = GREATEST(symbol_universe.last_seen_date, excluded.last_seen_date)
"""

WANTED: Final = f"""
    SELECT DISTINCT symbol, investment_class, reason FROM ({HELD}) AS lots
    WHERE entry_date <= %(last)s ORDER BY 1, 2, 3
"""

# What a position holds again, or an underlying of one, is no longer retired.
RETURN: Final = f"""
    UPDATE symbol_universe SET status = 'active', attempts = 0, error_message = NULL
    WHERE symbol IN (
        SELECT u.symbol FROM symbol_universe u
        WHERE u.status = 'retired' AND u.investment_class = 'PUBLIC' AND EXISTS (
            SELECT FROM ({HELD}) AS lots
            WHERE lots.symbol = u.symbol AND lots.exit_date IS NULL)
        ORDER BY u.symbol FOR UPDATE OF u)
"""

SEEN: Final = """
    UPDATE symbol_universe SET
        first_seen_date = LEAST(first_seen_date, %(first)s),
        last_seen_date = GREATEST(last_seen_date, %(last)s)
    WHERE symbol IN (
        SELECT symbol FROM symbol_universe WHERE status = 'active' ORDER BY symbol FOR UPDATE)
"""

CONTRACTS: Final = f"""
    SELECT u.symbol, held.until, (SELECT max(last_seen_date) FROM symbol_universe)
    FROM symbol_universe u LEFT JOIN (
        SELECT symbol, max(coalesce(exit_date, '9999-12-31')) AS until
        FROM ({HELD}) AS lots GROUP BY symbol
    ) AS held ON held.symbol = u.symbol
    WHERE u.investment_class = 'OPTIONS'
    ORDER BY u.symbol FOR UPDATE OF u
"""

SETTLE: Final = """
    UPDATE symbol_universe u SET status = c.status, error_message = c.message
    FROM unnest(%(symbols)s::text[], %(statuses)s::text[], %(messages)s::text[])
        AS c (symbol, status, message)
    WHERE u.symbol = c.symbol AND u.status <> c.status
"""

FACTORED: Final = """
    UPDATE symbol_universe u SET last_factor_date = GREATEST(u.last_factor_date, latest.day)
    FROM (
        SELECT symbol, max(calculation_date) AS day FROM symbol_factor_exposures
        WHERE calculation_date BETWEEN %(first)s AND %(last)s AND market_beta IS NOT NULL
        GROUP BY symbol ORDER BY symbol
    ) AS latest
    WHERE u.symbol = latest.symbol AND u.last_factor_date IS DISTINCT FROM latest.day
"""

COUNTS: Final = """
    SELECT status || ' ' || investment_class, count(*)
    FROM symbol_universe GROUP BY 1 ORDER BY 1
"""


def gather_universe(database: Database, first: date, last: date) -> dict[str, int]:
    """Bring in every symbol that the sessions from first to last need.

    Held symbols, underlyings and contracts of options, factor proxies and benchmarks enter;
    whatever is active already is marked as seen. A contract leaves when it has expired or nobody
    holds it any more. Returns counts by status and class.
    """

    def work(connection: Connection) -> dict[str, int]:
        wanted = dict.fromkeys(always_in_universe(), ("PUBLIC", "proxy"))
        for symbol, investment_class, reason in connection.execute(WANTED, {"last": last}):
            wanted.setdefault(symbol, (investment_class, reason))
        _enter(connection, wanted, first, last)
        connection.execute(RETURN)
        connection.execute(SEEN, {"first": first, "last": last})
        _settle_contracts(connection)
        return dict(connection.execute(COUNTS).fetchall())

    return database.transaction(work)


def note_factors(database: Database, first: date, last: date) -> None:
    """Record up to which session each symbol has factors, once a run."""
    days = {"first": first, "last": last}
    database.transaction(lambda connection: connection.execute(FACTORED, days))


def add_symbols(database: Database, symbols: Iterable[str], seen: date, reason: str) -> int:
    """Make symbols part of every night from now on; returns how many were given."""
    wanted = {canonical(symbol): (str(classify(symbol)), reason) for symbol in symbols}
    wanted = {symbol: kind for symbol, kind in wanted.items() if kind[0] != "PRIVATE"}
    database.transaction(lambda connection: _enter(connection, wanted, seen, seen))
    return len(wanted)


def _settle_contracts(connection: Connection) -> None:
    """Contracts that have expired or left every portfolio are retired; others are active."""
    found = connection.execute(CONTRACTS).fetchall()
    messages = [_why_retired(symbol, until, newest) for symbol, until, newest in found]
    connection.execute(
        SETTLE,
        {
            "symbols": [symbol for symbol, _, _ in found],
            "statuses": ["retired" if message else "active" for message in messages],
            "messages": messages,
        },
    )


def _why_retired(symbol: str, held_until: date | None, newest: date) -> str | None:
    contract = option_contract(symbol)
    if contract and contract.expiration < newest:
        return f"expired on {contract.expiration}"
    if held_until is None or held_until < newest:
        return "no position holds it"
    return None


def _enter(
    connection: Connection, wanted: dict[str, tuple[str, str]], first: date, last: date
) -> None:
    symbols = sorted(wanted)
    connection.execute(
        ENTER,
        {
            "first": first,
            "last": last,
            "symbols": symbols,
            "classes": [wanted[symbol][0] for symbol in symbols],
            "reasons": [wanted[symbol][1] for symbol in symbols],
        },
    )
