"""The symbol layer: factors, metrics and covariances of each session."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db import tables
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim
from sigmasight_assets.core.db.read.companies import Companies, companies_at
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.db.write.slices import Slice, write_session
from sigmasight_assets.core.db.write.universe import note_factors
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.risk.factor_covariances import (
    factor_correlations,
    factor_covariance,
    factor_covariances,
    factor_market_slopes,
)
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_daily_metrics import symbol_daily_metrics
from sigmasight_assets.core.risk.symbol_factor_exposures import symbol_factor_exposures
from sigmasight_assets.core.shapes.panel import Columns, Floats, PricePanel, locate

log = logging.getLogger(__name__)

ASSET_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "symbol_factor_exposures": ("symbol_factor_exposures",),
    "symbol_daily_metrics": ("symbol_daily_metrics",),
    "factor_covariances": ("factor_covariances", "factor_correlations", "factor_market_slopes"),
}
"""The tables that each asset of the layer fills."""


@dataclass(frozen=True)
class SymbolSession:
    """What one session of the symbol layer came to."""

    session: date
    rows: Mapping[str, int]
    seconds: float
    market_beta_coverage: float
    market_betas: Floats


def refresh_symbols(
    database: Database,
    claim: Claim,
    days: Sequence[date],
    latest: date,
    assets: Collection[str] = tuple(ASSET_TABLES),
) -> Iterator[SymbolSession]:
    """Compute and write sessions one by one, each in one transaction.

    latest: the latest completed session; only into it are today's company profiles copied.

    Raises:
        StaleEpoch: a later run has claimed a session; those before it are committed.
    """
    with database.connection() as connection:
        panel = public_panel(connection, sessions.offset(days[0], -HISTORY_SESSIONS), days[-1])
    returns = simple_returns(panel.adj_close)
    wanted = {name for asset in assets for name in ASSET_TABLES[asset]}
    for session in days:
        started = time.perf_counter()
        with database.connection() as connection:
            companies = companies_at(connection, session, latest)
        rows = session_rows(panel, returns, session, companies)
        written = write_session(
            database,
            claim,
            session,
            [Slice(tables.metadata.tables[name], rows[name]) for name in sorted(wanted)],
        )
        betas = rows["symbol_factor_exposures"]["market_beta"]
        known = np.isfinite(betas)
        seconds = time.perf_counter() - started
        log.info("symbols %s: %d rows in %.2f s", session, sum(written.values()), seconds)
        yield SymbolSession(
            session,
            written,
            seconds,
            float(known.mean()) if len(known) else 0.0,
            betas[known],
        )
    if "symbol_factor_exposures" in wanted:
        note_factors(database, days[0], days[-1])


def session_rows(
    panel: PricePanel, returns: Floats, session: date, companies: Companies
) -> Mapping[str, Columns]:
    """The rows of every table of the layer at one session, by table name."""
    provider_beta = np.full(len(panel.symbols), np.nan)
    place = locate(companies.profiles.symbols, np.asarray(panel.symbols, dtype=str))
    provider_beta[place >= 0] = companies.beta[place[place >= 0]]
    factor_rows = symbol_factor_exposures(panel, session, provider_beta, returns)
    covariance = factor_covariance(panel, session, returns)
    return {
        "symbol_factor_exposures": factor_rows,
        "symbol_daily_metrics": symbol_daily_metrics(
            panel, session, factor_rows, companies.profiles, returns
        ),
        "factor_covariances": factor_covariances(covariance, session),
        "factor_correlations": factor_correlations(covariance, session),
        "factor_market_slopes": factor_market_slopes(covariance, session),
    }
