"""Correlations of log returns, pair by pair (methodology, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

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


@lru_cache(maxsize=4)
def pairs(n: int) -> tuple[Ints, Ints]:
    """Rows and columns of the upper triangle of an (n, n) matrix, by rows: P = n(n-1)/2 each."""
    i, j = np.triu_indices(n, 1)
    i.flags.writeable = j.flags.writeable = False
    return i, j


def of_pairs(matrices: NDArray[Any], transposed: bool = False) -> NDArray[Any]:
    """The upper triangles of B matrices, (B, n, n) to (B, P), or the lower ones by columns."""
    n = matrices.shape[1]
    i, j = pairs(n)
    place = j * n + i if transposed else i * n + j
    taken: NDArray[Any] = matrices.reshape(len(matrices), n * n).take(place, axis=1)
    return taken


def pairwise_correlations(centred: Floats, known: Floats) -> tuple[Floats, NDArray[np.int16]]:
    """Pearson correlation and number of common returns of every pair, in B sets of n symbols.

    centred, known: (B, n, 90) rows of a ReturnWindow. Each pair uses the sessions on which both
    have a return. Both results have shape (B, n(n-1)/2), in the order of `pairs`. The correlation
    is NaN with fewer than 30 common returns, or where either does not vary over them.

    A product of stacks is one product per set, of the set's own shape, so the bits of a result
    do not depend on which other sets are computed in the same run.
    """
    sessions = np.swapaxes(known, 1, 2)
    common = of_pairs(known @ sessions)
    total, square = centred @ sessions, centred**2 @ sessions
    divisor = np.maximum(common, 1)
    sum_i, sum_j = of_pairs(total), of_pairs(total, transposed=True)
    square_i, square_j = of_pairs(square), of_pairs(square, transposed=True)
    variance_i, variance_j = square_i - sum_i**2 / divisor, square_j - sum_j**2 / divisor
    covariance = of_pairs(centred @ np.swapaxes(centred, 1, 2)) - sum_i * sum_j / divisor
    enough = common >= MINIMUM
    lost = (variance_i <= _CANCELLED * square_i) | (variance_j <= _CANCELLED * square_j)
    scale = np.sqrt(variance_i * variance_j, out=np.ones_like(covariance), where=~lost)
    correlation = np.where(enough & ~lost, covariance / scale, np.nan)
    for each, pair in np.argwhere(enough & lost):
        both = [index[pair] for index in pairs(centred.shape[1])]
        shared = known[each, both].all(axis=0)
        correlation[each, pair] = _in_two_passes(*centred[each, both][:, shared])
    return np.clip(correlation, -1.0, 1.0), common.astype(np.int16)


def _in_two_passes(first: Floats, second: Floats) -> float:
    """The correlation of two complete samples, NaN where either does not vary."""
    x, y = first - first.mean(), second - second.mean()
    variances = (x * x).sum(), (y * y).sum()
    if min(variances) <= _NO_VARIANCE * len(x):
        return float("nan")
    return float((x * y).sum() / np.sqrt(variances[0] * variances[1]))


def completed_matrices(correlation: Floats, n: int) -> tuple[Floats, Bools]:
    """Positive semi-definite (B, n, n) matrices from pairwise correlations; which were adjusted.

    correlation: (B, n(n-1)/2). An unknown pair takes the mean of the known ones of its matrix, of
    which there is at least one. If the smallest eigenvalue is below -1e-8, eigenvalues are
    clipped at 0 and the diagonal is rescaled to 1.
    """
    known = np.isfinite(correlation)
    mean = np.where(known, correlation, 0.0).sum(axis=1) / known.sum(axis=1)
    filled = np.where(known, correlation, mean[:, None])
    i, j = pairs(n)
    matrices = np.empty((len(correlation), n, n))
    matrices[:, i, j] = matrices[:, j, i] = filled
    matrices[:, range(n), range(n)] = 1.0
    adjusted = ~np.array([_nearly_positive(matrix) for matrix in matrices], dtype=np.bool_)
    values, vectors = np.linalg.eigh(matrices[adjusted])
    clipped = (vectors * np.maximum(values, 0.0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    deviation = np.sqrt(np.diagonal(clipped, axis1=1, axis2=2))
    matrices[adjusted] = clipped / (deviation[:, :, None] * deviation[:, None, :])
    return matrices, adjusted


def _nearly_positive(matrix: Floats) -> bool:
    # A Cholesky factor exists where every eigenvalue is positive; it costs a tenth of them.
    try:
        np.linalg.cholesky(matrix + _NEGATIVE_EIGENVALUE * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True
