"""What a stress scenario does to the eight proxies (methodology, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.risk.result_columns import documents, session_column
from sigmasight_assets.core.risk.scenarios import (
    MARKET,
    RATES,
    SHOCKED_PROXIES,
    Scenario,
    Shocks,
    active,
)
from sigmasight_assets.core.shapes.factors import FactorCovariance
from sigmasight_assets.core.shapes.panel import Columns, Floats

LOWEST_MOVE: Final = -0.95
IMPLAUSIBLE_ABOVE: Final = 5.0
SESSIONS_PER_YEAR: Final = 252


@dataclass(frozen=True)
class RateSensitivity:
    """How TLT answers to a yield change dy: -duration x dy + convexity / 2 x dy^2."""

    duration: float = 16.0
    convexity: float = 360.0

    def bond_return(self, yield_change: float) -> float:
        """The return of TLT, a fraction."""
        return -self.duration * yield_change + self.convexity / 2 * yield_change**2


DEFAULT_RATES: Final = RateSensitivity()


@dataclass(frozen=True)
class ScenarioMoves:
    """A scenario's return of each proxy, in the order of core.factors.PROXIES.

    moves: (8,) fractions. z: (8,) the same with the six styles in excess of b_f r_SPY, which is
    what joint betas multiply. plausibility: annual standard deviations of the shocked moves; NaN
    and implausible where the covariance rules them out altogether. reason: None, or
    'insufficient_history' where covariance or slopes are unknown and all figures are NaN.
    """

    moves: Floats
    z: Floats
    plausibility: float
    implausible: bool
    reason: str | None


def own_figures(scenario: Shocks, rates: RateSensitivity = DEFAULT_RATES) -> dict[str, float]:
    """The scenario's own figure of each shocked factor; of Interest_Rate the return of TLT."""
    return {
        factor: rates.bond_return(shock) if factor == RATES else shock
        for factor, shock in scenario.shocks.items()
    }


def scenario_moves(
    scenario: Shocks, covariance: FactorCovariance, rates: RateSensitivity = DEFAULT_RATES
) -> ScenarioMoves:
    """Moves of all eight proxies (methodology, section 8).

    Shocked proxies S move as given; the others by r_U = Cov_US Cov_SS^-1 r_S. No move is below
    -95 %. plausibility = sqrt(r_S' Cov_SS^-1 r_S / 252), implausible above 5.
    """
    slopes = np.concatenate([[0.0, 0.0], covariance.market_slopes])
    if not (np.isfinite(covariance.covariance).all() and np.isfinite(slopes).all()):
        unknown = np.full(len(PROXIES), np.nan)
        return ScenarioMoves(unknown, unknown, np.nan, False, "insufficient_history")
    given = _given_moves(scenario, slopes, rates)
    shocked = np.isfinite(given)
    among = covariance.covariance[np.ix_(shocked, shocked)]
    # The least-squares solution is the inverse's where there is one; proxies that move as one
    # leave none.
    solved = np.linalg.lstsq(among, given[shocked], rcond=1e-12)[0]
    expected = covariance.covariance[:, shocked] @ solved
    moves = np.maximum(np.where(shocked, given, expected), LOWEST_MOVE)
    z = moves - slopes * moves[0]
    if not np.allclose(among @ solved, given[shocked], rtol=1e-6, atol=1e-12):
        return ScenarioMoves(moves, z, np.nan, True, None)
    plausibility = float(np.sqrt(max(given[shocked] @ solved, 0.0) / SESSIONS_PER_YEAR))
    return ScenarioMoves(moves, z, plausibility, plausibility > IMPLAUSIBLE_ABOVE, None)


def _given_moves(scenario: Shocks, slopes: Floats, rates: RateSensitivity) -> Floats:
    """(8,) moves of the shocked proxies, NaN for the others."""
    given = np.full(len(PROXIES), np.nan)
    for factor, figure in own_figures(scenario, rates).items():
        given[PROXIES.index(SHOCKED_PROXIES[factor])] = figure
    if scenario.style_shocks == "excess" and MARKET in scenario.shocks:
        # The slopes of SPY and TLT are 0: they are never in excess of anything.
        given += slopes * given[0]
    floored: Floats = np.maximum(given, LOWEST_MOVE)
    return floored


def scenario_move_rows(
    scenarios: Sequence[Scenario],
    covariance: FactorCovariance,
    session: date,
    rates: RateSensitivity = DEFAULT_RATES,
) -> Columns:
    """Rows of stress_scenario_moves for the active scenarios, sorted by scenario_id."""
    shown = active(scenarios)
    moves = [scenario_moves(each, covariance, rates) for each in shown]
    return {
        "scenario_id": documents([each.scenario_id for each in shown]),
        "calculation_date": session_column(session, len(shown)),
        "implied_moves": documents([_move_document(each) for each in moves]),
        "plausibility": np.array([each.plausibility for each in moves], dtype=np.float64),
        "implausible": np.array([each.implausible for each in moves], dtype=np.bool_),
        "reason": documents([each.reason for each in moves]),
    }


def _move_document(moves: ScenarioMoves) -> dict[str, float] | None:
    if moves.reason is not None:
        return None
    return dict(zip(PROXIES, moves.moves.tolist(), strict=True))
