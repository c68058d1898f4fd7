"""Stress tests of one portfolio, scenario by scenario (methodology, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any

import numpy as np
import pandas as pd

from sigmasight_assets_tests.oracles_exposures import Betas, Holdings, beta_of, gross, percent

PROXY_OF = {
    "Market": "SPY",
    "Interest_Rate": "TLT",
    "Value": "VTV",
    "Growth": "VUG",
    "Momentum": "MTUM",
    "Quality": "QUAL",
    "Size": "IWM",
    "Low Volatility": "USMV",
}
EXPOSED_AS = {"Market": "Market Beta (90D)", "Interest_Rate": "IR Beta"}
JOINT = {
    "SPY": "joint_market",
    "TLT": "joint_rates",
    "VTV": "joint_value",
    "VUG": "joint_growth",
    "MTUM": "joint_momentum",
    "QUAL": "joint_quality",
    "IWM": "joint_size",
    "USMV": "joint_low_volatility",
}
MARKET_RISK = {
    **{f"market_up_{n}": ("Market", n / 100) for n in (5, 10, 20)},
    **{f"market_down_{n}": ("Market", -n / 100) for n in (5, 10, 20)},
    **{f"rates_up_{n}bp": ("Interest_Rate", n / 10_000) for n in (100, 200)},
    **{f"rates_down_{n}bp": ("Interest_Rate", -n / 10_000) for n in (100, 200)},
}


@dataclass(frozen=True)
class Moves:
    """What a scenario does to the eight proxies; `excess`: the styles less the market's part."""

    moves: Mapping[str, float] | None
    excess: Mapping[str, float]
    plausibility: float | None
    reason: str | None


class ProxyMoves:
    """How the proxies of one session move with those that a scenario shocks."""

    def __init__(self, returns: pd.DataFrame, slopes: Mapping[str, float]) -> None:
        window = returns.reindex(columns=list(JOINT)).iloc[-252:]
        weight = pd.Series(0.97 ** np.arange(len(window))[::-1], index=window.index)
        self.sample = window.dropna()
        self.weight = weight[self.sample.index] / weight[self.sample.index].sum()
        self.slopes = slopes

    def of(self, shocks: Mapping[str, float], style_shocks: str = "excess") -> Moves:
        if len(self.sample) < 60 or any(np.isnan(slope) for slope in self.slopes.values()):
            return Moves(None, {}, None, "insufficient_history")
        shocked = self._shocked(shocks, style_shocks)
        known, given = list(shocked), np.array(list(shocked.values()))
        root = np.sqrt(self.weight.to_numpy())[:, None]
        x = self.sample[known].to_numpy() * root
        moves = dict(shocked)
        for proxy in JOINT:
            if proxy not in shocked:
                y = self.sample[proxy].to_numpy() * root[:, 0]
                slopes = np.linalg.lstsq(x, y, rcond=None)[0]
                moves[proxy] = max(-0.95, float(given @ slopes))
        excess = {
            proxy: move - self.slopes.get(proxy, 0.0) * moves["SPY"]
            for proxy, move in moves.items()
        }
        distance = float(given @ np.linalg.solve(x.T @ x, given))
        return Moves(moves, excess, sqrt(distance / 252), None)

    def _shocked(self, shocks: Mapping[str, float], style_shocks: str) -> dict[str, float]:
        found = {}
        for factor, shock in shocks.items():
            proxy = PROXY_OF[factor]
            move = rate_return(shock) if factor == "Interest_Rate" else shock
            if proxy in self.slopes and "Market" in shocks and style_shocks == "excess":
                move += self.slopes[proxy] * shocks["Market"]
            found[proxy] = max(-0.95, move)
        return found


def rate_return(change: float) -> float:
    """The return of TLT when yields change: duration 16, convexity 360."""
    return -16 * change + 180 * change**2


def move_row(found: Moves) -> dict[str, Any]:
    """A row of stress_scenario_moves."""
    return {
        "implied_moves": None if found.moves is None else dict(found.moves),
        "plausibility": found.plausibility,
        "implausible": found.plausibility is not None and found.plausibility > 5,
        "reason": found.reason,
    }


def stress_row(
    held: Holdings,
    exposures: Mapping[str, Mapping[str, Any]],
    betas: Betas,
    shocks: Mapping[str, float],
    found: Moves,
) -> dict[str, Any]:
    """A row of stress_test_results. exposures: the portfolio's rows of factor_exposures."""
    direct = _direct(held, exposures, shocks)
    correlated = _correlated(held, betas, found)
    both = (direct["direct_pnl"], correlated["correlated_pnl"])
    effect = None if None in both else both[1] - both[0]
    return {**direct, **correlated, "correlation_effect": effect}


def _direct(
    held: Holdings, exposures: Mapping[str, Mapping[str, Any]], shocks: Mapping[str, float]
) -> dict[str, Any]:
    if held.reason:
        return {"direct_pnl": None, "direct_reason": held.reason}
    parts = []
    for factor, shock in shocks.items():
        dollars = exposures[EXPOSED_AS.get(factor, factor)]["exposure_dollar"]
        if dollars is None:
            return {"direct_pnl": None, "direct_reason": "no_exposure"}
        parts.append(dollars * (rate_return(shock) if factor == "Interest_Rate" else shock))
    return {"direct_pnl": fsum(parts), "direct_reason": None}


def _correlated(held: Holdings, betas: Betas, found: Moves) -> dict[str, Any]:
    """Coverage and fallbacks tell of the betas: they stand whatever the proxies can say."""
    joint, plain = _modelled_by(held, betas)
    covered = [lot for lot in held.public if lot.symbol in joint]
    reason = None if held.public else "no_public_positions"
    reason = reason or found.reason or (None if covered else "no_exposure")
    returns = {
        symbol: fsum(beta * found.excess[proxy] for proxy, beta in own.items())
        for symbol, own in joint.items()
        if reason is None
    }
    return {
        "correlated_pnl": (
            None if reason else fsum(lot.value * max(-1, returns[lot.symbol]) for lot in covered)
        ),
        "correlated_reason": reason,
        "coverage_pct": percent(gross(covered), gross(held.lots)),
        "floored_symbols": sorted(symbol for symbol, move in returns.items() if move < -1),
        "fallback_symbols": plain,
    }


def _modelled_by(held: Holdings, betas: Betas) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Symbol -> the betas it enters with; and the symbols for which market beta has to do."""
    found: dict[str, dict[str, float]] = {}
    plain = []
    for symbol in sorted({lot.symbol for lot in held.public}):
        joint = {proxy: beta_of(betas, symbol, column) for proxy, column in JOINT.items()}
        known = {proxy: beta for proxy, beta in joint.items() if beta is not None}
        market = beta_of(betas, symbol, "market_beta")
        if len(known) == len(JOINT):
            found[symbol] = known
        elif market is not None:
            found[symbol] = {"SPY": market}
            plain.append(symbol)
    return found, plain


def market_risk_rows(
    held: Holdings,
    exposures: Mapping[str, Mapping[str, Any]],
    betas: Betas,
    moves: Mapping[str, Moves],
) -> dict[str, dict[str, Any]]:
    """Rows of market_risk_scenarios by scenario."""
    columns = ("direct_pnl", "correlated_pnl", "direct_reason", "correlated_reason")
    rows: dict[str, dict[str, Any]] = {}
    for name, (factor, shock) in MARKET_RISK.items():
        row = stress_row(held, exposures, betas, {factor: shock}, moves[name])
        rows[name] = {column: row[column] for column in columns}
    return rows
