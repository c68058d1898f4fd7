"""The symbols of the universe, as a person looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

MEMBERS: Final = """
    SELECT symbol, investment_class, status, price_source, history_from, last_price_date,
           last_factor_date, requested_by, error_message
    FROM symbol_universe
    WHERE %(status)s::text IS NULL OR status = %(status)s
    ORDER BY symbol
"""


@dataclass(frozen=True)
class UniverseMember:
    """One symbol; None where nothing is known. error_message: why it has no price."""

    symbol: str
    investment_class: str
    status: str
    price_source: str | None
    history_from: date | None
    last_price_date: date | None
    last_factor_date: date | None
    requested_by: str | None
    error_message: str | None


def universe_members(connection: Connection, status: str | None = None) -> list[UniverseMember]:
    """Every symbol ever asked for, or those of one status, sorted."""
    rows = connection.execute(MEMBERS, {"status": status}).fetchall()
    return [UniverseMember(*row) for row in rows]
