"""Symbol-layer results of one session, as the portfolio calculations take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from sigmasight_assets.core.shapes.panel import Floats


@dataclass(frozen=True)
class SymbolFactors:
    """Stored betas of one session.

    symbols: sorted, S of them. betas: (S, 12) in the order of core.factors.BETA_COLUMNS.
    joint: (S, 8) in the order of core.factors.JOINT_COLUMNS. provider_beta: (S,).
    NaN = not computed. A symbol without a row is simply absent.
    """

    symbols: tuple[str, ...]
    betas: Floats
    joint: Floats
    provider_beta: Floats


@dataclass(frozen=True)
class Profiles:
    """What is known about companies.

    symbols: sorted, S of them. sector, quote_type: (S,) str, '' = unknown.
    """

    symbols: tuple[str, ...]
    sector: NDArray[Any]
    quote_type: NDArray[Any]


@dataclass(frozen=True)
class CompanyProfiles:
    """What a provider says about C companies.

    symbols: sorted. company_name, sector, industry: (C,) str, '' = unknown.
    market_cap: (C,) USD, pe_ratio: (C,), NaN = unknown.
    """

    symbols: tuple[str, ...]
    company_name: NDArray[Any]
    sector: NDArray[Any]
    industry: NDArray[Any]
    market_cap: Floats
    pe_ratio: Floats


@dataclass(frozen=True)
class FactorCovariance:
    """How the eight proxies move together at one session.

    covariance, correlation: (8, 8) daily, in the order of core.factors.PROXIES; all NaN when
    fewer than 60 sessions have all eight returns. observations: sessions used.
    market_slopes: (6,) b_f of the style proxies PROXIES[2:], NaN where unknown.
    """

    covariance: Floats
    correlation: Floats
    observations: int
    market_slopes: Floats
