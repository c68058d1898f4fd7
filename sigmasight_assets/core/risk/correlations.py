"""How much the PUBLIC positions of a portfolio move together (methodology, section 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sigmasight_assets.core.risk.clusters import Cluster, clustered, find_clusters
from sigmasight_assets.core.risk.holdings import Holdings, public_holdings
from sigmasight_assets.core.risk.pairwise_correlations import (
    MINIMUM,
    ReturnWindow,
    completed_matrix,
    pairs,
    pairwise_correlations,
    return_window,
)
from sigmasight_assets.core.risk.result_columns import documents, session_column
from sigmasight_assets.core.risk.sectors import RENAMED
from sigmasight_assets.core.shapes.book import Book, Ints, Valuation
from sigmasight_assets.core.shapes.factors import Profiles
from sigmasight_assets.core.shapes.panel import Columns, Floats, PricePanel, locate

_LIMITED_RETURNS: Final = 60
_LIMITED_COVERAGE: Final = 90.0


@dataclass(frozen=True)
class _Universe:
    """Every symbol that somebody holds: returns, sector, and why it has no place in a matrix."""

    symbols: NDArray[Any]
    sector: NDArray[Any]
    window: ReturnWindow
    reason: NDArray[Any]


@dataclass(frozen=True)
class _Matrix:
    """The matrix of one portfolio over n symbols, and what was left out of it.

    symbol: (n,) indices into the universe. weight: (n,) signed, absolute values adding up to 1.
    correlation, observations: (n(n-1)/2,). coverage_pct: NaN without PUBLIC value.
    """

    symbol: Ints
    weight: Floats
    correlation: Floats
    observations: Ints
    excluded: list[dict[str, str]]
    coverage_pct: float
    returns: int


@dataclass(frozen=True)
class _Summary:
    """The figures of one portfolio; NaN = unknown."""

    overall: float = np.nan
    signed: float = np.nan
    effective_positions: float = np.nan
    concentration: float = np.nan
    clusters: tuple[Cluster, ...] = ()
    psd_adjusted: bool = False


def correlations(
    book: Book, valuation: Valuation, panel: PricePanel, profiles: Profiles, session: date
) -> tuple[Columns, Columns]:
    """Rows of correlation_calculations and of correlation_matrices, one each per portfolio.

    Every portfolio that exists has both rows, whatever it holds. Log returns of adj_close over
    90 sessions, at least 30 common ones per pair. Excluded symbols are listed as
    insufficient_history (fewer than 30 returns), no_variance or zero_weight (lots that cancel).
    Weights and shares are of the gross value of the symbols in the matrix. The figures are NaN
    with fewer than two symbols or where no pair is known, and the quality is then insufficient;
    coverage_pct (0-100) is NaN without PUBLIC value. Unknown correlations are None.
    """
    held = public_holdings(book, valuation)
    universe = _universe(held, panel, profiles, session)
    symbol = np.searchsorted(universe.symbols, held.symbol)
    portfolios = np.flatnonzero(valuation.exists)
    first = np.searchsorted(held.portfolio, portfolios)
    last = np.searchsorted(held.portfolio, portfolios, side="right")
    # The last bits of a matrix product depend on how many threads share it.
    with threadpool_limits(limits=1, user_api="blas"):
        matrices = [
            _matrix(symbol[start:stop], held.net_value[start:stop], universe)
            for start, stop in zip(first, last, strict=True)
        ]
    key: Columns = {
        "portfolio_id": book.portfolios.id[portfolios],
        "calculation_date": session_column(session, len(portfolios)),
    }
    return (
        {**key, **_calculation_columns(matrices, universe)},
        {**key, **_matrix_columns(matrices, universe)},
    )


def _universe(held: Holdings, panel: PricePanel, profiles: Profiles, session: date) -> _Universe:
    symbols = np.unique(held.symbol)
    window = return_window(panel, tuple(symbols.tolist()), session)
    reason = np.where(
        window.count < MINIMUM,
        "insufficient_history",
        np.where(window.varies, "", "no_variance"),
    )
    # Index -1, that of a symbol without a profile, leads to the last name: none.
    sectors = documents([*(RENAMED.get(name, name) for name in profiles.sector.tolist()), ""])
    return _Universe(symbols, sectors[locate(profiles.symbols, symbols)], window, reason)


def _matrix(symbol: Ints, value: Floats, universe: _Universe) -> _Matrix:
    reason = np.where(value == 0, "zero_weight", universe.reason[symbol])
    kept = reason == ""
    included, gross = symbol[kept], np.abs(value).sum()
    covered = np.abs(value[kept]).sum()
    window = universe.window
    return _Matrix(
        included,
        value[kept] / covered if covered > 0 else value[kept],
        *pairwise_correlations(window.centred[included], window.known[included]),
        excluded=[
            {"symbol": str(name), "reason": str(why)}
            for name, why in zip(universe.symbols[symbol[~kept]], reason[~kept], strict=True)
        ],
        coverage_pct=float(100 * (covered / gross)) if gross > 0 else np.nan,
        returns=int(window.count[included].min(initial=len(window.known.T))),
    )


def _summary(matrix: _Matrix, universe: _Universe) -> _Summary:
    known = np.isfinite(matrix.correlation)
    if not known.any():
        return _Summary()
    n = len(matrix.symbol)
    i, j = pairs(n)
    weight, rho = (matrix.weight[i] * matrix.weight[j])[known], matrix.correlation[known]
    total = np.abs(weight).sum()
    completed, adjusted = completed_matrix(matrix.correlation, n)
    gross, symbols = np.abs(matrix.weight), universe.symbols[matrix.symbol]
    clusters = find_clusters(
        symbols, gross, universe.sector[matrix.symbol], matrix.correlation, completed
    )
    return _Summary(
        float((np.abs(weight) * np.abs(rho)).sum() / total),
        float((weight * rho).sum() / total),
        _effective_positions(matrix.weight, completed),
        float(gross[clustered(symbols, clusters)].sum()),
        clusters,
        adjusted,
    )


def _effective_positions(weight: Floats, matrix: Floats) -> float:
    """min(n, 1 / (w' C w)) for signed weights whose absolute values add up to 1."""
    n = float(len(weight))
    variance = float((np.outer(weight, weight) * matrix).sum())
    return n if variance < 1e-12 else min(n, 1 / variance)


def _quality(matrix: _Matrix, summary: _Summary) -> str:
    if np.isnan(summary.overall):
        return "insufficient"
    short = matrix.returns < _LIMITED_RETURNS or matrix.coverage_pct < _LIMITED_COVERAGE
    return "limited" if short else "sufficient"


def _calculation_columns(matrices: list[_Matrix], universe: _Universe) -> Columns:
    summaries = [_summary(matrix, universe) for matrix in matrices]
    both = list(zip(matrices, summaries, strict=True))
    return {
        "overall_correlation": np.array([s.overall for s in summaries]),
        "signed_correlation": np.array([s.signed for s in summaries]),
        "effective_positions": np.array([s.effective_positions for s in summaries]),
        "correlation_concentration_score": np.array([s.concentration for s in summaries]),
        "clusters": documents([[c.document() for c in s.clusters] for s in summaries]),
        "symbols_included": np.array([len(m.symbol) for m in matrices], dtype=np.int64),
        "symbols_excluded": documents([m.excluded for m in matrices]),
        "coverage_pct": np.array([m.coverage_pct for m in matrices]),
        "data_quality": documents([_quality(m, s) for m, s in both]),
        "psd_adjusted": np.array([s.psd_adjusted for s in summaries], dtype=np.bool_),
    }


def _matrix_columns(matrices: list[_Matrix], universe: _Universe) -> Columns:
    return {
        "symbols": documents([universe.symbols[m.symbol].tolist() for m in matrices]),
        "correlations": documents([_none_if_unknown(m.correlation) for m in matrices]),
        "observations": documents([m.observations.tolist() for m in matrices]),
    }


def _none_if_unknown(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]
