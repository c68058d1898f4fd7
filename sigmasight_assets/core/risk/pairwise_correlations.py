"""Correlations of log returns, pair by pair (methodology, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.risk.returns import log_returns, window
from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Bools, Floats, PricePanel, locate

WINDOW: Final = 90
MINIMUM: Final = 30

_NO_VARIANCE: Final = 1e-24
"""Mean squared deviation of log returns that rounding alone leaves of a constant growth."""

_CANCELLED: Final = 1e-5
"""Below this share of its raw moment a variance has lost digits that a second pass restores."""

_NEGATIVE_EIGENVALUE: Final = 1e-8


@dataclass(frozen=True)
class ReturnWindow:
    """Log returns of S symbols over the 90 sessions ending at one session.

    centred: (S, 90) less the symbol's own mean, 0 where there is no return.
    known: (S, 90) 1.0 where there is a return, else 0.0.
    count: (S,) returns of each symbol. varies: (S,) False for a constant return.
    """

    centred: Floats
    known: Floats
    count: Ints
    varies: Bools


def return_window(panel: PricePanel, symbols: tuple[str, ...], session: date) -> ReturnWindow:
    """Log returns of adj_close for each of `symbols`, in their order.

    A return needs a price on both sessions. There is none for a symbol that the panel lacks, nor
    for sessions before the panel's first.

    Raises:
        KeyError: if the panel does not hold the session.
    """
    at = locate(panel.symbols, np.array(symbols, dtype=str))
    prices = np.full((WINDOW + 1, len(symbols)), np.nan)
    prices[:, at >= 0] = window(panel.adj_close, panel.row(session), WINDOW + 1)[:, at[at >= 0]]
    returns = np.ascontiguousarray(log_returns(prices)[1:].T)
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    mean = np.where(known, returns, 0.0).sum(axis=1) / np.maximum(count, 1)
    centred = np.where(known, returns - mean[:, None], 0.0)
    varies = (centred**2).sum(axis=1) > _NO_VARIANCE * count
    return ReturnWindow(centred, known.astype(np.float64), count, varies)


def pairs(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the upper triangle of an (n, n) matrix, by rows: n(n-1)/2 of each."""
    return np.triu_indices(n, 1)


def pairwise_correlations(centred: Floats, known: Floats) -> tuple[Floats, Ints]:
    """Pearson correlation and number of common returns of every pair of n symbols.

    centred, known: (n, 90) rows of a ReturnWindow. Each pair uses the sessions on which both
    have a return. Both results have shape (n(n-1)/2,), in the order of `pairs`. The correlation
    is NaN with fewer than 30 common returns, or where either does not vary over them.

    The products have the shape of this one set of symbols, so that the result's bits do not
    depend on which other sets are computed in the same run.
    """
    i, j = pairs(len(centred))
    common = (known @ known.T)[i, j]
    total = centred @ known.T
    square = centred**2 @ known.T
    sessions = np.maximum(common, 1)
    sum_i, sum_j = total[i, j], total[j, i]
    variance_i = square[i, j] - sum_i**2 / sessions
    variance_j = square[j, i] - sum_j**2 / sessions
    covariance = (centred @ centred.T)[i, j] - sum_i * sum_j / sessions
    lost = (variance_i <= _CANCELLED * square[i, j]) | (variance_j <= _CANCELLED * square[j, i])
    usable = (common >= MINIMUM) & ~lost
    correlation = np.full(len(i), np.nan)
    scale = np.sqrt(variance_i * variance_j, out=np.ones(len(i)), where=usable)
    np.divide(covariance, scale, out=correlation, where=usable)
    for pair in np.flatnonzero((common >= MINIMUM) & lost):
        both = (known[i[pair]] > 0) & (known[j[pair]] > 0)
        correlation[pair] = _in_two_passes(centred[i[pair], both], centred[j[pair], both])
    return np.clip(correlation, -1.0, 1.0), common.astype(np.int64)


def _in_two_passes(first: Floats, second: Floats) -> float:
    """The correlation of two complete samples, NaN where either does not vary."""
    x, y = first - first.mean(), second - second.mean()
    variances = (x * x).sum(), (y * y).sum()
    if min(variances) <= _NO_VARIANCE * len(x):
        return float("nan")
    return float((x * y).sum() / np.sqrt(variances[0] * variances[1]))


def completed_matrix(correlation: Floats, n: int) -> tuple[Floats, bool]:
    """A positive semi-definite (n, n) matrix from pairwise correlations, and if it was adjusted.

    An unknown pair takes the mean of the known ones, of which there is at least one. If the
    smallest eigenvalue is below -1e-8, eigenvalues are clipped at 0 and the diagonal is rescaled
    to 1.
    """
    i, j = pairs(n)
    known = np.isfinite(correlation)
    matrix = np.eye(n)
    matrix[i, j] = np.where(known, correlation, correlation[known].mean())
    matrix[j, i] = matrix[i, j]
    if _nearly_positive(matrix):
        return matrix, False
    values, vectors = np.linalg.eigh(matrix)
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    deviation = np.sqrt(np.diag(clipped))
    return clipped / np.outer(deviation, deviation), True


def _nearly_positive(matrix: Floats) -> bool:
    # A Cholesky factor exists where every eigenvalue is positive; it costs a tenth of them.
    try:
        np.linalg.cholesky(matrix + _NEGATIVE_EIGENVALUE * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True
