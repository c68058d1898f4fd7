"""Groups of symbols that move together (methodology, section 6)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from sigmasight_assets.core.risk.pairwise_correlations import pairs
from sigmasight_assets.core.shapes.panel import Bools, Floats

_CUT: Final = np.sqrt(0.6) + 1e-12
"""The distance of a correlation of 0.7, which itself still joins whatever its rounding."""


@dataclass(frozen=True)
class Cluster:
    """Two or more symbols that average linkage joins within a distance of sqrt(0.6).

    name: the sector of every member, else the symbol of largest gross value. symbols: sorted.
    average_correlation: mean of the known pairs within, None if none is known.
    gross_share: fraction of the gross value of all symbols in the matrix.
    """

    name: str
    symbols: list[str]
    average_correlation: float | None
    gross_share: float

    def document(self) -> dict[str, Any]:
        """The cluster as stored."""
        return asdict(self)


def find_clusters(
    symbols: NDArray[Any],
    weight: Floats,
    sector: NDArray[Any],
    correlation: Floats,
    matrix: Floats,
) -> tuple[Cluster, ...]:
    """Clusters of n >= 2 symbols, largest gross share first, ties alphabetical.

    symbols: (n,) str, sorted. weight: (n,) fractions of gross value, adding up to 1.
    sector: (n,) str, '' = unknown. correlation: (n(n-1)/2,) as known, NaN = unknown.
    matrix: (n, n) completed. Distances are sqrt(2 (1 - rho)), rho clipped to +-1.
    """
    i, j = pairs(len(symbols))
    distance = np.sqrt(2.0 * (1.0 - np.clip(matrix[i, j], -1.0, 1.0)))
    if not (distance <= _CUT).any():
        return ()
    label = fcluster(linkage(distance, method="average"), _CUT, criterion="distance")
    groups = [label == each for each in np.flatnonzero(np.bincount(label) > 1)]
    clusters = [
        Cluster(
            _name(symbols[member], weight[member], sector[member]),
            symbols[member].tolist(),
            _known_mean(correlation[member[i] & member[j]]),
            float(weight[member].sum()),
        )
        for member in groups
    ]
    return tuple(sorted(clusters, key=lambda found: (-found.gross_share, found.symbols)))


def clustered(symbols: NDArray[Any], clusters: tuple[Cluster, ...]) -> Bools:
    """Which symbols belong to a cluster. Shape of `symbols`."""
    members = {symbol for cluster in clusters for symbol in cluster.symbols}
    return np.array([symbol in members for symbol in symbols], dtype=np.bool_)


def _name(symbols: NDArray[Any], weight: Floats, sector: NDArray[Any]) -> str:
    if sector[0] and (sector == sector[0]).all():
        return str(sector[0])
    # argmax takes the first of equals, and symbols are sorted.
    return str(symbols[np.argmax(weight)])


def _known_mean(correlation: Floats) -> float | None:
    known = correlation[np.isfinite(correlation)]
    return float(known.mean()) if len(known) else None
