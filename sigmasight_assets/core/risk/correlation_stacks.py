"""Correlation matrices of many portfolios and their summaries, by stacks of equal size.

Matrices of the same number of symbols are computed together, as many as the processor's cache
holds. Each is a product, a factorisation and sums of its own: which others share its stack, its
run or its block changes no bit of it (methodology, section 1, Numerics).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sigmasight_assets.core.risk.clusters import find_clusters
from sigmasight_assets.core.risk.pairwise_correlations import (
    WINDOW,
    ReturnWindow,
    completed_matrices,
    pairs,
    pairwise_correlations,
)
from sigmasight_assets.core.risk.result_columns import documents
from sigmasight_assets.core.shapes.book import Ints, Texts
from sigmasight_assets.core.shapes.panel import Columns, Floats

_ELEMENTS: Final = 200_000
"""Of a stack of matrices or of returns; a few such arrays fit the processor's cache."""

_FIGURES: Final = (
    "overall_correlation",
    "signed_correlation",
    "effective_positions",
    "correlation_concentration_score",
)


@dataclass(frozen=True)
class Universe:
    """S symbols, sorted: their returns, and their sector, '' where unknown."""

    symbols: Texts
    sector: Texts
    window: ReturnWindow


@dataclass(frozen=True)
class SymbolSets:
    """The symbols in the matrices of P portfolios, those of each one after the other, N in all.

    size: (P,) how many a matrix has. symbol: (N,) index into the universe, ascending within a set.
    weight: (N,) signed, absolute values adding up to 1 within a set.
    """

    size: Ints
    symbol: Ints
    weight: Floats


def summaries_and_matrices(sets: SymbolSets, universe: Universe) -> tuple[Columns, Columns]:
    """Columns of correlation_calculations and of correlation_matrices, a row for each set.

    The summaries are overall_correlation, signed_correlation, effective_positions,
    correlation_concentration_score, clusters and psd_adjusted; NaN, no clusters and False where
    no pair is known. The matrices are arrays in which NaN is unknown.
    """
    count, first = len(sets.size), np.cumsum(sets.size) - sets.size
    summaries: dict[str, NDArray[Any]] = {name: np.full(count, np.nan) for name in _FIGURES}
    summaries["clusters"] = documents([[]] * count)
    summaries["psd_adjusted"] = np.zeros(count, dtype=np.bool_)
    matrices = {
        name: np.empty(count, dtype=object) for name in ("symbols", "correlations", "observations")
    }
    # The last bits of a matrix product depend on how many threads share it.
    with threadpool_limits(limits=1, user_api="blas"):
        for stack in _stacks(sets.size):
            place = first[stack][:, None] + np.arange(sets.size[stack[0]])
            symbol, weight = sets.symbol[place], sets.weight[place]
            rho, observations = pairwise_correlations(
                universe.window.centred[symbol], universe.window.known[symbol]
            )
            known = np.isfinite(rho).any(axis=1)
            found = _summaries(rho[known], symbol[known], weight[known], universe)
            for name, values in found.items():
                summaries[name][stack[known]] = values
            for name, rows in (
                ("symbols", universe.symbols[symbol]),
                ("correlations", rho),
                ("observations", observations),
            ):
                matrices[name][stack] = documents(list(rows))
    return summaries, matrices


def _stacks(size: Ints) -> Iterator[Ints]:
    """Indices of sets of equal size, some at a time."""
    for n in np.unique(size).tolist():
        same = np.flatnonzero(size == n)
        step = 1 + _ELEMENTS // max(n * max(n, WINDOW), 1)
        yield from np.split(same, range(step, len(same), step))


def _summaries(rho: Floats, symbol: Ints, weight: Floats, universe: Universe) -> Columns:
    """Of B matrices over n symbols in which at least one pair is known."""
    if not len(rho):
        return {}
    i, j = pairs(symbol.shape[1])
    matrices, adjusted = completed_matrices(rho, symbol.shape[1])
    product = np.where(np.isfinite(rho), weight[:, i] * weight[:, j], 0.0)
    moved = product * np.nan_to_num(rho)
    total = np.abs(product).sum(axis=1)
    clusters = find_clusters(
        universe.symbols[symbol], np.abs(weight), universe.sector[symbol], rho, matrices
    )
    return {
        "overall_correlation": np.abs(moved).sum(axis=1) / total,
        "signed_correlation": moved.sum(axis=1) / total,
        "effective_positions": _effective_positions(weight, matrices),
        "correlation_concentration_score": np.array(
            [sum(each["gross_share"] for each in row) for row in clusters]
        ),
        "clusters": documents(clusters),
        "psd_adjusted": adjusted,
    }


def _effective_positions(weight: Floats, matrices: Floats) -> Floats:
    """min(n, 1 / (w' C w)) for signed weights whose absolute values add up to 1."""
    n = np.full(len(weight), float(weight.shape[1]))
    variance = (weight[:, None, :] @ matrices @ weight[:, :, None])[:, 0, 0]
    effective: Floats = np.divide(1.0, variance, out=n.copy(), where=variance >= 1e-12)
    least: Floats = np.minimum(n, effective)
    return least
