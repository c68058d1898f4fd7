"""The factors: user-facing names, columns, models and proxies (methodology, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class FactorDefinition:
    """One factor as users see it. `column_name` is its column in symbol_factor_exposures."""

    name: str
    column_name: str
    factor_type: str
    calculation_method: str
    etf_proxy: str
    regression_window_days: int | None
    r_squared_column: str | None
    observations_column: str | None


def _style(name: str, proxy: str) -> FactorDefinition:
    column = f"{name.lower().replace(' ', '_')}_beta"
    return FactorDefinition(
        name, column, "style", "ridge", proxy, 90, "style_r_squared", "observations_90"
    )


def _spread(name: str, column: str, proxies: str) -> FactorDefinition:
    return FactorDefinition(
        name, column, "spread", "spread", proxies, 180, f"{column}_r_squared", "observations_180"
    )


FACTORS: Final = (
    FactorDefinition(
        "Market Beta (90D)",
        "market_beta",
        "market",
        "ols",
        "SPY",
        90,
        "market_r_squared",
        "observations_90",
    ),
    FactorDefinition(
        "IR Beta", "ir_beta", "macro", "ols", "TLT", 90, "ir_r_squared", "observations_90"
    ),
    _style("Momentum", "MTUM"),
    _style("Value", "VTV"),
    _style("Growth", "VUG"),
    _style("Size", "IWM"),
    _style("Quality", "QUAL"),
    _style("Low Volatility", "USMV"),
    _spread("Growth-Value Spread", "growth_value_spread", "VUG-VTV"),
    _spread("Momentum Spread", "momentum_spread", "MTUM-SPY"),
    _spread("Size Spread", "size_spread", "IWM-SPY"),
    _spread("Quality Spread", "quality_spread", "QUAL-SPY"),
)
"""The twelve regressed factors, in display order."""

PROVIDER_FACTOR: Final = FactorDefinition(
    "Provider Beta (1Y)", "provider_beta", "market", "provider", "SPY", None, None, None
)

BETA_COLUMNS: Final = tuple(factor.column_name for factor in FACTORS)

JOINT_PROXIES: Final = {
    "joint_market": "SPY",
    "joint_rates": "TLT",
    "joint_value": "VTV",
    "joint_growth": "VUG",
    "joint_momentum": "MTUM",
    "joint_quality": "QUAL",
    "joint_size": "IWM",
    "joint_low_volatility": "USMV",
}
"""Joint beta column -> proxy, in the one order used for covariances, moves and joint betas."""

JOINT_COLUMNS: Final = tuple(JOINT_PROXIES)
PROXIES: Final = tuple(JOINT_PROXIES.values())
