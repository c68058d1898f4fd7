"""The tables of the nightly pipeline."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FINITE = postgresql.DOMAIN(
    "finite", sa.Double(), check="VALUE > '-Infinity' AND VALUE < 'Infinity'", create_type=False
)
USD = postgresql.DOMAIN("usd", sa.Numeric(20, 6), check="VALUE <> 'NaN'", create_type=False)


def upgrade() -> None:
    """Forward."""
    op.execute("CREATE SEQUENCE IF NOT EXISTS data_version")
    FINITE.create(op.get_bind(), checkfirst=True)
    USD.create(op.get_bind(), checkfirst=True)
    op.create_table(
        "batch_failure_log",
        sa.Column("batch_type", sa.Text(), nullable=False, comment="the asset that met it"),
        sa.Column("batch_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("item", sa.Text(), nullable=False, comment="symbol, portfolio id or session"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="machine-readable word"),
        sa.Column("detail", sa.Text(), nullable=True, comment="for a person"),
        sa.Column(
            "logged_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was logged",
        ),
        sa.PrimaryKeyConstraint(
            "batch_type", "batch_date", "item", "attempt", name=op.f("batch_failure_log_pkey")
        ),
    )
    op.create_table(
        "company_profiles",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("company_name", sa.Text(), nullable=True, comment="name"),
        sa.Column("quote_type", sa.Text(), nullable=True, comment="EQUITY, ETF, MUTUALFUND, ..."),
        sa.Column("sector", sa.Text(), nullable=True, comment="as the provider names it"),
        sa.Column("industry", sa.Text(), nullable=True, comment="as the provider names it"),
        sa.Column("market_cap", FINITE, nullable=True, comment="USD"),
        sa.Column("pe_ratio", FINITE, nullable=True, comment="price over trailing earnings"),
        sa.Column("beta", FINITE, nullable=True, comment="the provider's one-year beta"),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when the profile was fetched",
        ),
        sa.PrimaryKeyConstraint("symbol", name=op.f("company_profiles_pkey")),
    )
    op.create_table(
        "corporate_actions",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("action_date", sa.Date(), nullable=False, comment="ex-date"),
        sa.Column("action_type", sa.Text(), nullable=False, comment="split or dividend"),
        sa.Column("value", FINITE, nullable=False, comment="new shares per old, or USD per share"),
        sa.Column("data_source", sa.Text(), nullable=False, comment="who said so"),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was fetched",
        ),
        sa.CheckConstraint(
            "action_type IN ('split', 'dividend')", name=op.f("corporate_actions_type_check")
        ),
        sa.CheckConstraint("value > 0", name=op.f("corporate_actions_positive_check")),
        sa.PrimaryKeyConstraint(
            "symbol", "action_date", "action_type", name=op.f("corporate_actions_pkey")
        ),
    )
    op.create_table(
        "correlation_calculations",
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "overall_correlation",
            FINITE,
            nullable=True,
            comment="0-1, gross weighted mean |rho| of known pairs",
        ),
        sa.Column(
            "signed_correlation",
            FINITE,
            nullable=True,
            comment="gross weighted mean rho, sign flipped for shorts",
        ),
        sa.Column("effective_positions", FINITE, nullable=True, comment="(sum |w|)^2 / (w' C w)"),
        sa.Column(
            "correlation_concentration_score",
            FINITE,
            nullable=True,
            comment="gross share of clustered positions",
        ),
        sa.Column(
            "clusters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[{name, symbols, average_correlation, gross_share}]",
        ),
        sa.Column(
            "symbols_included", sa.Integer(), nullable=False, comment="symbols in the matrix"
        ),
        sa.Column(
            "symbols_excluded",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[{symbol, reason}]",
        ),
        sa.Column(
            "coverage_pct", FINITE, nullable=True, comment="0-100, gross PUBLIC value in the matrix"
        ),
        sa.Column(
            "data_quality", sa.Text(), nullable=False, comment="sufficient, limited or insufficient"
        ),
        sa.Column(
            "psd_adjusted", sa.Boolean(), nullable=False, comment="eigenvalues were clipped at 0"
        ),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "calculation_date", name=op.f("correlation_calculations_pkey")
        ),
    )
    op.create_index(
        op.f("correlation_calculations_calculation_date_idx"),
        "correlation_calculations",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "correlation_matrices",
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "symbols",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[n], sorted",
        ),
        sa.Column(
            "correlations",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[n(n-1)/2], upper triangle by rows, null = unknown",
        ),
        sa.Column(
            "observations",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[n(n-1)/2], common returns of each pair",
        ),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "calculation_date", name=op.f("correlation_matrices_pkey")
        ),
    )
    op.create_index(
        op.f("correlation_matrices_calculation_date_idx"),
        "correlation_matrices",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "factor_correlations",
        sa.Column("factor_1", sa.Text(collation="C"), nullable=False),
        sa.Column("factor_2", sa.Text(collation="C"), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("correlation", FINITE, nullable=False, comment="from the same EWMA weights"),
        sa.Column("observations", sa.Integer(), nullable=False, comment="sessions used"),
        sa.CheckConstraint("factor_1 <= factor_2", name=op.f("factor_correlations_once_check")),
        sa.PrimaryKeyConstraint(
            "factor_1", "factor_2", "calculation_date", name=op.f("factor_correlations_pkey")
        ),
    )
    op.create_index(
        op.f("factor_correlations_calculation_date_idx"),
        "factor_correlations",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "factor_covariances",
        sa.Column("factor_1", sa.Text(collation="C"), nullable=False),
        sa.Column("factor_2", sa.Text(collation="C"), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "covariance", FINITE, nullable=False, comment="daily, EWMA 0.97, no mean subtracted"
        ),
        sa.Column("observations", sa.Integer(), nullable=False, comment="sessions used"),
        sa.CheckConstraint("factor_1 <= factor_2", name=op.f("factor_covariances_once_check")),
        sa.PrimaryKeyConstraint(
            "factor_1", "factor_2", "calculation_date", name=op.f("factor_covariances_pkey")
        ),
    )
    op.create_index(
        op.f("factor_covariances_calculation_date_idx"),
        "factor_covariances",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "factor_definitions",
        sa.Column("name", sa.Text(), nullable=False, comment="exact user-facing name"),
        sa.Column(
            "column_name",
            sa.Text(),
            nullable=False,
            comment="its column in symbol_factor_exposures",
        ),
        sa.Column(
            "factor_type", sa.Text(), nullable=False, comment="market, macro, style or spread"
        ),
        sa.Column(
            "calculation_method",
            sa.Text(),
            nullable=False,
            comment="ols, ridge, spread or provider",
        ),
        sa.Column("etf_proxy", sa.Text(), nullable=False, comment="the regressor"),
        sa.Column("regression_window_days", sa.Integer(), nullable=True, comment="sessions"),
        sa.Column("display_order", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("factor_definitions_pkey")),
    )
    op.create_table(
        "factor_exposures",
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("factor_name", sa.Text(), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("exposure_value", FINITE, nullable=True, comment="sum of MV/NAV x beta"),
        sa.Column("exposure_dollar", USD, nullable=True, comment="exposure_value x NAV"),
        sa.Column(
            "exposure_invested",
            FINITE,
            nullable=True,
            comment="the same with weights over invested gross value",
        ),
        sa.Column(
            "coverage_pct",
            FINITE,
            nullable=False,
            comment="0-100, gross PUBLIC value with this beta",
        ),
        sa.Column(
            "missing_symbols",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="PUBLIC symbols without this beta",
        ),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "factor_name", "calculation_date", name=op.f("factor_exposures_pkey")
        ),
    )
    op.create_index(
        op.f("factor_exposures_calculation_date_idx"),
        "factor_exposures",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "factor_market_slopes",
        sa.Column("factor", sa.Text(collation="C"), nullable=False, comment="style proxy"),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "slope",
            FINITE,
            nullable=True,
            comment="b_f: OLS slope of the proxy on SPY over 180 sessions",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is NULL"),
        sa.PrimaryKeyConstraint(
            "factor", "calculation_date", name=op.f("factor_market_slopes_pkey")
        ),
    )
    op.create_table(
        "market_data_cache",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("open", FINITE, nullable=True, comment="USD, split-adjusted"),
        sa.Column("high", FINITE, nullable=True, comment="USD, split-adjusted"),
        sa.Column("low", FINITE, nullable=True, comment="USD, split-adjusted"),
        sa.Column(
            "close", FINITE, nullable=True, comment="USD, split-adjusted: what a share costs"
        ),
        sa.Column(
            "adj_close",
            FINITE,
            nullable=True,
            comment="USD, split- and dividend-adjusted: total return",
        ),
        sa.Column("volume", FINITE, nullable=True, comment="shares"),
        sa.Column("data_source", sa.Text(), nullable=False, comment="who said so"),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was fetched or last changed",
        ),
        sa.CheckConstraint(
            "close > 0 AND adj_close > 0", name=op.f("market_data_cache_positive_check")
        ),
        sa.CheckConstraint(
            "close IS NOT NULL OR adj_close IS NOT NULL",
            name=op.f("market_data_cache_priced_check"),
        ),
        sa.CheckConstraint("high >= low", name=op.f("market_data_cache_range_check")),
        sa.CheckConstraint("volume >= 0", name=op.f("market_data_cache_volume_check")),
        sa.PrimaryKeyConstraint("symbol", "date", name=op.f("market_data_cache_pkey")),
    )
    op.create_index(op.f("market_data_cache_date_idx"), "market_data_cache", ["date"], unique=False)
    op.create_table(
        "market_risk_scenarios",
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column(
            "scenario", sa.Text(collation="C"), nullable=False, comment="such as rates_up_100bp"
        ),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "direct_pnl",
            USD,
            nullable=True,
            comment="sum of exposure_dollar x the scenario's own figures",
        ),
        sa.Column(
            "correlated_pnl",
            USD,
            nullable=True,
            comment="through joint betas and conditional proxy moves",
        ),
        sa.Column("direct_reason", sa.Text(), nullable=True, comment="why direct_pnl is NULL"),
        sa.Column(
            "correlated_reason", sa.Text(), nullable=True, comment="why correlated_pnl is NULL"
        ),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "scenario", "calculation_date", name=op.f("market_risk_scenarios_pkey")
        ),
    )
    op.create_index(
        op.f("market_risk_scenarios_calculation_date_idx"),
        "market_risk_scenarios",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "portfolio_snapshots",
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("snapshot_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "net_asset_value", USD, nullable=False, comment="cash + market value of every open lot"
        ),
        sa.Column("total_value", USD, nullable=False, comment="= net_asset_value"),
        sa.Column("cash_value", USD, nullable=False, comment="may be negative (margin)"),
        sa.Column("long_value", USD, nullable=False, comment="sum of positive market values"),
        sa.Column(
            "short_value", USD, nullable=False, comment="sum of negative market values, <= 0"
        ),
        sa.Column("gross_exposure", USD, nullable=False, comment="long_value - short_value"),
        sa.Column("net_exposure", USD, nullable=False, comment="long_value + short_value"),
        sa.Column("total_cost", USD, nullable=False, comment="sum of |entry cost| of open lots"),
        sa.Column(
            "total_pnl", USD, nullable=False, comment="NAV - starting_equity - cumulative flows"
        ),
        sa.Column("cumulative_pnl", USD, nullable=False, comment="= total_pnl"),
        sa.Column(
            "pnl_percent",
            FINITE,
            nullable=True,
            comment="0-100, of starting_equity + cumulative flows",
        ),
        sa.Column("daily_pnl", USD, nullable=False, comment="NAV change less capital_flow"),
        sa.Column(
            "daily_return", FINITE, nullable=True, comment="daily_pnl / NAV of the session before"
        ),
        sa.Column(
            "realized_pnl",
            USD,
            nullable=False,
            comment="of this session, exits against entry price",
        ),
        sa.Column("cumulative_realized_pnl", USD, nullable=False, comment="since inception"),
        sa.Column("unrealized_pnl", USD, nullable=False, comment="open lots against entry price"),
        sa.Column("dividends", USD, nullable=False, comment="of this session"),
        sa.Column("cumulative_dividends", USD, nullable=False, comment="since inception"),
        sa.Column(
            "capital_flow",
            USD,
            nullable=False,
            comment="of this session, contributions less withdrawals",
        ),
        sa.Column("cumulative_capital_flow", USD, nullable=False, comment="since inception"),
        sa.Column(
            "num_positions", sa.Integer(), nullable=False, comment="symbols with an open lot"
        ),
        sa.Column(
            "num_long_positions",
            sa.Integer(),
            nullable=False,
            comment="symbols whose netted quantity is positive",
        ),
        sa.Column(
            "num_short_positions",
            sa.Integer(),
            nullable=False,
            comment="symbols whose netted quantity is negative",
        ),
        sa.Column(
            "num_option_positions", sa.Integer(), nullable=False, comment="option contracts held"
        ),
        sa.Column(
            "num_private_positions", sa.Integer(), nullable=False, comment="private symbols held"
        ),
        sa.Column(
            "hhi", FINITE, nullable=True, comment="0-10000, netted symbols by |market value|"
        ),
        sa.Column("effective_num_positions", FINITE, nullable=True, comment="10000 / hhi"),
        sa.Column("top_3_concentration", FINITE, nullable=True, comment="fraction of gross"),
        sa.Column("top_10_concentration", FINITE, nullable=True, comment="fraction of gross"),
        sa.Column("realized_volatility_21d", FINITE, nullable=True, comment="annualised fraction"),
        sa.Column("realized_volatility_63d", FINITE, nullable=True, comment="annualised fraction"),
        sa.Column(
            "expected_volatility_21d",
            FINITE,
            nullable=True,
            comment="annualised fraction, forecast",
        ),
        sa.Column(
            "volatility_trend", sa.Text(), nullable=True, comment="increasing, stable or decreasing"
        ),
        sa.Column(
            "volatility_percentile",
            FINITE,
            nullable=True,
            comment="fraction of the rolling values below the current one",
        ),
        sa.Column(
            "volatility_percentile_observations",
            sa.Integer(),
            nullable=False,
            comment="rolling values compared with",
        ),
        sa.Column(
            "beta_calculated_90d",
            FINITE,
            nullable=True,
            comment="sum of weight x market_beta, uncovered as 0",
        ),
        sa.Column(
            "beta_provider_1y",
            FINITE,
            nullable=True,
            comment="sum of weight x provider_beta, uncovered as 0",
        ),
        sa.Column("beta_provider_coverage_pct", FINITE, nullable=True, comment="0-100 of gross"),
        sa.Column(
            "sector_exposure",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="{sector: {net, gross}} as fractions of NAV",
        ),
        sa.Column(
            "coverage_pct", FINITE, nullable=True, comment="0-100, gross value with a market beta"
        ),
        sa.Column("private_allocation_pct", FINITE, nullable=True, comment="0-100 of NAV"),
        sa.Column("is_partial", sa.Boolean(), nullable=False, comment="a lot is stale or at cost"),
        sa.Column(
            "missing_symbols",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[{symbol, reason}] of stale and at-cost lots",
        ),
        sa.Column("price_date", sa.Date(), nullable=True, comment="newest close used"),
        sa.Column(
            "factor_exposures_reason",
            sa.Text(),
            nullable=True,
            comment="why there are no factor exposure rows",
        ),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "snapshot_date", name=op.f("portfolio_snapshots_pkey")
        ),
    )
    op.create_index(
        op.f("portfolio_snapshots_snapshot_date_idx"),
        "portfolio_snapshots",
        ["snapshot_date"],
        unique=False,
    )
    op.create_table(
        "position_factor_exposures",
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("weight", FINITE, nullable=True, comment="MV / NAV, signed"),
        sa.Column(
            "market_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "ir_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "momentum_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "value_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "growth_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "size_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "quality_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "low_volatility_beta",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "growth_value_spread",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "momentum_spread",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "size_spread",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.Column(
            "quality_spread",
            FINITE,
            nullable=True,
            comment="the symbol's beta; its exposure is weight x beta",
        ),
        sa.PrimaryKeyConstraint(
            "position_id", "calculation_date", name=op.f("position_factor_exposures_pkey")
        ),
    )
    op.create_index(
        op.f("position_factor_exposures_calculation_date_idx"),
        "position_factor_exposures",
        ["calculation_date"],
        unique=False,
    )
    op.create_index(
        op.f("position_factor_exposures_portfolio_id_calculation_date_idx"),
        "position_factor_exposures",
        ["portfolio_id", "calculation_date"],
        unique=False,
    )
    op.create_table(
        "price_warnings",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("warning_type", sa.Text(), nullable=False, comment="jump or frozen"),
        sa.Column(
            "value",
            FINITE,
            nullable=False,
            comment="the price ratio of a jump, the number of equal closes",
        ),
        sa.PrimaryKeyConstraint("symbol", "date", "warning_type", name=op.f("price_warnings_pkey")),
    )
    op.create_table(
        "published_sessions",
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column(
            "data_version",
            sa.BigInteger(),
            nullable=False,
            comment="grows with every publication anywhere",
        ),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when readers could see it",
        ),
        sa.CheckConstraint(
            "layer IN ('symbols', 'portfolios')", name=op.f("published_sessions_layer_check")
        ),
        sa.PrimaryKeyConstraint("layer", "session", name=op.f("published_sessions_pkey")),
    )
    op.create_table(
        "session_epochs",
        sa.Column("layer", sa.Text(), nullable=False, comment="symbols or portfolios"),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "epoch", sa.BigInteger(), nullable=False, comment="only grows; the highest may write"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="the run that claimed it"),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was claimed",
        ),
        sa.PrimaryKeyConstraint("layer", "session", "epoch", name=op.f("session_epochs_pkey")),
    )
    op.create_index(
        op.f("session_epochs_layer_session_run_id_idx"),
        "session_epochs",
        ["layer", "session", "run_id"],
        unique=True,
    )
    op.create_table(
        "stress_scenario_moves",
        sa.Column("scenario_id", sa.Text(collation="C"), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "implied_moves",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="{proxy: return} of all eight proxies, null without covariance",
        ),
        sa.Column("plausibility", FINITE, nullable=True, comment="annual standard deviations"),
        sa.Column("implausible", sa.Boolean(), nullable=False, comment="plausibility above 5"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why the moves are NULL"),
        sa.PrimaryKeyConstraint(
            "scenario_id", "calculation_date", name=op.f("stress_scenario_moves_pkey")
        ),
    )
    op.create_table(
        "stress_test_results",
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("scenario_id", sa.Text(collation="C"), nullable=False),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "direct_pnl",
            USD,
            nullable=True,
            comment="sum of exposure_dollar x the scenario's own figures",
        ),
        sa.Column(
            "correlated_pnl",
            USD,
            nullable=True,
            comment="through joint betas and conditional proxy moves",
        ),
        sa.Column("correlation_effect", USD, nullable=True, comment="correlated - direct"),
        sa.Column(
            "coverage_pct",
            FINITE,
            nullable=True,
            comment="0-100, gross value that the correlated figure covers",
        ),
        sa.Column(
            "floored_symbols",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="modelled return was below -100 %",
        ),
        sa.Column(
            "fallback_symbols",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="without joint betas, entered by market beta",
        ),
        sa.Column("direct_reason", sa.Text(), nullable=True, comment="why direct_pnl is NULL"),
        sa.Column(
            "correlated_reason", sa.Text(), nullable=True, comment="why correlated_pnl is NULL"
        ),
        sa.PrimaryKeyConstraint(
            "portfolio_id", "scenario_id", "calculation_date", name=op.f("stress_test_results_pkey")
        ),
    )
    op.create_index(
        op.f("stress_test_results_calculation_date_idx"),
        "stress_test_results",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "stress_test_scenarios",
        sa.Column("scenario_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="user-facing"),
        sa.Column("description", sa.Text(), nullable=False, comment="what is supposed to happen"),
        sa.Column(
            "category",
            sa.Text(),
            nullable=False,
            comment="market, rates, rotation, volatility or historical",
        ),
        sa.Column(
            "severity", sa.Text(), nullable=False, comment="mild, base, moderate, severe or extreme"
        ),
        sa.Column(
            "shocks",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="{factor: shock}, fractions; Interest_Rate a yield change",
        ),
        sa.Column(
            "style_shocks", sa.Text(), nullable=False, comment="excess (of the market) or absolute"
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("display_order", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "style_shocks IN ('excess', 'absolute')",
            name=op.f("stress_test_scenarios_style_shocks_check"),
        ),
        sa.PrimaryKeyConstraint("scenario_id", name=op.f("stress_test_scenarios_pkey")),
    )
    op.create_table(
        "symbol_daily_metrics",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("metrics_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "current_price",
            FINITE,
            nullable=True,
            comment="USD, the last close of the 20 sessions up to the date",
        ),
        sa.Column("return_1d", FINITE, nullable=True, comment="total return, fraction"),
        sa.Column("return_1m", FINITE, nullable=True, comment="total return, fraction"),
        sa.Column("return_3m", FINITE, nullable=True, comment="total return, fraction"),
        sa.Column("return_1y", FINITE, nullable=True, comment="total return, fraction"),
        sa.Column("return_mtd", FINITE, nullable=True, comment="total return, fraction"),
        sa.Column("return_ytd", FINITE, nullable=True, comment="total return, fraction"),
        sa.Column("realized_volatility_21d", FINITE, nullable=True, comment="annualised fraction"),
        sa.Column("realized_volatility_63d", FINITE, nullable=True, comment="annualised fraction"),
        sa.Column("market_cap", FINITE, nullable=True, comment="USD"),
        sa.Column("pe_ratio", FINITE, nullable=True, comment="price over trailing earnings"),
        sa.Column("company_name", sa.Text(), nullable=True, comment="copied from the profile"),
        sa.Column("sector", sa.Text(), nullable=True, comment="copied from the profile"),
        sa.Column("industry", sa.Text(), nullable=True, comment="copied from the profile"),
        sa.Column(
            "data_quality_score",
            FINITE,
            nullable=True,
            comment="0-100: 30 price, 30 returns, 20 profile, 20 factors",
        ),
        sa.PrimaryKeyConstraint("symbol", "metrics_date", name=op.f("symbol_daily_metrics_pkey")),
    )
    op.create_index(
        op.f("symbol_daily_metrics_metrics_date_idx"),
        "symbol_daily_metrics",
        ["metrics_date"],
        unique=False,
    )
    op.create_table(
        "symbol_factor_exposures",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("calculation_date", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column(
            "market_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "ir_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "momentum_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "value_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "growth_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "size_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "quality_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "low_volatility_beta",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "growth_value_spread",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "momentum_spread",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "size_spread",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "quality_spread",
            FINITE,
            nullable=True,
            comment="return per unit of factor return, clipped to +-5",
        ),
        sa.Column(
            "joint_market", FINITE, nullable=True, comment="joint regression, clipped to +-10"
        ),
        sa.Column(
            "joint_rates", FINITE, nullable=True, comment="joint regression, clipped to +-10"
        ),
        sa.Column(
            "joint_value", FINITE, nullable=True, comment="joint regression, clipped to +-10"
        ),
        sa.Column(
            "joint_growth", FINITE, nullable=True, comment="joint regression, clipped to +-10"
        ),
        sa.Column(
            "joint_momentum", FINITE, nullable=True, comment="joint regression, clipped to +-10"
        ),
        sa.Column(
            "joint_quality", FINITE, nullable=True, comment="joint regression, clipped to +-10"
        ),
        sa.Column("joint_size", FINITE, nullable=True, comment="joint regression, clipped to +-10"),
        sa.Column(
            "joint_low_volatility",
            FINITE,
            nullable=True,
            comment="joint regression, clipped to +-10",
        ),
        sa.Column("provider_beta", FINITE, nullable=True, comment="company_profiles.beta"),
        sa.Column(
            "market_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "ir_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "style_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "growth_value_spread_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "momentum_spread_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "size_spread_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "quality_spread_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "joint_r_squared",
            FINITE,
            nullable=True,
            comment="in sample, NULL where returns do not vary",
        ),
        sa.Column(
            "residual_volatility", FINITE, nullable=True, comment="annualised, of the joint model"
        ),
        sa.Column(
            "observations_90", sa.Integer(), nullable=False, comment="returns shared with SPY"
        ),
        sa.Column(
            "observations_180", sa.Integer(), nullable=False, comment="returns shared with SPY"
        ),
        sa.Column(
            "quality_flag",
            sa.Text(),
            nullable=False,
            comment="full_history, limited_history or insufficient_history",
        ),
        sa.Column("capped", sa.Boolean(), nullable=False, comment="a coefficient was clipped"),
        sa.Column("market_reason", sa.Text(), nullable=True, comment="why the group is NULL"),
        sa.Column("ir_reason", sa.Text(), nullable=True, comment="why the group is NULL"),
        sa.Column("style_reason", sa.Text(), nullable=True, comment="why the group is NULL"),
        sa.Column("spread_reason", sa.Text(), nullable=True, comment="why the group is NULL"),
        sa.Column("joint_reason", sa.Text(), nullable=True, comment="why the group is NULL"),
        sa.PrimaryKeyConstraint(
            "symbol", "calculation_date", name=op.f("symbol_factor_exposures_pkey")
        ),
    )
    op.create_index(
        op.f("symbol_factor_exposures_calculation_date_idx"),
        "symbol_factor_exposures",
        ["calculation_date"],
        unique=False,
    )
    op.create_table(
        "symbol_universe",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column("investment_class", sa.Text(), nullable=False, comment="PUBLIC or OPTIONS"),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="pending, processing, active, delisted or error",
        ),
        sa.Column(
            "price_source",
            sa.Text(),
            nullable=True,
            comment="source of the stored window; one source per window",
        ),
        sa.Column(
            "single_series",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="the source has one price series, which serves as close and as adj_close",
        ),
        sa.Column(
            "asked_from",
            sa.Date(),
            nullable=True,
            comment="earliest session the source has been asked for",
        ),
        sa.Column(
            "asked_to",
            sa.Date(),
            nullable=True,
            comment="latest session the source has been asked for",
        ),
        sa.Column(
            "history_from",
            sa.Date(),
            nullable=True,
            comment="first price the source has; it was asked for earlier",
        ),
        sa.Column(
            "first_seen_date",
            sa.Date(),
            nullable=True,
            comment="session on which the symbol entered the universe",
        ),
        sa.Column(
            "last_seen_date",
            sa.Date(),
            nullable=True,
            comment="last session whose universe held it",
        ),
        sa.Column("last_price_date", sa.Date(), nullable=True, comment="last stored price"),
        sa.Column(
            "last_factor_date", sa.Date(), nullable=True, comment="last session with stored factors"
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="fetches without data in a row",
        ),
        sa.Column(
            "error_message",
            sa.Text(),
            nullable=True,
            comment="why the symbol is in error, for a person",
        ),
        sa.Column(
            "requested_by",
            sa.Text(),
            nullable=True,
            comment="position, proxy, benchmark, underlying, source or a person",
        ),
        sa.CheckConstraint(
            "investment_class IN ('PUBLIC', 'OPTIONS')", name=op.f("symbol_universe_class_check")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'active', 'delisted', 'error')",
            name=op.f("symbol_universe_status_check"),
        ),
        sa.PrimaryKeyConstraint("symbol", name=op.f("symbol_universe_pkey")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=True, comment="shown to its owner"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when the account was made",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("email", name=op.f("users_email_key")),
    )
    op.create_table(
        "written_slices",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False, comment="NYSE session"),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column(
            "written_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when the slice was committed",
        ),
        sa.PrimaryKeyConstraint("table_name", "session", name=op.f("written_slices_pkey")),
    )
    op.create_table(
        "portfolios",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_name", sa.Text(), nullable=False, comment="unique for its user"),
        sa.Column("starting_equity", USD, nullable=False, comment="NAV at inception"),
        sa.Column("inception_date", sa.Date(), nullable=False, comment="a session"),
        sa.Column(
            "stale_from",
            sa.Date(),
            nullable=True,
            comment="first session whose stored rows a later change can alter",
        ),
        sa.Column(
            "data_version",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="grows with every change of what the owner states",
        ),
        sa.Column(
            "display_order",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="order in lists",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was made",
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True, comment="soft deletion"),
        sa.CheckConstraint(
            "inception_date BETWEEN DATE '1992-01-01' AND DATE '2038-12-31'",
            name=op.f("portfolios_calendar_check"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("portfolios_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("portfolios_pkey")),
        sa.UniqueConstraint(
            "user_id", "account_name", name=op.f("portfolios_user_id_account_name_key")
        ),
    )
    op.create_table(
        "equity_changes",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False, comment="CONTRIBUTION or WITHDRAWAL"),
        sa.Column("amount", USD, nullable=False, comment="positive"),
        sa.Column("change_date", sa.Date(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True, comment="free text"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was entered",
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True, comment="soft deletion"),
        sa.CheckConstraint(
            "change_date BETWEEN DATE '1992-01-01' AND DATE '2038-12-31'",
            name=op.f("equity_changes_calendar_check"),
        ),
        sa.CheckConstraint(
            "change_type IN ('CONTRIBUTION', 'WITHDRAWAL')",
            name=op.f("equity_changes_change_type_check"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("equity_changes_amount_check")),
        sa.ForeignKeyConstraint(
            ["portfolio_id"],
            ["portfolios.id"],
            name=op.f("equity_changes_portfolio_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("equity_changes_pkey")),
    )
    op.create_index(
        op.f("equity_changes_portfolio_id_idx"), "equity_changes", ["portfolio_id"], unique=False
    )
    op.create_table(
        "positions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("portfolio_id", sa.Uuid(), nullable=False),
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column(
            "investment_class",
            sa.Text(),
            nullable=True,
            comment="PUBLIC, OPTIONS or PRIVATE; NULL reads as PUBLIC",
        ),
        sa.Column(
            "investment_subtype", sa.Text(), nullable=True, comment="finer kind, for display"
        ),
        sa.Column("position_type", sa.Text(), nullable=False, comment="LONG SHORT LC LP SC SP"),
        sa.Column(
            "quantity",
            sa.Numeric(precision=20, scale=6),
            nullable=False,
            comment="signed; a lot is never reduced",
        ),
        sa.Column("entry_price", USD, nullable=False, comment="per share or contract unit"),
        sa.Column("entry_date", sa.Date(), nullable=False),
        sa.Column("exit_price", USD, nullable=True, comment="per share or contract unit"),
        sa.Column("exit_date", sa.Date(), nullable=True),
        sa.Column(
            "recorded_on",
            sa.Date(),
            server_default=sa.text("CURRENT_DATE"),
            nullable=False,
            comment="the day entry figures were recorded: splits after it apply to them",
        ),
        sa.Column(
            "exit_recorded_on", sa.Date(), nullable=True, comment="the same for the exit price"
        ),
        sa.Column("underlying_symbol", sa.Text(), nullable=True, comment="of an option"),
        sa.Column("strike_price", USD, nullable=True, comment="USD, of an option"),
        sa.Column("expiration_date", sa.Date(), nullable=True, comment="of an option"),
        sa.Column("option_type", sa.Text(), nullable=True, comment="CALL or PUT"),
        sa.Column("split_from", sa.Uuid(), nullable=True, comment="the lot it was split from"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was entered",
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True, comment="soft deletion"),
        sa.CheckConstraint(
            "(quantity > 0) = (position_type IN ('LONG', 'LC', 'LP'))",
            name=op.f("positions_side_check"),
        ),
        sa.CheckConstraint(
            "entry_date BETWEEN DATE '1992-01-01' AND DATE '2038-12-31' AND exit_date BETWEEN DATE '1992-01-01' AND DATE '2038-12-31' AND expiration_date BETWEEN DATE '1992-01-01' AND DATE '2038-12-31'",
            name=op.f("positions_calendar_check"),
        ),
        sa.CheckConstraint(
            "investment_class IN ('PUBLIC', 'OPTIONS', 'PRIVATE')",
            name=op.f("positions_investment_class_check"),
        ),
        sa.CheckConstraint(
            "investment_class IS DISTINCT FROM 'OPTIONS' OR (position_type IN ('LC', 'LP', 'SC', 'SP') AND underlying_symbol IS NOT NULL AND strike_price > 0 AND expiration_date IS NOT NULL AND option_type IN ('CALL', 'PUT'))",
            name=op.f("positions_option_check"),
        ),
        sa.CheckConstraint(
            "position_type IN ('LONG', 'SHORT', 'LC', 'LP', 'SC', 'SP')",
            name=op.f("positions_position_type_check"),
        ),
        sa.CheckConstraint(
            "quantity <> 0 AND quantity <> 'NaN'", name=op.f("positions_quantity_check")
        ),
        sa.CheckConstraint("entry_price >= 0", name=op.f("positions_entry_price_check")),
        sa.CheckConstraint(
            "exit_date IS NULL OR (exit_price IS NOT NULL AND exit_date >= entry_date)",
            name=op.f("positions_exit_check"),
        ),
        sa.ForeignKeyConstraint(
            ["portfolio_id"],
            ["portfolios.id"],
            name=op.f("positions_portfolio_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["split_from"], ["positions.id"], name=op.f("positions_split_from_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("positions_pkey")),
    )
    op.create_index(op.f("positions_portfolio_id_idx"), "positions", ["portfolio_id"], unique=False)
    op.create_index(op.f("positions_symbol_idx"), "positions", ["symbol"], unique=False)
    op.create_table(
        "position_valuations",
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column("valuation_date", sa.Date(), nullable=False),
        sa.Column("market_value", USD, nullable=False, comment="of the whole lot, signed"),
        sa.Column("entered_by", sa.Text(), nullable=False, comment="who stated it"),
        sa.Column(
            "entered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it was stated",
        ),
        sa.ForeignKeyConstraint(
            ["position_id"],
            ["positions.id"],
            name=op.f("position_valuations_position_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "position_id", "valuation_date", name=op.f("position_valuations_pkey")
        ),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("position_valuations")
    op.drop_index(op.f("positions_symbol_idx"), table_name="positions")
    op.drop_index(op.f("positions_portfolio_id_idx"), table_name="positions")
    op.drop_table("positions")
    op.drop_index(op.f("equity_changes_portfolio_id_idx"), table_name="equity_changes")
    op.drop_table("equity_changes")
    op.drop_table("portfolios")
    op.drop_table("written_slices")
    op.drop_table("users")
    op.drop_table("symbol_universe")
    op.drop_index(
        op.f("symbol_factor_exposures_calculation_date_idx"), table_name="symbol_factor_exposures"
    )
    op.drop_table("symbol_factor_exposures")
    op.drop_index(op.f("symbol_daily_metrics_metrics_date_idx"), table_name="symbol_daily_metrics")
    op.drop_table("symbol_daily_metrics")
    op.drop_table("stress_test_scenarios")
    op.drop_index(
        op.f("stress_test_results_calculation_date_idx"), table_name="stress_test_results"
    )
    op.drop_table("stress_test_results")
    op.drop_table("stress_scenario_moves")
    op.drop_index(op.f("session_epochs_layer_session_run_id_idx"), table_name="session_epochs")
    op.drop_table("session_epochs")
    op.drop_table("published_sessions")
    op.drop_table("price_warnings")
    op.drop_index(
        op.f("position_factor_exposures_portfolio_id_calculation_date_idx"),
        table_name="position_factor_exposures",
    )
    op.drop_index(
        op.f("position_factor_exposures_calculation_date_idx"),
        table_name="position_factor_exposures",
    )
    op.drop_table("position_factor_exposures")
    op.drop_index(op.f("portfolio_snapshots_snapshot_date_idx"), table_name="portfolio_snapshots")
    op.drop_table("portfolio_snapshots")
    op.drop_index(
        op.f("market_risk_scenarios_calculation_date_idx"), table_name="market_risk_scenarios"
    )
    op.drop_table("market_risk_scenarios")
    op.drop_index(op.f("market_data_cache_date_idx"), table_name="market_data_cache")
    op.drop_table("market_data_cache")
    op.drop_table("factor_market_slopes")
    op.drop_index(op.f("factor_exposures_calculation_date_idx"), table_name="factor_exposures")
    op.drop_table("factor_exposures")
    op.drop_table("factor_definitions")
    op.drop_index(op.f("factor_covariances_calculation_date_idx"), table_name="factor_covariances")
    op.drop_table("factor_covariances")
    op.drop_index(
        op.f("factor_correlations_calculation_date_idx"), table_name="factor_correlations"
    )
    op.drop_table("factor_correlations")
    op.drop_index(
        op.f("correlation_matrices_calculation_date_idx"), table_name="correlation_matrices"
    )
    op.drop_table("correlation_matrices")
    op.drop_index(
        op.f("correlation_calculations_calculation_date_idx"), table_name="correlation_calculations"
    )
    op.drop_table("correlation_calculations")
    op.drop_table("corporate_actions")
    op.drop_table("company_profiles")
    op.drop_table("batch_failure_log")
    USD.drop(op.get_bind(), checkfirst=True)
    FINITE.drop(op.get_bind(), checkfirst=True)
    op.execute("DROP SEQUENCE data_version")
