"""The code location: every asset, check, job, schedule and sensor, and what they stand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import Definitions, in_process_executor

from sigmasight_assets.assets.companies import company_profiles, fundamentals
from sigmasight_assets.assets.market_data_cache import market_data_cache, option_prices
from sigmasight_assets.assets.portfolio_layer import portfolio_layer
from sigmasight_assets.assets.reconciliation import reconciliation
from sigmasight_assets.assets.symbol_layer import symbol_layer
from sigmasight_assets.assets.symbol_universe import symbol_universe
from sigmasight_assets.checks import CHECKS
from sigmasight_assets.jobs import company_sync, portfolio_refresh, symbol_batch
from sigmasight_assets.resources import Platform
from sigmasight_assets.schedules import nightly_schedule
from sigmasight_assets.sensors import (
    company_sync_sensor,
    portfolio_refresh_overdue_sensor,
    portfolio_refresh_sensor,
    stale_portfolios_sensor,
)


def build_defs(resources: Mapping[str, Any] | None = None) -> Definitions:
    """The code location, with other resources where a test needs them."""
    return Definitions(
        assets=[
            symbol_universe,
            market_data_cache,
            option_prices,
            symbol_layer,
            company_profiles,
            fundamentals,
            portfolio_layer,
            reconciliation,
        ],
        asset_checks=CHECKS,
        jobs=[symbol_batch, portfolio_refresh, company_sync],
        schedules=[nightly_schedule],
        sensors=[
            portfolio_refresh_sensor,
            portfolio_refresh_overdue_sensor,
            company_sync_sensor,
            stale_portfolios_sensor,
        ],
        resources={"platform": Platform(), **(resources or {})},
        executor=in_process_executor,
    )


defs = build_defs()
