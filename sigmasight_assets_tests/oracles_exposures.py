"""Betas, exposures, sectors and coverage of one portfolio (methodology, sections 4, 5 and 7).

Plain Python over the open positions of one portfolio, one factor at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isnan
from typing import Any

FACTORS = {
    "Market Beta (90D)": "market_beta",
    "IR Beta": "ir_beta",
    "Momentum": "momentum_beta",
    "Value": "value_beta",
    "Growth": "growth_beta",
    "Size": "size_beta",
    "Quality": "quality_beta",
    "Low Volatility": "low_volatility_beta",
    "Growth-Value Spread": "growth_value_spread",
    "Momentum Spread": "momentum_spread",
    "Size Spread": "size_spread",
    "Quality Spread": "quality_spread",
}
PROVIDER = "Provider Beta (1Y)"
SECTOR_NAMES = {
    "Financial Services": "Financials",
    "Consumer Cyclical": "Consumer Discretionary",
    "Consumer Defensive": "Consumer Staples",
    "Basic Materials": "Materials",
}

Betas = Mapping[str, Mapping[str, Any]]
"""Symbol -> column of symbol_factor_exposures -> figure; NaN or absent where there is none."""


@dataclass(frozen=True)
class Holding:
    """An open lot and what it is worth, USD, signed."""

    position_id: str
    symbol: str
    investment_class: str
    value: float


@dataclass(frozen=True)
class Holdings:
    """The open lots of one portfolio on one session."""

    nav: float
    lots: tuple[Holding, ...]

    @property
    def public(self) -> list[Holding]:
        return [lot for lot in self.lots if lot.investment_class == "PUBLIC"]

    @property
    def invested(self) -> list[Holding]:
        return [lot for lot in self.lots if lot.investment_class != "PRIVATE"]

    @property
    def reason(self) -> str | None:
        """Why there are no exposures."""
        if not self.public:
            return "no_public_positions"
        return None if self.nav > 0 else "non_positive_nav"


def gross(lots: Iterable[Holding]) -> float:
    return fsum(abs(lot.value) for lot in lots)


def percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def beta_of(betas: Betas, symbol: str, column: str) -> float | None:
    """The symbol's figure, None where it has none."""
    found = betas.get(symbol, {}).get(column)
    return None if found is None or isnan(found) else float(found)


def with_beta(lots: Sequence[Holding], betas: Betas, column: str) -> list[tuple[Holding, float]]:
    found = [(lot, beta_of(betas, lot.symbol, column)) for lot in lots]
    return [(lot, beta) for lot, beta in found if beta is not None]


def exposure_rows(held: Holdings, betas: Betas) -> dict[str, dict[str, Any]]:
    """Rows of factor_exposures by factor name; that of the provider's beta only if there is one."""
    if held.reason:
        return {}
    rows = {}
    for name, column in {**FACTORS, PROVIDER: "provider_beta"}.items():
        known = with_beta(held.public, betas, column)
        if known or name != PROVIDER:
            rows[name] = {
                **_exposure(known, held),
                "coverage_pct": percent(gross(lot for lot, _ in known), gross(held.public)),
                "missing_symbols": sorted(
                    {lot.symbol for lot in held.public} - {lot.symbol for lot, _ in known}
                ),
            }
    return rows


def _exposure(known: Sequence[tuple[Holding, float]], held: Holdings) -> dict[str, Any]:
    if not known:
        return dict.fromkeys(("exposure_value", "exposure_dollar", "exposure_invested"))
    return {
        "exposure_value": fsum(lot.value / held.nav * beta for lot, beta in known),
        "exposure_dollar": fsum(lot.value * beta for lot, beta in known),
        "exposure_invested": fsum(lot.value * beta for lot, beta in known) / gross(held.invested),
    }


def position_rows(held: Holdings, betas: Betas) -> dict[str, dict[str, Any]]:
    """Rows of position_factor_exposures by position id: PUBLIC lots with any beta."""
    rows = {}
    for lot in held.public if not held.reason else ():
        own = {column: beta_of(betas, lot.symbol, column) for column in FACTORS.values()}
        if any(beta is not None for beta in own.values()):
            rows[lot.position_id] = {"weight": lot.value / held.nav, **own}
    return rows


def snapshot_betas(held: Holdings, betas: Betas) -> dict[str, Any]:
    """What a snapshot says of betas: uncovered positions count 0."""
    market = with_beta(held.public, betas, "market_beta")
    provider = with_beta(held.public, betas, "provider_beta")
    above = held.nav > 0
    return {
        "beta_calculated_90d": fsum(x.value / held.nav * b for x, b in market) if above else None,
        "beta_provider_1y": fsum(x.value / held.nav * b for x, b in provider) if above else None,
        "coverage_pct": percent(gross(lot for lot, _ in market), gross(held.lots)),
        "beta_provider_coverage_pct": percent(gross(lot for lot, _ in provider), gross(held.lots)),
        "factor_exposures_reason": held.reason,
    }


def sector_name(sector: str | None, quote_type: str | None) -> str:
    if quote_type == "ETF":
        return "ETFs"
    return SECTOR_NAMES.get(sector or "", sector or "") or "Unclassified"


def sector_exposure(held: Holdings, sectors: Mapping[str, str]) -> dict[str, Any] | None:
    """{sector: {net, gross}} of PUBLIC lots over NAV."""
    if held.nav <= 0:
        return None
    found: dict[str, list[Holding]] = {}
    for lot in held.public:
        found.setdefault(sectors.get(lot.symbol, "Unclassified"), []).append(lot)
    return {
        sector: {
            "net": fsum(lot.value for lot in lots) / held.nav,
            "gross": gross(lots) / held.nav,
        }
        for sector, lots in found.items()
    }
