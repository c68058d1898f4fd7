"""The tables of the portfolio layer, written together: a reader never sees half of them.

One multi-asset rather than four assets: what is owned and what it costs is read once, and a
session of the layer is published by one transaction. Any table can still be materialized alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from dagster import (
    AssetExecutionContext,
    AssetSpec,
    Config,
    Failure,
    MaterializeResult,
    multi_asset,
)
from pydantic import Field

from sigmasight_assets.core import sessions
from sigmasight_assets.core.nightly.onboarding_wait import await_onboarding
from sigmasight_assets.core.nightly.portfolio_sessions import (
    ASSET_TABLES,
    PortfolioSession,
    Rules,
    SkippedSession,
)
from sigmasight_assets.core.nightly.portfolios import refresh_portfolios
from sigmasight_assets.metadata import Finished, layer_spec, materialized
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN
from sigmasight_assets.portfolio_figures import finished, finished_in_part
from sigmasight_assets.resources import Platform

MOST_REASONS: Final = 5

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
    days = platform.completed(context.partition_keys)
    settings = platform.settings()
    rules = Rules(platform.rates(), settings.correlation_matrix_sessions)
    if not config.portfolio_ids and days[-1] == sessions.latest_completed(platform.now()):
        _await_onboarding(context, platform)
    refreshed = refresh_portfolios(
        platform.database(), context.run.run_id, days, rules, selected, config.portfolio_ids or None
    )
    told = finished_in_part if config.portfolio_ids else finished
    done = _finished(context, refreshed, days, told)
    yield from materialized(context, ASSET_TABLES, days, done)


def _await_onboarding(context: AssetExecutionContext, platform: Platform) -> None:
    """A symbol on its way makes the latest session complete; without it, its holders are partial.

    They are refreshed again when it arrives. A refresh of named portfolios does not wait: the
    edits of others would wait with it.
    """
    seconds = platform.settings().onboarding_wait_seconds
    missing = await_onboarding(platform.database(), None, seconds)
    if missing:
        context.log.warning(f"not there after {seconds:.0f} s: {', '.join(missing)}")


def _finished(
    context: AssetExecutionContext,
    refreshed: Iterable[PortfolioSession | SkippedSession],
    days: Sequence[date],
    told: Callable[[PortfolioSession], Finished],
) -> Iterator[Finished]:
    """The sessions of the run that are in place; those brought up to date on the way are not its.

    Raises:
        Failure: if every one was skipped.
    """
    skipped: list[SkippedSession] = []
    for done in refreshed:
        if isinstance(done, SkippedSession):
            skipped.append(done)
            context.log.warning(done.detail)
        elif done.session in days:
            yield told(done)
    if {each.session for each in skipped} >= set(days):
        raise Failure("; ".join(each.detail for each in skipped[:MOST_REASONS]))
