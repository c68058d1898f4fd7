"""Tables of the symbol layer: computed once a night, whatever the number of users."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
)

from sigmasight_assets.core.db.tables.base import (
    FINITE,
    OUTSIDE_CHECKSUM,
    copied,
    day_key,
    metadata,
    number,
    stamped,
    symbol_key,
    words,
)
from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS

symbol_universe: Final = Table(
    "symbol_universe",
    metadata,
    symbol_key(),
    words("investment_class", "PUBLIC or OPTIONS", nullable=False),
    words("status", "pending, processing, active, delisted, retired or error", nullable=False),
    words("price_source", "source of the stored window; one source per window"),
    Column(
        "single_series",
        Boolean,
        nullable=False,
        server_default="false",
        comment="the source has one price series, which serves as close and as adj_close",
    ),
    Column("asked_from", Date, comment="earliest session the source has been asked for"),
    Column("asked_to", Date, comment="latest session the source has been asked for"),
    Column(
        "asked_at",
        DateTime(timezone=True),
        comment="when the source last answered for the newest sessions",
        info=OUTSIDE_CHECKSUM,
    ),
    Column("history_from", Date, comment="first price the source has; it was asked for earlier"),
    Column("first_seen_date", Date, comment="session on which the symbol entered the universe"),
    Column("last_seen_date", Date, comment="last session whose universe held it"),
    Column("last_price_date", Date, comment="last stored price"),
    Column("last_factor_date", Date, comment="last session with stored factors"),
    Column(
        "attempts",
        Integer,
        nullable=False,
        server_default="0",
        comment="fetches without data in a row",
        info=OUTSIDE_CHECKSUM,
    ),
    words("error_message", "why the symbol is in error, for a person"),
    words("requested_by", "position, proxy, benchmark, underlying, source or a person"),
    CheckConstraint("investment_class IN ('PUBLIC', 'OPTIONS')", name="class"),
    CheckConstraint(
        "status IN ('pending', 'processing', 'active', 'delisted', 'retired', 'error')",
        name="status",
    ),
)

market_data_cache: Final = Table(
    "market_data_cache",
    metadata,
    symbol_key(),
    day_key("date"),
    number("open", "USD, split-adjusted"),
    number("high", "USD, split-adjusted"),
    number("low", "USD, split-adjusted"),
    number("close", "USD, split-adjusted: what a share costs"),
    number("adj_close", "USD, split- and dividend-adjusted: total return"),
    number("volume", "shares"),
    words("data_source", "who said so", nullable=False),
    stamped("fetched_at", "when it was fetched or last changed"),
    CheckConstraint("close > 0 AND adj_close > 0", name="positive"),
    CheckConstraint("high >= low", name="range"),
    CheckConstraint("close IS NOT NULL OR adj_close IS NOT NULL", name="priced"),
    CheckConstraint("volume >= 0", name="volume"),
    Index(None, "date"),
)

corporate_actions: Final = Table(
    "corporate_actions",
    metadata,
    symbol_key(),
    day_key("action_date", "ex-date"),
    Column("action_type", Text, primary_key=True, comment="split or dividend"),
    Column("value", FINITE, nullable=False, comment="new shares per old, or USD per share"),
    words("data_source", "who said so", nullable=False),
    stamped("fetched_at", "when it was fetched"),
    CheckConstraint("action_type IN ('split', 'dividend')", name="type"),
    CheckConstraint("value > 0", name="positive"),
)

price_warnings: Final = Table(
    "price_warnings",
    metadata,
    symbol_key(),
    day_key("date"),
    Column("warning_type", Text, primary_key=True, comment="jump, frozen or one_series_split"),
    number(
        "value",
        "the ratio of a jump or of the two series, the number of equal closes",
        nullable=False,
    ),
)

R_SQUARED_COLUMNS: Final = (
    "market_r_squared",
    "ir_r_squared",
    "style_r_squared",
    "growth_value_spread_r_squared",
    "momentum_spread_r_squared",
    "size_spread_r_squared",
    "quality_spread_r_squared",
    "joint_r_squared",
)
REASON_COLUMNS: Final = (
    "market_reason",
    "ir_reason",
    "style_reason",
    "spread_reason",
    "joint_reason",
)

symbol_factor_exposures: Final = Table(
    "symbol_factor_exposures",
    metadata,
    symbol_key(),
    day_key("calculation_date"),
    *(number(name, "return per unit of factor return, clipped to +-5") for name in BETA_COLUMNS),
    *(number(name, "joint regression, clipped to +-10") for name in JOINT_COLUMNS),
    copied("provider_beta", "company_profiles.beta"),
    *(number(name, "in sample, NULL where returns do not vary") for name in R_SQUARED_COLUMNS),
    number("residual_volatility", "annualised, of the joint model"),
    Column("observations_90", Integer, nullable=False, comment="returns shared with SPY"),
    Column("observations_180", Integer, nullable=False, comment="returns shared with SPY"),
    words("quality_flag", "full_history, limited_history or insufficient_history", nullable=False),
    Column("capped", Boolean, nullable=False, comment="a coefficient was clipped"),
    *(words(name, "why the group is NULL") for name in REASON_COLUMNS),
    Index(None, "calculation_date"),
)

symbol_daily_metrics: Final = Table(
    "symbol_daily_metrics",
    metadata,
    symbol_key(),
    day_key("metrics_date"),
    number("current_price", "USD, the last close of the 20 sessions up to the date"),
    *(
        number(f"return_{span}", "total return, fraction")
        for span in ("1d", "1m", "3m", "1y", "mtd", "ytd")
    ),
    number("realized_volatility_21d", "annualised fraction"),
    number("realized_volatility_63d", "annualised fraction"),
    copied("market_cap", "USD"),
    copied("pe_ratio", "price over trailing earnings"),
    Column("company_name", Text, comment="copied from the profile", info=OUTSIDE_CHECKSUM),
    Column("sector", Text, comment="copied from the profile", info=OUTSIDE_CHECKSUM),
    Column("industry", Text, comment="copied from the profile", info=OUTSIDE_CHECKSUM),
    copied("data_quality_score", "0-100: 30 price, 30 returns, 20 profile, 20 factors"),
    Index(None, "metrics_date"),
)

factor_definitions: Final = Table(
    "factor_definitions",
    metadata,
    Column("name", Text, primary_key=True, comment="exact user-facing name"),
    words("column_name", "its column in symbol_factor_exposures", nullable=False),
    words("factor_type", "market, macro, style or spread", nullable=False),
    words("calculation_method", "ols, ridge, spread or provider", nullable=False),
    words("etf_proxy", "the regressor", nullable=False),
    Column("regression_window_days", Integer, comment="sessions"),
    Column("display_order", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default="true"),
)


def _pair_table(name: str, value: str, comment: str) -> Table:
    """A symmetric matrix stored once per pair, factor_1 <= factor_2, named by proxy."""
    return Table(
        name,
        metadata,
        Column("factor_1", Text(collation="C"), primary_key=True),
        Column("factor_2", Text(collation="C"), primary_key=True),
        day_key("calculation_date"),
        number(value, comment, nullable=False),
        Column("observations", Integer, nullable=False, comment="sessions used"),
        CheckConstraint("factor_1 <= factor_2", name="once"),
        Index(None, "calculation_date"),
    )


factor_covariances: Final = _pair_table(
    "factor_covariances", "covariance", "daily, EWMA 0.97, no mean subtracted"
)
factor_correlations: Final = _pair_table(
    "factor_correlations", "correlation", "from the same EWMA weights"
)

factor_market_slopes: Final = Table(
    "factor_market_slopes",
    metadata,
    Column("factor", Text(collation="C"), primary_key=True, comment="style proxy"),
    day_key("calculation_date"),
    number("slope", "b_f: OLS slope of the proxy on SPY over 180 sessions"),
    words("reason", "why it is NULL"),
)
