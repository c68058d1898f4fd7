"""What plain moves of the market and of yields would cost each portfolio (section 8)."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core.risk.factor_exposures import FactorExposures
from sigmasight_assets.core.risk.result_columns import documents, session_column
from sigmasight_assets.core.risk.scenarios import MARKET, RATES, Shocks
from sigmasight_assets.core.risk.stress_pnl import stress_pnl
from sigmasight_assets.core.risk.stress_scenario_moves import DEFAULT_RATES, RateSensitivity
from sigmasight_assets.core.shapes.book import Book, Valuation
from sigmasight_assets.core.shapes.factors import FactorCovariance, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns

MARKET_RISK_MOVES: Final = tuple(
    sorted(
        [
            Shocks(scenario_id=f"market_{way}_{size}", shocks={MARKET: sign * size / 100})
            for way, sign in (("up", 1), ("down", -1))
            for size in (5, 10, 20)
        ]
        + [
            Shocks(scenario_id=f"rates_{way}_{size}bp", shocks={RATES: sign * size / 10_000})
            for way, sign in (("up", 1), ("down", -1))
            for size in (100, 200)
        ],
        key=lambda move: move.scenario_id,
    )
)
"""Market moves of 5, 10 and 20 %, yield changes of 100 and 200 basis points, by scenario_id."""


def market_risk_scenarios(
    book: Book,
    valuation: Valuation,
    exposures: FactorExposures,
    factors: SymbolFactors,
    covariance: FactorCovariance,
    *,
    session: date,
    rates: RateSensitivity = DEFAULT_RATES,
) -> Columns:
    """One row per existing portfolio and move, sorted by portfolio and scenario.

    The figures are those of stress_test_results: USD, NaN where their reason is given.
    """
    pnl = stress_pnl(
        book,
        valuation,
        exposures,
        factors,
        covariance,
        scenarios=MARKET_RISK_MOVES,
        rates=rates,
    )
    portfolio_id = book.portfolios.id[valuation.exists]
    names = documents([move.scenario_id for move in MARKET_RISK_MOVES])
    return {
        "portfolio_id": np.repeat(portfolio_id, len(names)),
        "scenario": np.tile(names, len(portfolio_id)),
        "calculation_date": session_column(session, pnl.direct.size),
        "direct_pnl": pnl.direct.ravel(),
        "correlated_pnl": pnl.correlated.ravel(),
        "direct_reason": pnl.direct_reason.ravel(),
        "correlated_reason": pnl.correlated_reason.ravel(),
    }
