"""Profit and loss of portfolios under scenarios (methodology, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.factors import BETA_COLUMNS, FACTORS
from sigmasight_assets.core.risk.factor_exposures import FactorExposures
from sigmasight_assets.core.risk.holdings import coverage_pct, open_lots, open_public_lots
from sigmasight_assets.core.risk.portfolio_sums import portfolio_sums
from sigmasight_assets.core.risk.result_columns import symbol_lists, without_reason
from sigmasight_assets.core.risk.scenarios import SHOCKED_PROXIES, Shocks
from sigmasight_assets.core.risk.stress_scenario_moves import (
    RateSensitivity,
    ScenarioMoves,
    own_figures,
    scenario_moves,
)
from sigmasight_assets.core.shapes.book import Book, Ints, Texts, Valuation
from sigmasight_assets.core.shapes.factors import FactorCovariance, SymbolFactors
from sigmasight_assets.core.shapes.panel import Bools, Floats, locate

LOWEST_RETURN: Final = -1.0

_BETA_OF_PROXY: Final = {factor.etf_proxy: beta for beta, factor in enumerate(FACTORS)}
_MARKET_BETA: Final = BETA_COLUMNS.index("market_beta")


@dataclass(frozen=True)
class StressPnl:
    """P&L of the E existing portfolios under K scenarios, in USD; NaN where a reason is given.

    direct, correlated: (E, K). direct_reason: (E, K) object, None, the portfolio's reason for
    having no exposures, or no_exposure. correlated_reason: (E, K) object, None,
    no_public_positions, insufficient_history (of the proxies) or no_exposure.
    coverage_pct: (E,) 0-100 of the gross value of all open lots, NaN where that is 0.
    floored_symbols: (E, K), fallback_symbols: (E,) object arrays of sorted lists.
    """

    direct: Floats
    correlated: Floats
    direct_reason: NDArray[Any]
    correlated_reason: NDArray[Any]
    coverage_pct: Floats
    floored_symbols: NDArray[Any]
    fallback_symbols: NDArray[Any]


@dataclass(frozen=True)
class _JointBetas:
    """How symbols enter: joint (S + 1, 8), NaN = not at all; fallback (S + 1,) by market beta.

    The last row, where index -1 leads, is that of a symbol without stored betas.
    """

    joint: Floats
    fallback: Bools


@dataclass(frozen=True)
class _PublicLots:
    """Open PUBLIC lots, L of them, of P portfolios; beta is a row of _JointBetas."""

    portfolios: int
    portfolio: Ints
    symbol: Texts
    beta: Ints
    value: Floats
    covered: Bools


def stress_pnl(
    book: Book,
    valuation: Valuation,
    exposures: FactorExposures,
    factors: SymbolFactors,
    covariance: FactorCovariance,
    *,
    scenarios: Sequence[Shocks],
    rates: RateSensitivity,
) -> StressPnl:
    """Direct and correlated P&L (methodology, section 8).

    direct = sum over shocked factors of exposure_dollar_f x the scenario's own figure, never
    floored. correlated = sum over open PUBLIC lots of MV_i x max(-1, joint_i . z), in order of
    position id. A symbol with a market beta but no joint betas enters as (market_beta, 0, ...)
    and is listed; one with neither counts 0 and lowers the coverage, and where all are such the
    figure is unknown.
    """
    betas = _joint_betas(factors)
    lots = _public_lots(book, valuation, factors, betas)
    moves = [scenario_moves(scenario, covariance, rates) for scenario in scenarios]
    returns = _modelled_returns(betas, moves)
    direct = _direct(exposures, scenarios, rates)
    here = valuation.exists
    correlated_reason = _correlated_reasons(lots, moves)[here]
    return StressPnl(
        direct,
        np.where(without_reason(correlated_reason), _correlated(lots, returns)[here], np.nan),
        _direct_reasons(exposures, direct),
        correlated_reason,
        _coverage(book, valuation, lots)[here],
        _floored_symbols(lots, returns)[here],
        _fallback_symbols(lots, betas)[here],
    )


def _joint_betas(factors: SymbolFactors) -> _JointBetas:
    market = factors.betas[:, _MARKET_BETA]
    complete = np.isfinite(factors.joint).all(axis=1)
    fallback = ~complete & np.isfinite(market)
    joint = np.full((len(market) + 1, factors.joint.shape[1]), np.nan)
    joint[:-1][complete] = factors.joint[complete]
    joint[:-1][fallback] = 0.0
    joint[:-1][fallback, 0] = market[fallback]
    return _JointBetas(joint, np.append(fallback, False))


def _public_lots(
    book: Book, valuation: Valuation, factors: SymbolFactors, betas: _JointBetas
) -> _PublicLots:
    lot = open_public_lots(book, valuation)
    symbol = book.lots.symbol[lot]
    beta = locate(factors.symbols, symbol)
    return _PublicLots(
        len(book.portfolios),
        book.lots.portfolio[lot],
        symbol,
        beta,
        valuation.market_value[lot],
        np.isfinite(betas.joint[beta, 0]),
    )


def _modelled_returns(betas: _JointBetas, moves: Sequence[ScenarioMoves]) -> Floats:
    """(S + 1, K) fractions, before the floor.

    Added factor by factor: a matrix product's last bits would depend on the number of symbols.
    """
    returns = np.zeros((len(betas.joint), len(moves)))
    z = np.array([each.z for each in moves]).reshape(len(moves), betas.joint.shape[1])
    for f in range(betas.joint.shape[1]):
        returns += betas.joint[:, f, None] * z[:, f]
    return returns


def _direct(
    exposures: FactorExposures, scenarios: Sequence[Shocks], rates: RateSensitivity
) -> Floats:
    """(E, K) USD, NaN where the exposure to a shocked factor is."""
    direct = np.zeros((len(exposures.dollar), len(scenarios)))
    for k, scenario in enumerate(scenarios):
        for factor, figure in own_figures(scenario, rates).items():
            beta = _BETA_OF_PROXY[SHOCKED_PROXIES[factor]]
            direct[:, k] += exposures.dollar[:, beta] * figure
    return direct


def _direct_reasons(exposures: FactorExposures, direct: Floats) -> NDArray[Any]:
    reason = np.full(direct.shape, None, dtype=object)
    reason[np.isnan(direct)] = "no_exposure"
    unexposed = ~without_reason(exposures.reason)
    reason[unexposed] = exposures.reason[unexposed, None]
    return reason


def _correlated(lots: _PublicLots, returns: Floats) -> Floats:
    """(P, K) USD."""
    pnl = lots.value[:, None] * np.maximum(returns, LOWEST_RETURN)[lots.beta]
    sums = [
        portfolio_sums(lots.portfolio, pnl[:, k], lots.covered, lots.portfolios)
        for k in range(pnl.shape[1])
    ]
    return np.array(sums).reshape(pnl.shape[1], lots.portfolios).T


def _correlated_reasons(lots: _PublicLots, moves: Sequence[ScenarioMoves]) -> NDArray[Any]:
    """(P, K) object."""
    reason = np.full((lots.portfolios, len(moves)), None, dtype=object)
    covered = lots.portfolio[lots.covered]
    reason[np.bincount(covered, minlength=lots.portfolios) == 0] = "no_exposure"
    for k, each in enumerate(moves):
        if each.reason is not None:
            reason[:, k] = each.reason
    count = np.bincount(lots.portfolio, minlength=lots.portfolios)
    reason[count == 0] = "no_public_positions"
    return reason


def _coverage(book: Book, valuation: Valuation, lots: _PublicLots) -> Floats:
    """(P,) 0-100."""
    covered = portfolio_sums(lots.portfolio, np.abs(lots.value), lots.covered, lots.portfolios)
    gross = portfolio_sums(
        book.lots.portfolio,
        np.abs(valuation.market_value),
        open_lots(book, valuation),
        lots.portfolios,
    )
    return coverage_pct(covered, gross, np.nan)


def _floored_symbols(lots: _PublicLots, returns: Floats) -> NDArray[Any]:
    """(P, K) object array of lists."""
    lot, scenario = np.nonzero((returns < LOWEST_RETURN)[lots.beta])
    shape = (lots.portfolios, returns.shape[1])
    cell = lots.portfolio[lot] * shape[1] + scenario
    return symbol_lists(cell, lots.symbol[lot], shape[0] * shape[1]).reshape(shape)


def _fallback_symbols(lots: _PublicLots, betas: _JointBetas) -> NDArray[Any]:
    """(P,) object array of lists."""
    entered = betas.fallback[lots.beta]
    return symbol_lists(lots.portfolio[entered], lots.symbol[entered], lots.portfolios)
