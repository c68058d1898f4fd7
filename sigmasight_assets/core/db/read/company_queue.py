"""Whose profile and whose statements are to be asked for next."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.read.universe import HELD
from sigmasight_assets.core.symbols import always_in_universe

PROFILE_AGE: Final = timedelta(days=7)

# Statements appear some days after the earnings; an answer without news is asked for again later.
REPORTING_DAYS: Final = 3
FRUITLESS_AGE: Final = timedelta(days=30)

# Whoever announces no earnings date reports all the same.
STATEMENTS_AGE: Final = timedelta(days=100)

WANTED: Final = f"""
    SELECT u.symbol, u.symbol = ANY(%(always)s) OR u.symbol IN (
               SELECT symbol FROM ({HELD}) AS lots) AS preferred
    FROM symbol_universe u
    WHERE u.investment_class = 'PUBLIC' AND u.status IN ('pending', 'processing', 'active')
"""

PROFILES_DUE: Final = f"""
    SELECT wanted.symbol FROM ({WANTED}) AS wanted
    LEFT JOIN company_checks c ON c.symbol = wanted.symbol AND c.subject = 'profile'
    WHERE c.checked_at IS NULL OR c.checked_at < %(older_than)s
    ORDER BY wanted.preferred DESC, c.checked_at NULLS FIRST, wanted.symbol
    LIMIT %(most)s
"""

STATEMENTS_DUE: Final = f"""
    WITH company AS (
        SELECT p.symbol, p.last_fiscal_year_end, wanted.preferred, GREATEST(
            CASE WHEN p.next_earnings_date <= %(reported_by)s THEN p.next_earnings_date END,
            CASE WHEN p.last_earnings_date <= %(reported_by)s THEN p.last_earnings_date END
        ) AS earnings_date
        FROM company_profiles p JOIN ({WANTED}) AS wanted ON wanted.symbol = p.symbol
        WHERE p.quote_type = 'EQUITY'
    )
    SELECT company.symbol, company.last_fiscal_year_end FROM company
    LEFT JOIN company_checks c ON c.symbol = company.symbol AND c.subject = 'statements'
    WHERE c.checked_at IS NULL
       OR c.checked_at < %(older_than)s
       OR (c.outcome <> 'updated' AND c.checked_at < %(fruitless_before)s)
       OR (c.checked_at AT TIME ZONE 'UTC')::date < company.earnings_date + %(reporting_days)s
    ORDER BY company.preferred DESC, c.checked_at NULLS FIRST, company.symbol
    LIMIT %(most)s
"""


def profiles_due(connection: Connection, now: datetime, most: int) -> list[str]:
    """Public symbols whose source has not answered for more than 7 days, at most so many.

    Held symbols, factor proxies and benchmarks first, then those never asked for, then the
    oldest, then by symbol.
    """
    asked = {
        "always": list(always_in_universe()),
        "older_than": now - PROFILE_AGE,
        "most": most,
    }
    return [symbol for (symbol,) in connection.execute(PROFILES_DUE, asked)]


def fundamentals_due(connection: Connection, now: datetime, most: int) -> dict[str, date | None]:
    """Companies whose statements are due, with the end of their fiscal year, at most so many.

    Due: never asked for; an earnings date 3 or more days past (UTC) and no answer since its
    third day; an answer without news older than 30 days; any answer older than 100 days. The
    order is that of `profiles_due`.
    """
    asked = {
        "always": list(always_in_universe()),
        "older_than": now - STATEMENTS_AGE,
        "fruitless_before": now - FRUITLESS_AGE,
        "reported_by": now.astimezone(UTC).date() - timedelta(days=REPORTING_DAYS),
        "reporting_days": REPORTING_DAYS,
        "most": most,
    }
    return dict(connection.execute(STATEMENTS_DUE, asked).fetchall())
