"""Realised and expected volatility of portfolios (methodology, section 7).

A portfolio's return series holds what it holds on t at its weights of t over past sessions; it is
not the history of its NAV. Every window is summed afresh, one session after the other and
elementwise over portfolios, so a portfolio's bits do not depend on which others share the run.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from sigmasight_assets.core.shapes.panel import Columns, Floats

SESSIONS_PER_YEAR: Final = 252
MONTH: Final = 21
QUARTER: Final = 63
YEAR: Final = 252
RETURNS_USED: Final = YEAR + MONTH
"""The 252 rolling 21-session values ending before t reach back this far, t included."""

MINIMUM_PAIRS: Final = 126
MINIMUM_VALUES: Final = 63
TREND_RATIO: Final = 1.5


def volatility(returns: Floats) -> Columns:
    """The volatility columns of portfolio_snapshots from return series.

    returns: (P, 273), the sessions ending at t in order, NaN = missing. Volatilities are
    annualised fractions and NaN, trends None, where a return they need is missing.
    """
    rolling = rolling_volatility(returns, MONTH)
    percentile, observations = _percentile(rolling)
    return {
        "realized_volatility_21d": rolling[:, -1],
        "realized_volatility_63d": rolling_volatility(returns[:, -QUARTER:], QUARTER)[:, -1],
        "expected_volatility_21d": _expected(returns[:, -YEAR:]),
        "volatility_trend": _trend(rolling[:, -1], rolling[:, -1 - MONTH]),
        "volatility_percentile": percentile,
        "volatility_percentile_observations": observations,
    }


def rolling_volatility(returns: Floats, n: int) -> Floats:
    """std(n returns, ddof 0) x sqrt 252 of each window of n; (P, R) to (P, R - n + 1).

    NaN where any of the n returns is missing.
    """
    width = returns.shape[1] - n + 1
    mean = _rolling_sum(returns, n) / n
    squares = np.zeros_like(mean)
    for k in range(n):
        deviation = returns[:, k : k + width] - mean
        squares += deviation * deviation
    return np.sqrt(squares / n * SESSIONS_PER_YEAR)


def _rolling_sum(values: Floats, n: int) -> Floats:
    """The sum of each window of n, each added up on its own; (P, R) to (P, R - n + 1)."""
    width = values.shape[1] - n + 1
    total = values[:, :width].copy()
    for k in range(1, n):
        total += values[:, k : k + width]
    return total


def _trend(current: Floats, before: Floats) -> NDArray[Any]:
    """Whether volatility rose or fell by more than half; None unless both are known."""
    trend = np.full(len(current), "stable", dtype=object)
    trend[current > TREND_RATIO * before] = "increasing"
    trend[current < before / TREND_RATIO] = "decreasing"
    trend[np.isnan(current) | np.isnan(before)] = None
    return trend


def _percentile(rolling: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Share of the known values before the last that lie below it, and how many are known.

    NaN below 63 known values or without the last one.
    """
    current, earlier = rolling[:, -1], rolling[:, :-1]
    known = np.isfinite(earlier).sum(axis=1)
    below = (earlier < current[:, None]).sum(axis=1)
    usable = (known >= MINIMUM_VALUES) & np.isfinite(current)
    return np.where(usable, below / np.maximum(known, 1), np.nan), known


def _expected(returns: Floats) -> Floats:
    """Forecast of the next 21 sessions' volatility from 252 returns: (P, 252) to (P,).

    v_h(s) is the root mean square of the h returns ending at s. v_21(s+21) is regressed on 1,
    v_1(s), v_5(s), v_21(s) by non-negative least squares over the s that have all four and the
    target; NaN below 126 of them or where a regressor at t is missing.
    """
    squared = returns * returns
    root_mean = [np.sqrt(_rolling_sum(squared, h) / h) for h in (1, 5, MONTH)]
    constant = np.ones_like(root_mean[-1])
    width = constant.shape[1]
    regressors = np.stack([constant, *(v[:, -width:] for v in root_mean)], axis=2)
    forecast = np.full(len(returns), np.nan)
    for p in range(len(returns)):
        past, target = regressors[p, :-MONTH], regressors[p, MONTH:, -1]
        pairs = np.isfinite(past).all(axis=1) & np.isfinite(target)
        now = regressors[p, -1]
        if pairs.sum() >= MINIMUM_PAIRS and np.isfinite(now).all():
            slopes = nnls(past[pairs], target[pairs])[0]
            forecast[p] = sum(slope * value for slope, value in zip(slopes, now, strict=True))
    return forecast * float(np.sqrt(SESSIONS_PER_YEAR))
