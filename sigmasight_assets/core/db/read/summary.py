"""The newest results at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from psycopg import Connection

LATEST: Final = """
    SELECT f.account_name, s.snapshot_date, s.net_asset_value, s.daily_pnl, m.exposure_value,
           worst.name, worst.correlated_pnl
    FROM portfolios f
    JOIN portfolio_snapshots s ON s.portfolio_id = f.id
    LEFT JOIN factor_exposures m ON m.portfolio_id = f.id
        AND m.calculation_date = s.snapshot_date AND m.factor_name = 'Market Beta (90D)'
    LEFT JOIN LATERAL (
        SELECT c.name, r.correlated_pnl
        FROM stress_test_results r JOIN stress_test_scenarios c USING (scenario_id)
        WHERE r.portfolio_id = f.id AND r.calculation_date = s.snapshot_date
          AND r.correlated_pnl IS NOT NULL
        ORDER BY r.correlated_pnl, c.name LIMIT 1
    ) AS worst ON true
    WHERE f.deleted_at IS NULL
      AND s.snapshot_date = (
          SELECT max(session) FROM published_sessions
          WHERE layer = 'portfolios' AND session <= coalesce(%(session)s, session))
    ORDER BY f.display_order LIMIT %(most)s
"""


@dataclass(frozen=True)
class PortfolioSummary:
    """One portfolio at a published session; money in USD."""

    account_name: str
    session: date
    net_asset_value: Decimal
    daily_pnl: Decimal
    market_beta: float | None
    worst_scenario: str | None
    worst_pnl: Decimal | None


def portfolio_summaries(
    connection: Connection, session: date | None = None, most: int = 20
) -> list[PortfolioSummary]:
    """The first portfolios in display order, at the newest published session up to `session`."""
    rows = connection.execute(LATEST, {"session": session, "most": most}).fetchall()
    return [PortfolioSummary(*row) for row in rows]
