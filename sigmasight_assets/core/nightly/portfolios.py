"""The portfolio layer: snapshots, exposures, correlations and stress tests of each session."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

import numpy as np
from psycopg import Connection, IsolationLevel

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db import tables
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.db.read.book import ChangeMarks, change_marks, read_book
from sigmasight_assets.core.db.read.factors import factor_covariance, profiles, symbol_factors
from sigmasight_assets.core.db.read.prices import panel_of
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.write.portfolios import (
    forget_matrices,
    mark_outdated,
    settle_refresh,
)
from sigmasight_assets.core.db.write.slices import Slice, Subset, write_session
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.risk.correlations import correlations
from sigmasight_assets.core.risk.factor_exposures import factor_exposures
from sigmasight_assets.core.risk.market_risk_scenarios import market_risk_scenarios
from sigmasight_assets.core.risk.portfolio_snapshots import snapshot_book
from sigmasight_assets.core.risk.scenarios import Scenario, load_scenarios
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity, scenario_move_rows
from sigmasight_assets.core.risk.stress_test_results import (
    stress_test_results,
)
from sigmasight_assets.core.risk.valuation import PricedBook, price_book
from sigmasight_assets.core.shapes.factors import FactorCovariance, Profiles, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns

log = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Rules:
    """Settings of the layer: how TLT answers to yields, how long matrices are kept."""

    rates: RateSensitivity
    matrix_sessions: int


@dataclass(frozen=True)
class PortfolioSession:
    """What one session of the portfolio layer came to."""

    session: date
    rows: Mapping[str, int]
    seconds: float
    columns: Mapping[str, Columns]


def refresh_portfolios(
    database: Database,
    run_id: str,
    days: Sequence[date],
    rules: Rules,
    assets: Collection[str] = tuple(ASSET_TABLES),
    portfolio_ids: Sequence[str] | None = None,
) -> Iterator[PortfolioSession]:
    """Compute and write sessions one by one, each in one transaction.

    Portfolios whose past was changed are first brought up to date in the sessions published
    before; then the sessions asked for are computed, for all portfolios or those named.

    Raises:
        StaleEpoch: a later run has claimed a session; those before it are committed.
    """
    with database.connection() as connection:
        marks = change_marks(connection, days[-1], portfolio_ids)
        earlier = _stale_sessions(connection, marks, days)
    if earlier:
        changed = marks.id[~np.isnat(marks.stale_from)].tolist()
        yield from _refresh(database, run_id, earlier, rules, tuple(ASSET_TABLES), changed)
    yield from _refresh(database, run_id, days, rules, assets, portfolio_ids)
    if set(assets) == set(ASSET_TABLES):
        settle_refresh(database, marks)


def _stale_sessions(connection: Connection, marks: ChangeMarks, days: Sequence[date]) -> list[date]:
    """Published sessions outside `days` in which some portfolio's rows are out of date."""
    stale = marks.stale_from[~np.isnat(marks.stale_from)]
    if not len(stale):
        return []
    since: date = stale.min().astype(object)
    return sorted(set(published(connection, Layer.PORTFOLIOS, since)) - set(days))


def _refresh(
    database: Database,
    run_id: str,
    days: Sequence[date],
    rules: Rules,
    assets: Collection[str],
    portfolio_ids: Sequence[str] | None,
) -> Iterator[PortfolioSession]:
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.PORTFOLIOS, days, run_id)
    )
    priced, marks = _read_priced_book(database, days, portfolio_ids)
    held = np.unique(priced.book.lots.symbol).tolist()
    keep_from = _matrices_from(database, days[-1], rules)
    wanted = {name for asset in assets for name in ASSET_TABLES[asset]}
    scenarios = load_scenarios()
    for session in days:
        started = time.perf_counter()
        with database.connection() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            factors = symbol_factors(connection, session, held)
            covariance = factor_covariance(connection, session)
            companies = profiles(connection)
        columns = session_rows(
            priced, session, factors, covariance, companies, scenarios, rules.rates
        )
        slices = [
            _slice(name, _kept(name, columns[name], session >= keep_from), portfolio_ids)
            for name in sorted(wanted)
        ]
        written = write_session(
            database,
            claim,
            session,
            slices,
            partial(mark_outdated, marks=marks, session=session, portfolio_ids=portfolio_ids),
        )
        seconds = time.perf_counter() - started
        log.info("portfolios %s: %d rows in %.2f s", session, sum(written.values()), seconds)
        yield PortfolioSession(session, written, seconds, columns)
    forget_matrices(database, keep_from)


def session_rows(
    priced: PricedBook,
    session: date,
    factors: SymbolFactors,
    covariance: FactorCovariance,
    companies: Profiles,
    scenarios: Sequence[Scenario],
    rates: RateSensitivity,
) -> Mapping[str, Columns]:
    """The rows of every table of the layer at one session, by table name."""
    book = priced.book
    snapshots = snapshot_book(priced, session, factors, companies)
    valuation = snapshots.valuation
    exposures = factor_exposures(book, valuation, factors, session)
    calculations, matrices = correlations(book, valuation, priced.closes.panel, companies, session)
    stressed = (book, valuation, exposures, factors, covariance)
    return {
        "portfolio_snapshots": {
            **snapshots.columns,
            "factor_exposures_reason": exposures.reason,
        },
        "factor_exposures": exposures.rows,
        "position_factor_exposures": exposures.position_rows,
        "correlation_calculations": calculations,
        "correlation_matrices": matrices,
        "stress_test_results": stress_test_results(
            *stressed, scenarios=scenarios, session=session, rates=rates
        ),
        "stress_scenario_moves": scenario_move_rows(scenarios, covariance, session, rates),
        "market_risk_scenarios": market_risk_scenarios(*stressed, session=session, rates=rates),
    }


def _read_priced_book(
    database: Database, days: Sequence[date], portfolio_ids: Sequence[str] | None
) -> tuple[PricedBook, ChangeMarks]:
    """Statements and prices as of one moment, back to 280 sessions before what is computed."""
    with database.connection() as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        marks = change_marks(connection, days[-1], portfolio_ids)
        book = read_book(connection, days[-1], portfolio_ids)
        opened = sessions.as_dates(book.portfolios.inception)
        since = sessions.on_or_after(min([*opened, days[0]]))
        first = sessions.offset(since, -HISTORY_SESSIONS)
        held = {*book.lots.symbol.tolist(), *book.lots.underlying.tolist()} - {""}
        panel = panel_of(connection, sorted(held), first, days[-1])
    return price_book(book, panel), marks


def _matrices_from(database: Database, last: date, rules: Rules) -> date:
    """The first session whose matrices are kept: the newest sessions there are count."""
    with database.connection() as connection:
        newest = max([last, *published(connection, Layer.PORTFOLIOS, last)])
    return sessions.offset(newest, 1 - rules.matrix_sessions)


def _kept(name: str, columns: Columns, keep_matrices: bool) -> Columns:
    if name == "correlation_matrices" and not keep_matrices:
        return {key: values[:0] for key, values in columns.items()}
    return columns


def _slice(name: str, columns: Columns, portfolio_ids: Sequence[str] | None) -> Slice:
    table = tables.metadata.tables[name]
    if portfolio_ids is None or "portfolio_id" not in table.c:
        return Slice(table, columns)
    return Slice(table, columns, Subset("portfolio_id", portfolio_ids))
