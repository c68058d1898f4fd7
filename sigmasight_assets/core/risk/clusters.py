"""Groups of symbols that move together (methodology, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sigmasight_assets.core.risk.pairwise_correlations import of_pairs, pairs
from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Floats

_CUT: Final = np.sqrt(0.6) + 1e-12
"""The distance of a correlation of 0.7, which itself still joins whatever its rounding."""


class Cluster(TypedDict):
    """Two or more symbols that average linkage joins within a distance of sqrt(0.6), as stored.

    name: the sector of every member, else the symbol of largest gross value. symbols: sorted.
    average_correlation: mean of the known pairs within, None if none is known.
    gross_share: fraction of the gross value of all symbols in the matrix.
    """

    name: str
    symbols: list[str]
    average_correlation: float | None
    gross_share: float


@dataclass(frozen=True)
class _Members:
    """M symbols in K clusters of several matrices, by cluster and then as in their matrix.

    label: (K,) of each cluster, ascending. first: (K,) where its members begin.
    cluster: (M,) 0 to K-1. matrix, symbol: (M,) which matrix, and which symbol of it.
    """

    label: Ints
    first: Ints
    cluster: Ints
    matrix: Ints
    symbol: Ints


def find_clusters(
    symbols: NDArray[Any],
    weight: Floats,
    sector: NDArray[Any],
    correlation: Floats,
    matrices: Floats,
) -> list[list[Cluster]]:
    """The clusters of each of B matrices over n >= 2 symbols.

    Those of a matrix come largest gross share first, ties alphabetical. symbols: (B, n) str,
    sorted. weight: (B, n) fractions of gross value, adding up to 1. sector: (B, n) str, '' =
    unknown. correlation: (B, n(n-1)/2) as known, NaN = unknown. matrices: (B, n, n) completed.
    Distances are sqrt(2 (1 - rho)), rho clipped to +-1.
    """
    distance = np.sqrt(2.0 * (1.0 - np.clip(of_pairs(matrices), -1.0, 1.0)))
    label = _labels(distance, symbols.shape[1])
    members = _members(label)
    at = members.matrix, members.symbol
    share = np.bincount(members.cluster, weight[at])
    average = _known_means(label, members, correlation)
    names = _names(members, symbols[at], weight[at], sector[at])
    listed = np.split(symbols[at], members.first[1:])
    found: list[list[Cluster]] = [[] for _ in symbols]
    for each in np.lexsort((members.symbol[members.first], -share)):
        found[members.matrix[members.first[each]]].append(
            Cluster(
                name=names[each],
                symbols=listed[each].tolist(),
                average_correlation=None if np.isnan(average[each]) else float(average[each]),
                gross_share=float(share[each]),
            )
        )
    return found


def _labels(distance: Floats, n: int) -> Ints:
    """(B, n) numbers from (B, n(n-1)/2) distances: equal for symbols of one cluster.

    Heights never fall from one merge to the next, so the merges up to the cut, each a node tied
    to the two that it joins, connect exactly the symbols of one cluster.
    """
    near = np.flatnonzero((distance <= _CUT).any(axis=1))
    trees = [linkage(distance[each], method="average") for each in near]
    merges = np.array(trees).reshape(-1, n - 1, 4)
    tree, step = np.nonzero(merges[:, :, 2] <= _CUT)
    nodes = 2 * n - 1
    first = near[tree] * nodes
    joined = merges[tree, step, :2].astype(np.int64) + first[:, None]
    ties = joined.ravel(), np.repeat(first + n + step, 2)
    size = len(distance) * nodes
    graph = coo_array((np.ones(len(ties[0])), ties), shape=(size, size))
    label: Ints = connected_components(graph, directed=False)[1].reshape(-1, nodes)
    return label[:, :n]


def _members(label: Ints) -> _Members:
    matrix, symbol = np.nonzero(np.bincount(label.ravel())[label] > 1)
    labels, cluster = np.unique(label[matrix, symbol], return_inverse=True)
    order = np.argsort(cluster, kind="stable")
    first = np.searchsorted(cluster[order], np.arange(len(labels)))
    return _Members(labels, first, cluster[order], matrix[order], symbol[order])


def _known_means(label: Ints, members: _Members, correlation: Floats) -> Floats:
    """(K,) mean correlation of the known pairs of each cluster, NaN where none is known."""
    i, j = pairs(label.shape[1])
    matrix, pair = np.nonzero((label[:, i] == label[:, j]) & np.isfinite(correlation))
    cluster = np.searchsorted(members.label, label[matrix, i[pair]])
    clusters = len(members.label)
    total = np.bincount(cluster, correlation[matrix, pair], clusters)
    count = np.bincount(cluster, minlength=clusters)
    mean: Floats = np.divide(total, count, out=np.full(clusters, np.nan), where=count > 0)
    return mean


def _names(
    members: _Members, symbol: NDArray[Any], weight: Floats, sector: NDArray[Any]
) -> list[str]:
    """(K,) names. symbol, weight, sector: (M,) of the members."""
    # Of equal weights the first in the alphabet, as symbols are sorted.
    largest = np.lexsort((members.symbol, -weight, members.cluster))[members.first]
    common = sector[members.first]
    others = np.bincount(members.cluster, sector != common[members.cluster])
    shared = (others == 0) & (common != "")
    return [str(name) for name in np.where(shared, common, symbol[largest])]
