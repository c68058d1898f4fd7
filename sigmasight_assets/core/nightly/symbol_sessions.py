"""One session of the symbol layer: computed from prices, written in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db import tables
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim
from sigmasight_assets.core.db.read.companies import Companies, companies_at
from sigmasight_assets.core.db.write.changed_prices import note_again
from sigmasight_assets.core.db.write.slices import Slice, Subset, write_session
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.risk.factor_covariances import (
    factor_correlations,
    factor_covariance,
    factor_covariances,
    factor_market_slopes,
)
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


@dataclass(frozen=True)
class Task:
    """What the sessions of one run share. known: `changed_prices` read before any price."""

    database: Database
    claim: Claim
    latest: date
    known: Columns


def refresh_session(
    task: Task,
    session: date,
    assets: Collection[str],
    panel: PricePanel,
    returns: Floats,
    symbols: Sequence[str] | None = None,
    also: Callable[[Connection], None] | None = None,
) -> SymbolSession:
    """Compute and write one session, of all symbols or of those named.

    also: what is done besides in the transaction that writes it, under the publications' lock.
    """
    started = time.perf_counter()
    with task.database.connection() as connection:
        companies = companies_at(connection, session, task.latest)
    rows = session_rows(panel, returns, session, companies)
    wanted = {name for asset in assets for name in ASSET_TABLES[asset]}
    slices = [_slice(name, rows[name], symbols) for name in sorted(wanted)]
    reached_from = sessions.offset(session, -HISTORY_SESSIONS)

    def besides(connection: Connection) -> None:
        note_again(connection, task.known, session, reached_from)
        if also:
            also(connection)

    chosen = [part for part in slices if part]
    written = write_session(task.database, task.claim, session, chosen, besides)
    betas = rows["symbol_factor_exposures"]["market_beta"]
    known = np.isfinite(betas)
    seconds = time.perf_counter() - started
    log.info("symbols %s: %d rows in %.2f s", session, sum(written.values()), seconds)
    share = float(known.mean()) if len(known) else 0.0
    return SymbolSession(session, written, seconds, share, betas[known])


def _slice(name: str, columns: Columns, symbols: Sequence[str] | None) -> Slice | None:
    """All rows of a table, or those of some symbols; None where these have no part in it."""
    table = tables.metadata.tables[name]
    if symbols is None:
        return Slice(table, columns)
    if "symbol" not in table.c:
        return None
    chosen = np.isin(columns["symbol"], np.array(symbols, dtype=str))
    return Slice(
        table, {key: values[chosen] for key, values in columns.items()}, Subset("symbol", symbols)
    )


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
