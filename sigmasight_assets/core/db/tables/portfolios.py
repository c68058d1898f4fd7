"""Tables of the portfolio layer: one slice per session, recomputable from what is stored."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Boolean, CheckConstraint, Column, Date, Index, Integer, Table, Text, Uuid

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
    derived_id("portfolio_id"),
    Column("factor_name", Text, primary_key=True),
    day_key("calculation_date"),
    number("exposure_value", "sum of MV/NAV x beta"),
    usd("exposure_dollar", "exposure_value x NAV"),
    number("exposure_invested", "the same with weights over invested gross value"),
    number("coverage_pct", "0-100, gross PUBLIC value with this beta", nullable=False),
    document("missing_symbols", "PUBLIC symbols without this beta", nullable=False),
    Index(None, "calculation_date"),
)

position_factor_exposures: Final = Table(
    "position_factor_exposures",
    metadata,
    derived_id("position_id"),
    day_key("calculation_date"),
    Column("portfolio_id", Uuid, nullable=False),
    number("weight", "MV / NAV, signed"),
    *(number(name, "the symbol's beta; its exposure is weight x beta") for name in BETA_COLUMNS),
    Index(None, "calculation_date"),
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
    document("symbols", "[n], sorted", nullable=False),
    document("correlations", "[n(n-1)/2], upper triangle by rows, null = unknown", nullable=False),
    document("observations", "[n(n-1)/2], common returns of each pair", nullable=False),
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
    words("style_shocks", "excess (of the market) or absolute", nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("display_order", Integer, nullable=False),
    CheckConstraint("style_shocks IN ('excess', 'absolute')", name="style_shocks"),
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
    derived_id("portfolio_id"),
    Column("scenario_id", Text(collation="C"), primary_key=True),
    day_key("calculation_date"),
    usd("direct_pnl", "sum of exposure_dollar x the scenario's own figures"),
    usd("correlated_pnl", "through joint betas and conditional proxy moves"),
    usd("correlation_effect", "correlated - direct"),
    number("coverage_pct", "0-100, gross value that the correlated figure covers"),
    document("floored_symbols", "modelled return was below -100 %", nullable=False),
    document("fallback_symbols", "without joint betas, entered by market beta", nullable=False),
    words("direct_reason", "why direct_pnl is NULL"),
    words("correlated_reason", "why correlated_pnl is NULL"),
    Index(None, "calculation_date"),
)

market_risk_scenarios: Final = Table(
    "market_risk_scenarios",
    metadata,
    derived_id("portfolio_id"),
    Column("scenario", Text(collation="C"), primary_key=True, comment="such as rates_up_100bp"),
    day_key("calculation_date"),
    usd("direct_pnl", "sum of exposure_dollar x the scenario's own figures"),
    usd("correlated_pnl", "through joint betas and conditional proxy moves"),
    words("direct_reason", "why direct_pnl is NULL"),
    words("correlated_reason", "why correlated_pnl is NULL"),
    Index(None, "calculation_date"),
)
