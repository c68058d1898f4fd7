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
from sigmasight_assets.core.db.epochs import Claim, Layer, claim_sessions
from sigmasight_assets.core.db.read.changed_prices import changed_prices
from sigmasight_assets.core.db.read.companies import Companies, companies_at
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.write.changed_prices import settle_changes
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets.core.db.write.slices import Slice, Subset, write_session
from sigmasight_assets.core.db.write.universe import note_factors
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.risk.factor_covariances import (
    factor_correlations,
    factor_covariance,
    factor_covariances,
    factor_market_slopes,
)
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_daily_metrics import symbol_daily_metrics
from sigmasight_assets.core.risk.symbol_factor_exposures import belongs, symbol_factor_exposures
from sigmasight_assets.core.shapes.panel import Columns, Floats, PricePanel, locate

log = logging.getLogger(__name__)

LEAST_COVERAGE: Final = 0.5
"""Share of the symbols that belong to a session which must have a price on it."""

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
class WithheldSession:
    """A session that was not computed: too few of the symbols that belong to it have a price."""

    session: date
    priced: int
    expected: int

    def sentence(self) -> str:
        """For a person."""
        return (
            f"factors of {self.session} withheld: {self.priced} of {self.expected} symbols have a "
            f"price, fewer than {LEAST_COVERAGE:.0%}"
        )


def refresh_symbols(
    database: Database,
    claim: Claim,
    days: Sequence[date],
    latest: date,
    assets: Collection[str] = tuple(ASSET_TABLES),
) -> Iterator[SymbolSession | WithheldSession]:
    """Compute and write sessions one by one, each in one transaction.

    Published sessions whose prices have changed since are first computed again, for the symbols
    that changed; then the sessions asked for are computed whole. One with a price of fewer than
    half its symbols is withheld, and what is published of it stays.

    latest: the latest completed session; only into it are today's company profiles copied.

    Raises:
        StaleEpoch: a later run has claimed a session; those before it are committed.
    """
    with database.connection() as connection:
        changes = changed_prices(connection)
    _recompute_changed(database, claim, changes, days, latest)
    with database.connection() as connection:
        panel = public_panel(connection, sessions.offset(days[0], -HISTORY_SESSIONS), days[-1])
    returns = simple_returns(panel.adj_close)
    withheld: list[BatchFailure] = []
    for session in days:
        priced = int(np.isfinite(panel.close[panel.row(session)]).sum())
        expected = int(belongs(panel, session).sum())
        if priced < LEAST_COVERAGE * expected or not expected:
            held_back = WithheldSession(session, priced, expected)
            withheld.append(BatchFailure(str(session), "low_coverage", held_back.sentence()))
            log.warning(held_back.sentence())
            yield held_back
        else:
            yield _refresh_session(database, claim, session, latest, assets, panel, returns)
    log_failures(database, "symbol_layer", days[-1], withheld)
    if set(assets) == set(ASSET_TABLES):
        settle_changes(database, changes)
    if "symbol_factor_exposures" in assets:
        note_factors(database, days[0], days[-1])


def _refresh_session(
    database: Database,
    claim: Claim,
    session: date,
    latest: date,
    assets: Collection[str],
    panel: PricePanel,
    returns: Floats,
    symbols: Sequence[str] | None = None,
) -> SymbolSession:
    """Compute and write one session, of all symbols or of those named."""
    started = time.perf_counter()
    with database.connection() as connection:
        companies = companies_at(connection, session, latest)
    rows = session_rows(panel, returns, session, companies)
    wanted = {name for asset in assets for name in ASSET_TABLES[asset]}
    slices = [_slice(name, rows[name], symbols) for name in sorted(wanted)]
    written = write_session(database, claim, session, [part for part in slices if part])
    betas = rows["symbol_factor_exposures"]["market_beta"]
    known = np.isfinite(betas)
    seconds = time.perf_counter() - started
    log.info("symbols %s: %d rows in %.2f s", session, sum(written.values()), seconds)
    share = float(known.mean()) if len(known) else 0.0
    return SymbolSession(session, written, seconds, share, betas[known])


def _recompute_changed(
    database: Database, claim: Claim, changes: Columns, days: Sequence[date], latest: date
) -> None:
    """Bring published sessions, other than those of the run, to what the prices say now.

    Without a change of a factor proxy only the rows of the changed symbols can differ.
    """
    earlier = _reached(database, changes, days)
    if not earlier:
        return
    symbols = None if set(PROXIES) & set(changes["symbol"].tolist()) else changes["symbol"].tolist()
    log.info("%d published sessions are computed again: prices changed", len(earlier))
    held = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, earlier, claim.run_id)
    )
    wanted = None if symbols is None else [*symbols, *PROXIES]
    first = sessions.offset(earlier[0], -HISTORY_SESSIONS)
    with database.connection() as connection:
        panel = public_panel(connection, first, earlier[-1], wanted)
    returns = simple_returns(panel.adj_close)
    for session in earlier:
        _refresh_session(
            database, held, session, latest, tuple(ASSET_TABLES), panel, returns, symbols
        )


def _reached(database: Database, changes: Columns, days: Sequence[date]) -> list[date]:
    """Published sessions, other than those of the run, that a changed price can reach."""
    if not len(changes["symbol"]):
        return []
    first: date = changes["first_changed"].min().astype(object)
    last = sessions.offset(changes["last_changed"].max().astype(object), HISTORY_SESSIONS)
    with database.connection() as connection:
        there = published(connection, Layer.SYMBOLS, first)
    return sorted(day for day in set(there) - set(days) if day <= last)


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
