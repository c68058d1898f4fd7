"""Asset checks: is what the tables hold complete, fresh and consistent with itself.

A run of a range records one evaluation without a partition, so each check looks at all sessions
of its run and reports the worst. Launched alone, it looks at the newest session there is.
"""

from typing import Final

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    asset_check,
)

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.read.quality import (
    beta_coverage,
    nav_breaks,
)
from sigmasight_assets.core.db.read.reconciliation import stored_exceptions
from sigmasight_assets.core.nightly.stress_sanity import stress_breaks
from sigmasight_assets.overdue import refreshed_within_an_hour_check
from sigmasight_assets.price_checks import PRICE_CHECKS, coverage_result
from sigmasight_assets.refresh_checks import REFRESH_CHECKS, checked_sessions
from sigmasight_assets.resources import Platform


@asset_check(
    asset="symbol_factor_exposures",
    name="beta_coverage",
    description="Symbols with a market beta on each session; below 90 % warns.",
)
def beta_coverage_check(
    context: AssetCheckExecutionContext, platform: Platform
) -> AssetCheckResult:
    """New listings have no beta yet; a session without any has lost its benchmark."""
    days = checked_sessions(context, platform, Layer.SYMBOLS)
    with platform.database().connection() as connection:
        return coverage_result(beta_coverage(connection, days), "with a market beta")


@asset_check(
    asset="portfolio_snapshots",
    name="nav_identity",
    description="NAV_t - NAV_{t-1} = daily_pnl + capital_flow, to the cent.",
)
def nav_identity_check(context: AssetCheckExecutionContext, platform: Platform) -> AssetCheckResult:
    """For every stored pair of consecutive sessions that the run touched."""
    days = checked_sessions(context, platform, Layer.PORTFOLIOS)
    with platform.database().connection() as connection:
        breaks = nav_breaks(connection, days, [sessions.offset(day, -1) for day in days])
    worst = max(breaks, key=lambda found: abs(found.usd), default=None)
    return AssetCheckResult(
        passed=not breaks,
        severity=AssetCheckSeverity.ERROR,
        description="NAV, P&L and flows agree"
        if worst is None
        else f"{worst.portfolio_id} on {worst.session}: {worst.usd:.6f} USD unexplained",
        metadata={"sessions": len(days), "breaks": len(breaks)},
    )


@asset_check(
    asset="reconciliation_exceptions",
    name="reconciled",
    description="Snapshots, positions x prices and what the service would answer agree.",
)
def reconciled_check(context: AssetCheckExecutionContext, platform: Platform) -> AssetCheckResult:
    """Any difference of more than half a cent fails, until its session is right again."""
    with platform.database().connection() as connection:
        days = published(connection, Layer.PORTFOLIOS)
        found = stored_exceptions(connection, days)
    return AssetCheckResult(
        passed=not found.count,
        severity=AssetCheckSeverity.ERROR,
        description=found.worst or "the three accounts agree",
        metadata={
            "sessions": len(days),
            "exceptions": found.count,
            "portfolios": found.portfolios,
        },
    )


@asset_check(
    asset="stress_test_results",
    name="stress_sanity",
    description="Books of one fund must answer to scenarios as the methodology says (section 8).",
)
def stress_sanity_check(
    context: AssetCheckExecutionContext, platform: Platform
) -> AssetCheckResult:
    """All SPY, all TLT, all VTV, and long against short."""
    days = checked_sessions(context, platform, Layer.PORTFOLIOS)
    breaks = stress_breaks(platform.database(), days, platform.rates())
    return AssetCheckResult(
        passed=not breaks,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(breaks[:5]) if breaks else "every sanity check holds",
        metadata={"sessions": len(days), "breaks": len(breaks)},
    )


CHECKS: Final = [
    *PRICE_CHECKS,
    beta_coverage_check,
    nav_identity_check,
    reconciled_check,
    *REFRESH_CHECKS,
    refreshed_within_an_hour_check,
    stress_sanity_check,
]
