"""What a refresh of portfolios is asked for, and what it says of each session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.failures import BatchFailure
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity
from sigmasight_assets.core.shapes.panel import Columns

BATCH_TYPE: Final = "portfolio_layer"
"""Under this name the failures of the layer are logged: portfolios, and sessions left out."""

ASSET_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "portfolio_snapshots": ("portfolio_snapshots",),
    "factor_exposures": ("factor_exposures", "position_factor_exposures"),
    "correlations": ("correlation_calculations", "correlation_matrices"),
    "stress_test_results": (
        "stress_test_results",
        "stress_scenario_moves",
        "market_risk_scenarios",
    ),
}
"""The tables that each asset of the layer fills."""


OF_PORTFOLIOS: Final = frozenset(
    name
    for names in ASSET_TABLES.values()
    for name in names
    if "portfolio_id" in metadata.tables[name].c
)
"""Those whose every row is a portfolio's."""


@dataclass(frozen=True)
class Rules:
    """Settings of the layer: how TLT answers to yields, how long matrices are kept."""

    rates: RateSensitivity
    matrix_sessions: int


@dataclass(frozen=True)
class PortfolioSession:
    """A session whose rows are committed.

    rows: by table. phases: seconds by phase, some of which overlap: rows are written while the
    next ones are computed. snapshots: the rows of portfolio_snapshots. scenario_pnl: correlated
    P&L by scenario, summed over the portfolios where it is known, USD. failed: the portfolios
    that have no rows, logged in batch_failure_log.
    """

    session: date
    rows: Mapping[str, int]
    seconds: float
    phases: Mapping[str, float]
    snapshots: Columns
    scenario_pnl: Mapping[str, float]
    failed: Sequence[BatchFailure]


@dataclass(frozen=True)
class SkippedSession:
    """A session that was not computed; logged in batch_failure_log."""

    session: date
    reason: str
    detail: str
