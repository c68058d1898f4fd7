"""The tables: the contract between the pipeline and the service. Units are in the comments."""

from sigmasight_assets.core.db.tables.accounts import (
    equity_changes,
    portfolios,
    position_valuations,
    positions,
    users,
)
from sigmasight_assets.core.db.tables.base import metadata
from sigmasight_assets.core.db.tables.companies import (
    analyst_estimates,
    company_checks,
    company_profiles,
)
from sigmasight_assets.core.db.tables.fundamentals import (
    balance_sheets,
    cash_flows,
    income_statements,
)
from sigmasight_assets.core.db.tables.operations import (
    batch_failure_log,
    changed_prices,
    published_sessions,
    session_epochs,
    source_limits,
    written_slices,
)
from sigmasight_assets.core.db.tables.portfolios import (
    correlation_calculations,
    correlation_matrices,
    factor_exposures,
    market_risk_scenarios,
    portfolio_snapshots,
    position_factor_exposures,
    stress_scenario_moves,
    stress_test_results,
    stress_test_scenarios,
)
from sigmasight_assets.core.db.tables.symbols import (
    corporate_actions,
    factor_correlations,
    factor_covariances,
    factor_definitions,
    factor_market_slopes,
    market_data_cache,
    price_warnings,
    symbol_daily_metrics,
    symbol_factor_exposures,
    symbol_universe,
)

__all__ = [
    "analyst_estimates",
    "balance_sheets",
    "batch_failure_log",
    "cash_flows",
    "changed_prices",
    "company_checks",
    "company_profiles",
    "corporate_actions",
    "correlation_calculations",
    "correlation_matrices",
    "equity_changes",
    "factor_correlations",
    "factor_covariances",
    "factor_definitions",
    "factor_exposures",
    "factor_market_slopes",
    "income_statements",
    "market_data_cache",
    "market_risk_scenarios",
    "metadata",
    "portfolio_snapshots",
    "portfolios",
    "position_factor_exposures",
    "position_valuations",
    "positions",
    "price_warnings",
    "published_sessions",
    "session_epochs",
    "source_limits",
    "stress_scenario_moves",
    "stress_test_results",
    "stress_test_scenarios",
    "symbol_daily_metrics",
    "symbol_factor_exposures",
    "symbol_universe",
    "users",
    "written_slices",
]
