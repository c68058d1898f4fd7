"""Volatility of one portfolio from its series of returns (methodology, section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sigmasight_assets_tests.oracles_exposures import Holding

Series = NDArray[np.float64]
NEEDED = 252 + 21
YEAR = np.sqrt(252)


def portfolio_series(lots: Sequence[Holding], nav: float, returns: pd.DataFrame) -> Series:
    """What the PUBLIC lots held on the last session of `returns` would have earned, over NAV.

    NaN where symbols with less than 90 % of the gross value have a return.
    """
    total = sum(abs(lot.value) for lot in lots)
    if nav <= 0 or not total:
        return np.full(NEEDED, np.nan)
    window = returns.iloc[-NEEDED:]
    earned, covered = np.zeros(len(window)), np.zeros(len(window))
    for lot in lots:
        if lot.symbol in window:
            own = window[lot.symbol].to_numpy()
            earned += np.where(np.isnan(own), 0, own) * lot.value / nav
            covered += np.where(np.isnan(own), 0, abs(lot.value))
    known = np.where(covered >= 0.9 * total * (1 - 1e-12), earned, np.nan)
    return np.concatenate([np.full(NEEDED - len(known), np.nan), known])


def volatility_columns(series: Series) -> dict[str, Any]:
    """The six columns of a snapshot, None where not known. series: oldest first, ends at t."""
    rolling = [_deviation(series[end - 21 : end]) for end in range(21, NEEDED + 1)]
    *earlier, current = rolling
    compared = [value for value in earlier if value is not None]
    below = sum(value < current for value in compared) if current is not None else None
    return {
        "realized_volatility_21d": current,
        "realized_volatility_63d": _deviation(series[-63:]),
        "expected_volatility_21d": _forecast(series[-252:]),
        "volatility_trend": _trend(_deviation(series[-42:-21]), current),
        "volatility_percentile": (
            below / len(compared) if below is not None and len(compared) >= 63 else None
        ),
        "volatility_percentile_observations": len(compared),
    }


def _deviation(window: Series) -> float | None:
    found = float(np.std(window, ddof=0) * YEAR)
    return None if np.isnan(found) else found


def _trend(before: float | None, now: float | None) -> str | None:
    if before is None or now is None:
        return None
    if now > 1.5 * before:
        return "increasing"
    return "decreasing" if 1.5 * now < before else "stable"


def _forecast(series: Series) -> float | None:
    """Non-negative least squares of the volatility of 21 sessions on what was known before."""
    squares = pd.Series(series**2)
    known = pd.DataFrame({h: _root_mean(squares, h) for h in (1, 5, 21)}).assign(one=1.0)
    pairs = known.assign(later=known[21].shift(-21)).dropna()
    now = known.iloc[-1].to_numpy()
    if len(pairs) < 126 or np.isnan(now).any():
        return None
    slopes = _best_non_negative(pairs[[1, 5, 21, "one"]].to_numpy(), pairs["later"].to_numpy())
    return float(slopes @ now * YEAR)


def _root_mean(squares: pd.Series, h: int) -> Series:
    """Each window is summed afresh; pandas' own rolling mean carries what left it along."""
    windows = np.lib.stride_tricks.sliding_window_view(squares.to_numpy(), h)
    return np.concatenate([np.full(h - 1, np.nan), np.sqrt(windows.mean(axis=1))])


def _best_non_negative(matrix: Series, target: Series) -> Series:
    """The best of the least-squares fits on every set of columns that needs no negative slope."""
    best, least = np.zeros(matrix.shape[1]), float(target @ target)
    for size in range(1, matrix.shape[1] + 1):
        for chosen in map(list, combinations(range(matrix.shape[1]), size)):
            slopes = np.linalg.lstsq(matrix[:, chosen], target, rcond=None)[0]
            error = float(np.sum((matrix[:, chosen] @ slopes - target) ** 2))
            if (slopes >= 0).all() and error < least:
                best, least = np.zeros(matrix.shape[1]), error
                best[chosen] = slopes
    return best
