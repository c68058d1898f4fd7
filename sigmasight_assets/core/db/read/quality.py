"""Questions that the asset checks ask of the stored tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.shapes.coverage import Coverage, panel_coverage

BETA_COVERAGE: Final = """
    SELECT calculation_date, count(*), count(market_beta)
    FROM symbol_factor_exposures WHERE calculation_date = ANY(%(days)s::date[])
    GROUP BY 1 ORDER BY 1
"""

# One cent is the promise; the stored figures have six decimals.
NAV_IDENTITY: Final = """
    SELECT s.portfolio_id::text, s.snapshot_date,
           s.net_asset_value - before.net_asset_value - s.daily_pnl - s.capital_flow AS break
    FROM portfolio_snapshots s
    JOIN portfolio_snapshots before
        ON before.portfolio_id = s.portfolio_id AND before.snapshot_date = ANY(%(before)s::date[])
    JOIN unnest(%(days)s::date[], %(before)s::date[]) AS pair (day, before_day)
        ON s.snapshot_date = pair.day AND before.snapshot_date = pair.before_day
    WHERE abs(s.net_asset_value - before.net_asset_value - s.daily_pnl - s.capital_flow) > 0.005
    ORDER BY 2, 1
"""


@dataclass(frozen=True)
class NavBreak:
    """A pair of sessions whose change of NAV is not P&L plus flows."""

    portfolio_id: str
    session: date
    usd: float


def price_coverage(
    connection: Connection, days: Sequence[date], earliest: Sequence[date]
) -> list[Coverage]:
    """PUBLIC symbols with a price on each session against those that belong to it.

    earliest: for each session, the first of the 20 sessions in which a price makes it belong.
    """
    if not days:
        return []
    panel = public_panel(connection, min(earliest), max(days))
    return [panel_coverage(panel, first, day) for day, first in zip(days, earliest, strict=True)]


def beta_coverage(connection: Connection, days: Sequence[date]) -> list[Coverage]:
    """Symbols with a market beta against those that belong to each session."""
    rows = connection.execute(BETA_COVERAGE, {"days": list(days)}).fetchall()
    counted = {day: Coverage(day, expected, found) for day, expected, found in rows}
    return [counted.get(day, Coverage(day, 0, 0)) for day in days]


def nav_breaks(
    connection: Connection, days: Sequence[date], before: Sequence[date]
) -> list[NavBreak]:
    """Portfolios whose NAV changed by other than P&L and flows, on any of the sessions.

    before: for each session, the session before it.
    """
    rows = connection.execute(NAV_IDENTITY, {"days": list(days), "before": list(before)}).fetchall()
    return [NavBreak(portfolio, day, float(usd)) for portfolio, day, usd in rows]


@dataclass(frozen=True)
class PriceWarning:
    """A price that is kept but looks wrong: see `core/market/warnings.py`."""

    symbol: str
    session: date
    warning_type: str
    value: float


def price_warnings(connection: Connection, days: Sequence[date]) -> list[PriceWarning]:
    """The suspicious prices of the sessions, by session and symbol."""
    rows = connection.execute(
        "SELECT symbol, date, warning_type, value::float8 FROM price_warnings "
        "WHERE date = ANY(%s) ORDER BY date, symbol, warning_type",
        (list(days),),
    )
    return [PriceWarning(*row) for row in rows]


def warning_count(connection: Connection, first: date, last: date, classes: Sequence[str]) -> int:
    """Suspicious prices of the classes on the sessions from first to last."""
    row = connection.execute(
        """
        SELECT count(*) FROM price_warnings w JOIN symbol_universe u USING (symbol)
        WHERE w.date BETWEEN %s AND %s AND u.investment_class = ANY(%s)
        """,
        (first, last, [str(each) for each in classes]),
    ).fetchone()
    return int(row[0]) if row else 0
