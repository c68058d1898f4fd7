"""A short table of results."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.summary import PortfolioSummary, portfolio_summaries


def print_summary(database: Database, session: date) -> None:
    """What the session, or the newest published before it, says of the first portfolios.

    beta: sum of weight x Market Beta (90D). worst scenario: the largest loss with correlations.
    """
    with database.connection() as connection:
        found = portfolio_summaries(connection, session)
    if not found:
        print(f"no portfolio has results for {session}")
        return
    print(f"\nSession {found[0].session} (USD)")
    width = max(len(each.account_name) for each in found)
    print(f"{'portfolio':{width}}  {'NAV':>14}  {'day P&L':>12}  {'beta':>6}  worst scenario")
    for each in found:
        print(f"{each.account_name:{width}}  {_line(each)}")
    print()


def _line(each: PortfolioSummary) -> str:
    beta = "-" if each.market_beta is None else f"{each.market_beta:.2f}"
    worst = "-" if each.worst_pnl is None else f"{each.worst_scenario} {_usd(each.worst_pnl)}"
    return f"{_usd(each.net_asset_value):>14}  {_usd(each.daily_pnl):>12}  {beta:>6}  {worst}"


def _usd(amount: Decimal) -> str:
    return f"{amount:,.0f}"
