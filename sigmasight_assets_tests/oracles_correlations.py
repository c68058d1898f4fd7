"""Correlations of one portfolio with pandas and scipy (methodology, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.linalg import eigh
from scipy.spatial.distance import squareform

from sigmasight_assets_tests.oracles_exposures import Holding, percent

Matrix = NDArray[np.float64]
FIGURES = (
    "overall_correlation",
    "signed_correlation",
    "effective_positions",
    "correlation_concentration_score",
)


@dataclass(frozen=True)
class SymbolPairs:
    """The symbols of a session two by two: Pearson on common log returns of 90 sessions."""

    correlation: pd.DataFrame
    common: pd.DataFrame
    returns: Mapping[str, int]
    constant: frozenset[str]

    @staticmethod
    def of(prices: pd.DataFrame) -> SymbolPairs:
        """prices: adjusted closes up to the session, a column per symbol."""
        ratio = (prices / prices.shift(1)).iloc[-90:]
        window = pd.DataFrame(np.log(ratio.to_numpy()), ratio.index, ratio.columns)
        known = window.notna().astype(int)
        spread = window.max() - window.min()
        still = [str(name) for name, value in spread.items() if float(value) < 1e-12]
        moving = window.assign(**dict.fromkeys(still, np.nan))
        returns = dict(zip(map(str, window), known.sum().tolist(), strict=True))
        return SymbolPairs(moving.corr(min_periods=30), known.T @ known, returns, frozenset(still))

    def reason(self, symbol: str) -> str | None:
        if self.returns.get(symbol, 0) < 30:
            return "insufficient_history"
        return "no_variance" if symbol in self.constant else None


def correlation_rows(
    lots: Sequence[Holding], pairs: SymbolPairs, sectors: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of correlation_calculations and correlation_matrices; lots are PUBLIC ones."""
    netted = {
        symbol: sum(lot.value for lot in lots if lot.symbol == symbol)
        for symbol in sorted({lot.symbol for lot in lots})
    }
    size = {symbol: sum(abs(x.value) for x in lots if x.symbol == symbol) for symbol in netted}
    excluded = {
        symbol: "zero_weight" if abs(value) <= 1e-9 * size[symbol] else pairs.reason(symbol)
        for symbol, value in netted.items()
    }
    names = [symbol for symbol, reason in excluded.items() if reason is None]
    weighed = [abs(value) for symbol, value in netted.items() if excluded[symbol] != "zero_weight"]
    raw = pairs.correlation.reindex(index=names, columns=names).to_numpy()
    counts = pairs.common.reindex(index=names, columns=names).to_numpy()
    coverage = percent(sum(abs(netted[symbol]) for symbol in names), sum(weighed))
    above = np.triu_indices(len(names), 1)
    values = np.array([netted[symbol] for symbol in names])
    figures = _figures(names, values, raw, sectors)
    quality = _quality(figures, counts.diagonal(), coverage)
    calculation = {
        **figures,
        "symbols_included": len(names),
        "symbols_excluded": [
            {"symbol": symbol, "reason": reason} for symbol, reason in excluded.items() if reason
        ],
        "coverage_pct": coverage,
        "data_quality": quality,
    }
    matrix = {
        "symbols": names,
        "correlations": [None if np.isnan(rho) else float(rho) for rho in raw[above]],
        "observations": [int(count) for count in counts[above]],
    }
    return calculation, matrix


def _quality(figures: Mapping[str, Any], returns: Matrix, coverage: float | None) -> str:
    """returns: of each symbol in the matrix, its own in the window."""
    if figures["overall_correlation"] is None or coverage is None:
        return "insufficient"
    return "limited" if returns.min() < 60 or coverage < 90 - 1e-9 else "sufficient"


def _figures(
    names: Sequence[str], values: Matrix, raw: Matrix, sectors: Mapping[str, str]
) -> dict[str, Any]:
    above = np.triu_indices(len(names), 1)
    known = ~np.isnan(raw[above])
    if not known.any():
        return {**dict.fromkeys(FIGURES), "clusters": [], "psd_adjusted": False}
    share = np.abs(values) / np.abs(values).sum()
    signed = values / np.abs(values).sum()
    pair = (share[above[0]] * share[above[1]])[known]
    rho = raw[above][known]
    sign = (np.sign(values)[above[0]] * np.sign(values)[above[1]])[known]
    full, adjusted = _completed(raw, float(rho.mean()))
    variance = float(signed @ full @ signed)
    clusters = _clusters(names, share, raw, full, sectors)
    return {
        "overall_correlation": float((pair * np.abs(rho)).sum() / pair.sum()),
        "signed_correlation": float((pair * rho * sign).sum() / pair.sum()),
        "effective_positions": (
            float(len(names)) if variance < 1e-12 else min(float(len(names)), 1 / variance)
        ),
        "correlation_concentration_score": fsum(each["gross_share"] for each in clusters),
        "clusters": clusters,
        "psd_adjusted": adjusted,
    }


def _completed(raw: Matrix, mean: float) -> tuple[Matrix, bool]:
    full = np.where(np.isnan(raw), mean, raw)
    np.fill_diagonal(full, 1.0)
    values, vectors = eigh(full)
    if values[0] >= -1e-8:
        return full, False
    clipped = (vectors * np.maximum(values, 0)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    return clipped / np.outer(scale, scale), True


def _clusters(
    names: Sequence[str],
    share: Matrix,
    raw: Matrix,
    full: Matrix,
    sectors: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Largest first, ties in the order of their first symbol."""
    distance = np.sqrt(2 * (1 - np.clip(full, -1, 1)))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average")
    label = fcluster(tree, np.sqrt(0.6), criterion="distance")
    members = [np.flatnonzero(label == one) for one in np.unique(label)]
    found = [_cluster(names, share, raw, sectors, who) for who in members if len(who) > 1]
    return sorted(found, key=lambda each: (-each["gross_share"], each["symbols"][0]))


def _cluster(
    names: Sequence[str],
    share: Matrix,
    raw: Matrix,
    sectors: Mapping[str, str],
    who: NDArray[np.int64],
) -> dict[str, Any]:
    inside = raw[np.ix_(who, who)][np.triu_indices(len(who), 1)]
    sector = {sectors.get(names[k], "Unclassified") for k in who}
    largest = min(who, key=lambda k: (-share[k], names[k]))
    shared = len(sector) == 1 and sector != {"Unclassified"}
    return {
        "name": sector.pop() if shared else names[largest],
        "symbols": [names[k] for k in who],
        "average_correlation": float(np.nanmean(inside)) if (~np.isnan(inside)).any() else None,
        "gross_share": float(share[who].sum()),
    }
