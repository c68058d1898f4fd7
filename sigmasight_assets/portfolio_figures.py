"""What the assets of the portfolio layer say of a session in the UI.

Each says what concerns it; the names are the same for every session, so that the UI draws the
numbers as series over partitions. What is not known is left out, never NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from dagster import MetadataValue
from numpy.typing import NDArray

from sigmasight_assets.charts import Subject, spread
from sigmasight_assets.core.nightly.portfolio_sessions import PortfolioSession
from sigmasight_assets.core.shapes.panel import Columns
from sigmasight_assets.metadata import Figures, Finished, failures_table

PHASES: Final = {
    "portfolio_snapshots": "snapshots",
    "factor_exposures": "exposures",
    "correlations": "correlations",
    "stress_test_results": "stress",
}
"""The phase in which each asset's rows are computed; all others are everybody's."""

BETAS: Final = Subject("Market Beta (90D)", "beta to SPY over 90 sessions, no unit")
DAILY_RETURNS: Final = Subject("Daily return", "return of the session, %", " %", scale=100.0)


def finished(done: PortfolioSession) -> Finished:
    """A session as the assets of the layer show it."""
    of_asset = {
        "portfolio_snapshots": {**_accounts(done.snapshots), **_failures(done)},
        "factor_exposures": _coverage(done.snapshots),
        "stress_test_results": _worst_scenario(done),
    }
    shared = sorted(set(done.phases) - set(PHASES.values()))
    everyones = {
        "portfolios done": len(_column(done.snapshots, "net_asset_value")),
        "portfolios failed": len(done.failed),
        "seconds": round(done.seconds, 3),
        **_seconds(done, shared),
    }
    return Finished(
        done.session,
        done.rows,
        everyones,
        {
            asset: {**of_asset.get(asset, {}), **_seconds(done, [phase])}
            for asset, phase in PHASES.items()
        },
        {"portfolio_snapshots": _charts(done.snapshots)},
    )


def finished_in_part(done: PortfolioSession) -> Finished:
    """A session in which only some portfolios were refreshed: no figures of the whole session."""
    figures: Figures = {
        "portfolios refreshed by name": len(_column(done.snapshots, "net_asset_value")),
        "portfolios failed": len(done.failed),
        "seconds": round(done.seconds, 3),
    }
    return Finished(done.session, None, figures, {"portfolio_snapshots": _failures(done)})


def _seconds(done: PortfolioSession, phases: Sequence[str]) -> dict[str, float]:
    return {f"seconds {phase}": round(done.phases.get(phase, 0.0), 4) for phase in phases}


def _accounts(snapshots: Columns) -> Figures:
    return {
        "portfolios partial": int(_column(snapshots, "is_partial").sum()),
        "total NAV (USD)": round(float(_column(snapshots, "net_asset_value").sum()), 2),
        "total daily P&L (USD)": round(float(_column(snapshots, "daily_pnl").sum()), 2),
    }


def _failures(done: PortfolioSession) -> Figures:
    return {"failures": failures_table(done.failed)} if done.failed else {}


def _coverage(snapshots: Columns) -> Figures:
    """Gross value with a market beta, of the gross value of all portfolios, 0-100."""
    gross, coverage = _column(snapshots, "gross_exposure"), _column(snapshots, "coverage_pct")
    known = np.isfinite(coverage) & (gross > 0)
    if not known.any():
        return {}
    return {"coverage (%)": round(float(np.average(coverage[known], weights=gross[known])), 2)}


def _worst_scenario(done: PortfolioSession) -> Figures:
    """The scenario in which all portfolios together lose most, or gain least."""
    known = {name: usd for name, usd in done.scenario_pnl.items() if np.isfinite(usd)}
    if not known:
        return {}
    worst = min(sorted(known), key=known.__getitem__)
    return {"worst scenario": worst, "worst scenario P&L (USD)": round(known[worst], 2)}


def _charts(snapshots: Columns) -> Callable[[], Figures]:
    """Holds on to two columns alone: a long run has many sessions."""
    betas = _column(snapshots, "beta_calculated_90d")
    returns = _column(snapshots, "daily_return")
    return lambda: {
        "chart of betas": MetadataValue.md(spread(betas, BETAS)),
        "chart of daily returns": MetadataValue.md(spread(returns, DAILY_RETURNS)),
    }


def _column(snapshots: Columns, name: str) -> NDArray[Any]:
    """Of no portfolios at all there are no columns."""
    return snapshots.get(name, np.empty(0))
