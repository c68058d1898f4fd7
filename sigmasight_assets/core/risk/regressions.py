"""Least squares of many symbols on the same regressors, each over its own sessions.

A symbol's sample is the sessions of the window on which it and all regressors have a return.
The normal equations of a block of symbols are two matrix products: the moments of the regressors
with the mask of known returns, and the regressors with the returns themselves.

The products are np.einsum, which adds session after session. BLAS is faster but orders its sums by
the shape of the operands and the number of threads: the last bits would depend on the machine's
load settings (methodology, section 1, Numerics).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.returns import blocks
from sigmasight_assets.core.shapes.panel import Bools, Floats


@dataclass(frozen=True)
class Design:
    """The regressors of one model over the n sessions of its window.

    usable: (n,) 1.0 where all k regressors have a return, else 0.0.
    regressors: (n, k) returns, 0 on sessions that are not usable.
    moments: (n, 1 + k + k (k + 1) / 2) of each session: usable, the regressors, and the products
    of each pair of them in the order of np.triu_indices.
    alpha, alpha_per_observation: (k,) ridge penalty alpha + alpha_per_observation x observations
    on the squared coefficient of the regressor z-scored (ddof 0) in the symbol's sample.
    """

    usable: Floats
    regressors: Floats
    moments: Floats
    alpha: Floats
    alpha_per_observation: Floats


@dataclass(frozen=True)
class Fit:
    """One model fitted to S symbols.

    coefficients: (k, S) per unit of regressor, with an intercept that is not kept; NaN where the
    sample does not determine them: it is empty, a regressor does not vary in it, or regressors
    without a penalty are collinear in it.
    observations: (S,) size of the sample. residual_sum: (S,) sum of squared residuals.
    r_squared: (S,) 1 - SSR/SST in sample, NaN also where the symbol's returns do not vary.
    """

    coefficients: Floats
    observations: Floats
    residual_sum: Floats
    r_squared: Floats


def design(
    regressors: Floats, alpha: Sequence[float], alpha_per_observation: Sequence[float]
) -> Design:
    """The design of (n, k) regressors, NaN = no return; penalties as in `Design`, 0 for OLS."""
    usable: Bools = np.asarray(np.isfinite(regressors).all(axis=1))
    x = np.where(usable[:, None], regressors, 0.0)
    first, second = np.triu_indices(len(alpha))
    ones = usable.astype(np.float64)
    moments = np.hstack([ones[:, None], x, x[:, first] * x[:, second]])
    return Design(ones, x, moments, np.array(alpha), np.array(alpha_per_observation))


def regress(designs: Sequence[Design], returns: Floats) -> list[Fit]:
    """Fit every design to every symbol (methodology, section 3).

    returns: (n, S), NaN = no return; a design over m sessions uses the last m of them. A symbol's
    result is made of its own column and the design alone: no other symbol changes a bit of it.
    """
    count = returns.shape[1]
    parts: list[list[Fit]] = [[] for _ in designs]
    for block in blocks(returns):
        known = np.isfinite(block)
        filled, mask = np.where(known, block, 0.0), known.astype(np.float64)
        for one, fits in zip(designs, parts, strict=True):
            first = len(block) - len(one.usable)
            fits.append(_fit(one, filled[first:], mask[first:]))
    return [_joined(one, fits, count) for one, fits in zip(designs, parts, strict=True)]


def _joined(model: Design, fits: list[Fit], count: int) -> Fit:
    if not fits:
        nothing = np.empty(0)
        return Fit(np.empty((len(model.alpha), 0)), nothing, nothing, nothing)
    return Fit(
        np.concatenate([fit.coefficients for fit in fits], axis=1)[:, :count],
        np.concatenate([fit.observations for fit in fits])[:count],
        np.concatenate([fit.residual_sum for fit in fits])[:count],
        np.concatenate([fit.r_squared for fit in fits])[:count],
    )


def _fit(model: Design, returns: Floats, known: Floats) -> Fit:
    """Fit one block: returns (n, B) with 0 where `known` (n, B) is 0."""
    k = model.regressors.shape[1]
    sums = np.einsum("nm,nb->mb", model.moments, known)
    crossed = np.einsum("nm,nb->mb", model.moments[:, : 1 + k], returns)
    observations, divisor = sums[0], np.maximum(sums[0], 1.0)
    x_mean, y_mean = sums[1 : 1 + k] / divisor, crossed[0] / divisor
    raw = _symmetric(sums[1 + k :], k)
    xx = raw - observations * x_mean[:, None] * x_mean
    xy = crossed[1:] - observations * x_mean * y_mean
    penalty = model.alpha[:, None] / divisor + model.alpha_per_observation[:, None]
    varies = _regressors_vary(raw, xx, observations)
    coefficients = _ridge(xx, xy, penalty, varies)
    fitted = np.einsum("nk,kb->nb", model.regressors, coefficients)
    fitted -= (x_mean * coefficients).sum(axis=0)
    sample = known * model.usable[:, None]
    deviations = (returns - y_mean) * sample
    residual_sum = np.square(deviations - fitted * sample).sum(axis=0)
    r_squared = _r_squared(residual_sum, np.square(deviations).sum(axis=0), observations, y_mean)
    return Fit(coefficients, observations, residual_sum, r_squared)


def _r_squared(
    residual_sum: Floats, total_sum: Floats, observations: Floats, mean: Floats
) -> Floats:
    """1 - SSR/SST, (B,); NaN where the returns do not vary.

    The mean of equal returns has a rounding error, so their SST is tiny and need not be 0.
    """
    flat = total_sum <= observations * np.square(1e-12 * (1.0 + np.abs(mean)))
    return np.where(flat, np.nan, 1.0 - residual_sum / np.where(flat, 1.0, total_sum))


def _symmetric(pairs: Floats, k: int) -> Floats:
    """The matrices (k, k, B) of which `pairs` are the upper triangles, by rows."""
    whole = np.empty((k, k, pairs.shape[1]))
    first, second = np.triu_indices(k)
    whole[first, second] = whole[second, first] = pairs
    return whole


def _regressors_vary(raw: Floats, centred: Floats, observations: Floats) -> Bools:
    """Whether all k regressors vary in each sample, (B,): a variance above its rounding error."""
    square, variance = np.einsum("iib->ib", raw), np.einsum("iib->ib", centred)
    above = variance > 1e-12 * (square + 1e-6 * observations)
    varies: Bools = above.all(axis=0)
    return varies


def _ridge(xx: Floats, xy: Floats, penalty: Floats, varies: Bools) -> Floats:
    """Coefficients (k, B) from centred moments (k, k, B) and (k, B).

    In correlation form a penalty on z-scored coefficients is an addition to the diagonal of ones.
    NaN where `varies` is False or the equations are singular.
    """
    scale = np.sqrt(np.where(varies, np.einsum("iib->ib", xx), 1.0))
    equations = xx / (scale[:, None] * scale)
    diagonal = np.einsum("iib->ib", equations)
    diagonal[:] = np.where(varies, 1.0 + penalty, 1.0)
    solution, pivots = _solve_symmetric(equations, xy / scale)
    determined = varies & (pivots > 1e-12).all(axis=0)
    return np.where(determined, solution / scale, np.nan)


def _solve_symmetric(equations: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Solve B positive definite systems (k, k, B) for (k, B) by elimination; also the pivots.

    All systems advance together, element by element: a singular one spoils its own column only,
    where np.linalg.solve would refuse the whole block, and its pivots tell which it was.
    """
    left, x = equations.copy(), right.copy()
    k = len(x)
    pivots = np.einsum("iib->ib", left)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for j in range(k):
            ratio = left[j + 1 :, j] / left[j, j]
            left[j + 1 :, j + 1 :] -= ratio[:, None] * left[j, j + 1 :]
            x[j + 1 :] -= ratio * x[j]
        for j in reversed(range(k)):
            x[j] = (x[j] - (left[j, j + 1 :] * x[j + 1 :]).sum(axis=0)) / left[j, j]
    return x, pivots
