"""The tables of the portfolio layer, written together: a reader never sees half of them.

One multi-asset rather than four assets: what is owned and what it costs is read once, and a
session of the layer is published by one transaction. Any table can still be materialized alone.
"""

from collections.abc import Iterator
from datetime import date

import numpy as np
from dagster import (
    AssetExecutionContext,
    AssetSpec,
    Config,
    Failure,
    MaterializeResult,
    multi_asset,
)
from pydantic import Field

from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.nightly.portfolios import (
    ASSET_TABLES,
    PortfolioSession,
    Rules,
    refresh_portfolios,
)
from sigmasight_assets.metadata import Finished, layer_spec, materialized
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN
from sigmasight_assets.resources import Platform

SPECS: list[AssetSpec] = [
    layer_spec(
        "portfolio_snapshots",
        group="portfolios",
        deps=["market_data_cache", "option_prices", "symbol_factor_exposures"],
        description=(
            "What every portfolio is worth, earned and holds, to the cent. "
            "Methodology, sections 4 and 7; formula: core/risk/portfolio_snapshots.py."
        ),
    ),
    layer_spec(
        "factor_exposures",
        group="portfolios",
        deps=["symbol_factor_exposures", "portfolio_snapshots"],
        description=(
            "Exposure of every portfolio to each factor, and the betas of its positions "
            "(position_factor_exposures). Methodology, section 5; "
            "formula: core/risk/factor_exposures.py."
        ),
    ),
    layer_spec(
        "correlations",
        group="portfolios",
        deps=["market_data_cache", "portfolio_snapshots"],
        description=(
            "How the holdings of a portfolio move together (correlation_calculations, "
            "correlation_matrices). Methodology, section 6; formula: core/risk/correlations.py."
        ),
    ),
    layer_spec(
        "stress_test_results",
        group="portfolios",
        deps=["factor_exposures", "factor_covariances"],
        description=(
            "P&L of every portfolio in each scenario, direct and correlated (also "
            "stress_scenario_moves and market_risk_scenarios). Methodology, section 8; "
            "formula: core/risk/stress_test_results.py."
        ),
    ),
]


class RefreshConfig(Config):
    """Which portfolios a run refreshes; all of them unless ids are named."""

    portfolio_ids: list[str] = Field(default_factory=list, description="portfolio ids (UUID)")


@multi_asset(
    name="portfolio_layer",
    specs=SPECS,
    partitions_def=SESSIONS,
    backfill_policy=SINGLE_RUN,
    can_subset=True,
)
def portfolio_layer(
    context: AssetExecutionContext, config: RefreshConfig, platform: Platform
) -> Iterator[MaterializeResult[None]]:
    """Read the books once, then compute and write session by session."""
    selected = {key.path[-1] for key in context.selected_asset_keys}
    days = _computable(context, platform)
    settings = platform.settings()
    rules = Rules(platform.rates(), settings.correlation_matrix_sessions)
    refreshed = refresh_portfolios(
        platform.database(), context.run.run_id, days, rules, selected, config.portfolio_ids or None
    )
    # Sessions brought up to date on the way are not this run's partitions.
    asked = (_finished(done) for done in refreshed if done.session in days)
    yield from materialized(
        context, ASSET_TABLES, platform.completed(context.partition_keys), asked
    )


def _computable(context: AssetExecutionContext, platform: Platform) -> list[date]:
    """The run's sessions whose symbols are published; the others are named in the run's log.

    Raises:
        Failure: if none is.
    """
    days = platform.completed(context.partition_keys)
    with platform.database().connection() as connection:
        there = published(connection, Layer.SYMBOLS, days[0])
    ready = [day for day in days if day in there]
    waiting = ", ".join(str(day) for day in days if day not in there)
    if not ready:
        raise Failure(f"the symbol layer has not published {waiting}: run symbol_batch first")
    if waiting:
        context.log.warning(f"left out, their symbols are not published: {waiting}")
    return ready


def _finished(done: PortfolioSession) -> Finished:
    """With what a person wants to know of a session at a glance; money in USD."""
    snapshots = done.columns["portfolio_snapshots"]
    stress = done.columns["stress_test_results"]["correlated_pnl"]
    known = stress[np.isfinite(stress)]
    figures = {
        "seconds": round(done.seconds, 3),
        "portfolios": len(snapshots["portfolio_id"]),
        "portfolios partial": int(snapshots["is_partial"].sum()),
        "total NAV": round(float(snapshots["net_asset_value"].sum()), 2),
        "total daily P&L": round(float(snapshots["daily_pnl"].sum()), 2),
        **({"worst scenario P&L": round(float(known.min()), 2)} if len(known) else {}),
    }
    return Finished(done.session, done.rows, figures)
