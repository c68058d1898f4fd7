"""Tables of the portfolio layer: one slice per session, recomputable from what is stored."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from sigmasight_assets.core.db.tables.base import (
    copied,
    day_key,
    derived_id,
    document,
    metadata,
    number,
    usd,
    words,
)
from sigmasight_assets.core.factors import BETA_COLUMNS


def _count(name: str, comment: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, comment=comment)


portfolio_snapshots: Final = Table(
    "portfolio_snapshots",
    metadata,
    derived_id("portfolio_id"),
    day_key("snapshot_date"),
    usd("net_asset_value", "cash + market value of every open lot", nullable=False),
    usd("total_value", "= net_asset_value", nullable=False),
    usd("cash_value", "may be negative (margin)", nullable=False),
    usd("long_value", "sum of positive market values", nullable=False),
    usd("short_value", "sum of negative market values, <= 0", nullable=False),
    usd("gross_exposure", "long_value - short_value", nullable=False),
    usd("net_exposure", "long_value + short_value", nullable=False),
    usd("total_cost", "sum of |entry cost| of open lots", nullable=False),
    usd("total_pnl", "NAV - starting_equity - cumulative flows", nullable=False),
    usd("cumulative_pnl", "= total_pnl", nullable=False),
    number("pnl_percent", "0-100, of starting_equity + cumulative flows"),
    usd("daily_pnl", "NAV change less capital_flow", nullable=False),
    number("daily_return", "daily_pnl / NAV of the session before"),
    usd("realized_pnl", "of this session, exits against entry price", nullable=False),
    usd("cumulative_realized_pnl", "since inception", nullable=False),
    usd("unrealized_pnl", "open lots against entry price", nullable=False),
    usd("dividends", "of this session", nullable=False),
    usd("cumulative_dividends", "since inception", nullable=False),
    usd("capital_flow", "of this session, contributions less withdrawals", nullable=False),
    usd("cumulative_capital_flow", "since inception", nullable=False),
    _count("num_positions", "symbols with an open lot"),
    _count("num_long_positions", "symbols whose netted quantity is positive"),
    _count("num_short_positions", "symbols whose netted quantity is negative"),
    _count("num_option_positions", "option contracts held"),
    _count("num_private_positions", "private symbols held"),
    number("hhi", "0-10000, netted symbols by |market value|"),
    number("effective_num_positions", "10000 / hhi"),
    number("top_3_concentration", "fraction of gross"),
    number("top_10_concentration", "fraction of gross"),
    number("realized_volatility_21d", "annualised fraction"),
    number("realized_volatility_63d", "annualised fraction"),
    number("expected_volatility_21d", "annualised fraction, forecast"),
    words("volatility_trend", "increasing, stable or decreasing"),
    number("volatility_percentile", "fraction of the rolling values below the current one"),
    _count("volatility_percentile_observations", "rolling values compared with"),
    number("beta_calculated_90d", "sum of weight x market_beta, uncovered as 0"),
    copied("beta_provider_1y", "sum of weight x provider_beta, uncovered as 0"),
    copied("beta_provider_coverage_pct", "0-100 of gross"),
    document("sector_exposure", "{sector: {net, gross}} as fractions of NAV"),
    number("coverage_pct", "0-100, gross value with a market beta"),
    number("private_allocation_pct", "0-100 of NAV"),
    Column("is_partial", Boolean, nullable=False, comment="a lot is stale or at cost"),
    document("missing_symbols", "[{symbol, reason}] of stale and at-cost lots", nullable=False),
    Column("price_date", Date, comment="newest close used"),
    words("factor_exposures_reason", "why there are no factor exposure rows"),
    Index(None, "snapshot_date"),
)

factor_exposures: Final = Table(
    "factor_exposures",
    metadata,
    day_key("calculation_date"),
    derived_id("portfolio_id"),
    Column("factor_name", Text, primary_key=True),
    number("exposure_value", "sum of MV/NAV x beta"),
    usd("exposure_dollar", "exposure_value x NAV"),
    number("exposure_invested", "the same with weights over invested gross value"),
    number("coverage_pct", "0-100, gross PUBLIC value with this beta", nullable=False),
    document("missing_symbols", "PUBLIC symbols without this beta", nullable=False),
    Index(None, "portfolio_id", "calculation_date"),
)

position_factor_exposures: Final = Table(
    "position_factor_exposures",
    metadata,
    day_key("calculation_date"),
    derived_id("position_id"),
    Column("portfolio_id", Uuid, nullable=False),
    number("weight", "MV / NAV, signed"),
    *(number(name, "the symbol's beta; its exposure is weight x beta") for name in BETA_COLUMNS),
    Index(None, "portfolio_id", "calculation_date"),
)

correlation_calculations: Final = Table(
    "correlation_calculations",
    metadata,
    derived_id("portfolio_id"),
    day_key("calculation_date"),
    number("overall_correlation", "0-1, gross weighted mean |rho| of known pairs"),
    number("signed_correlation", "gross weighted mean rho, sign flipped for shorts"),
    number("effective_positions", "(sum |w|)^2 / (w' C w)"),
    number("correlation_concentration_score", "gross share of clustered positions"),
    document("clusters", "[{name, symbols, average_correlation, gross_share}]", nullable=False),
    _count("symbols_included", "symbols in the matrix"),
    document("symbols_excluded", "[{symbol, reason}]", nullable=False),
    number("coverage_pct", "0-100, gross PUBLIC value in the matrix"),
    words("data_quality", "sufficient, limited or insufficient", nullable=False),
    Column("psd_adjusted", Boolean, nullable=False, comment="eigenvalues were clipped at 0"),
    Index(None, "calculation_date"),
)

correlation_matrices: Final = Table(
    "correlation_matrices",
    metadata,
    derived_id("portfolio_id"),
    day_key("calculation_date"),
    Column("symbols", ARRAY(Text), nullable=False, comment="n of them, sorted"),
    Column(
        "correlations",
        ARRAY(Double),
        nullable=False,
        comment="n(n-1)/2, upper triangle by rows, NULL = unknown",
    ),
    Column(
        "observations",
        ARRAY(SmallInteger),
        nullable=False,
        comment="n(n-1)/2, common returns of each pair",
    ),
    CheckConstraint(
        "'-Infinity' < ALL (correlations) AND 'Infinity' > ALL (correlations)", name="finite"
    ),
    Index(None, "calculation_date"),
)

stress_test_scenarios: Final = Table(
    "stress_test_scenarios",
    metadata,
    Column("scenario_id", Text(collation="C"), primary_key=True),
    words("name", "user-facing", nullable=False),
    words("description", "what is supposed to happen", nullable=False),
    words("category", "market, rates, rotation, volatility or historical", nullable=False),
    words("severity", "mild, base, moderate, severe or extreme", nullable=False),
    document("shocks", "{factor: shock}, fractions; Interest_Rate a yield change", nullable=False),
    Column(
        "style_shocks",
        Text,
        nullable=False,
        server_default="excess",
        comment="excess (of the market) or absolute",
    ),
    Column("is_active", Boolean, nullable=False, server_default="true"),
    Column("display_order", Integer, nullable=False, server_default="1000"),
    Column(
        "origin",
        Text,
        nullable=False,
        server_default="custom",
        comment="package: kept as its file says; custom: added here, and left alone",
    ),
    CheckConstraint("style_shocks IN ('excess', 'absolute')", name="style_shocks"),
    CheckConstraint(
        "category IN ('market', 'rates', 'rotation', 'volatility', 'historical')", name="category"
    ),
    CheckConstraint(
        "severity IN ('mild', 'base', 'moderate', 'severe', 'extreme')", name="severity"
    ),
    CheckConstraint("origin IN ('package', 'custom')", name="origin"),
    CheckConstraint("(origin = 'custom') = (scenario_id LIKE 'custom\\_%')", name="custom_id"),
    CheckConstraint("shocks_are_valid(shocks)", name="shocks"),
)

benchmark_sector_weights: Final = Table(
    "benchmark_sector_weights",
    metadata,
    Column("benchmark", Text, primary_key=True, comment="SP500"),
    day_key("as_of_date", "valid from this day to the next one stated"),
    Column("sector", Text, primary_key=True, comment="as core/risk/sectors.py names it"),
    number("weight", "fraction of the index", nullable=False),
    CheckConstraint("weight BETWEEN 0 AND 1", name="weight"),
)

reconciliation_exceptions: Final = Table(
    "reconciliation_exceptions",
    metadata,
    day_key("snapshot_date"),
    derived_id("portfolio_id"),
    Column("item", Text, primary_key=True, comment="the column of portfolio_snapshots"),
    usd("stored", "what the snapshot says; NULL without a snapshot"),
    usd("from_positions", "positions x prices, worked out by the database"),
    usd("as_served", "what the service would answer"),
    words("detail", "for a person", nullable=False),
    Index(None, "portfolio_id"),
)

stress_scenario_moves: Final = Table(
    "stress_scenario_moves",
    metadata,
    Column("scenario_id", Text(collation="C"), primary_key=True),
    day_key("calculation_date"),
    document("implied_moves", "{proxy: return} of all eight proxies, null without covariance"),
    number("plausibility", "annual standard deviations"),
    Column("implausible", Boolean, nullable=False, comment="plausibility above 5"),
    words("reason", "why the moves are NULL"),
)

stress_test_results: Final = Table(
    "stress_test_results",
    metadata,
    day_key("calculation_date"),
    derived_id("portfolio_id"),
    Column("scenario_id", Text(collation="C"), primary_key=True),
    usd("direct_pnl", "sum of exposure_dollar x the scenario's own figures"),
    usd("correlated_pnl", "through joint betas and conditional proxy moves"),
    usd("correlation_effect", "correlated - direct"),
    number("coverage_pct", "0-100, gross value that the correlated figure covers"),
    document("floored_symbols", "modelled return was below -100 %", nullable=False),
    document("fallback_symbols", "without joint betas, entered by market beta", nullable=False),
    words("direct_reason", "why direct_pnl is NULL"),
    words("correlated_reason", "why correlated_pnl is NULL"),
    Index(None, "portfolio_id", "calculation_date"),
)

market_risk_scenarios: Final = Table(
    "market_risk_scenarios",
    metadata,
    day_key("calculation_date"),
    derived_id("portfolio_id"),
    Column("scenario", Text(collation="C"), primary_key=True, comment="such as rates_up_100bp"),
    usd("direct_pnl", "sum of exposure_dollar x the scenario's own figures"),
    usd("correlated_pnl", "through joint betas and conditional proxy moves"),
    words("direct_reason", "why direct_pnl is NULL"),
    words("correlated_reason", "why correlated_pnl is NULL"),
    Index(None, "portfolio_id", "calculation_date"),
)
