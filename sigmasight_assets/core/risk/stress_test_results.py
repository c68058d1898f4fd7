"""What the stress scenarios would cost each portfolio (methodology, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from sigmasight_assets.core.risk.factor_exposures import FactorExposures
from sigmasight_assets.core.risk.result_columns import documents, session_column
from sigmasight_assets.core.risk.scenarios import Scenario, active
from sigmasight_assets.core.risk.stress_pnl import stress_pnl
from sigmasight_assets.core.risk.stress_scenario_moves import DEFAULT_RATES, RateSensitivity
from sigmasight_assets.core.shapes.book import Book, Valuation
from sigmasight_assets.core.shapes.factors import FactorCovariance, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns


def stress_test_results(
    book: Book,
    valuation: Valuation,
    exposures: FactorExposures,
    factors: SymbolFactors,
    covariance: FactorCovariance,
    *,
    scenarios: Sequence[Scenario],
    session: date,
    rates: RateSensitivity = DEFAULT_RATES,
) -> Columns:
    """One row per existing portfolio and active scenario, sorted by both ids.

    Money is USD, NaN where its reason is given; correlation_effect = correlated - direct is NaN
    where either is. coverage_pct is what has joint betas or the fallback in percent of the gross
    value of all open lots, NaN where that is 0.
    """
    shown = active(scenarios)
    pnl = stress_pnl(book, valuation, exposures, factors, covariance, scenarios=shown, rates=rates)
    portfolio_id = book.portfolios.id[valuation.exists]
    return {
        "portfolio_id": np.repeat(portfolio_id, len(shown)),
        "scenario_id": np.tile(documents([each.scenario_id for each in shown]), len(portfolio_id)),
        "calculation_date": session_column(session, pnl.direct.size),
        "direct_pnl": pnl.direct.ravel(),
        "correlated_pnl": pnl.correlated.ravel(),
        "correlation_effect": (pnl.correlated - pnl.direct).ravel(),
        "coverage_pct": np.repeat(pnl.coverage_pct, len(shown)),
        "floored_symbols": pnl.floored_symbols.ravel(),
        "fallback_symbols": np.repeat(pnl.fallback_symbols, len(shown)),
        "direct_reason": pnl.direct_reason.ravel(),
        "correlated_reason": pnl.correlated_reason.ravel(),
    }
