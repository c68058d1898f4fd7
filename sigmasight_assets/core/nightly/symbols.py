"""The symbol layer: factors, metrics and covariances of each session."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim, Layer, claim_sessions
from sigmasight_assets.core.db.read.changed_prices import changed_prices
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.write.changed_prices import settle_changes
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets.core.db.write.universe import note_factors
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.nightly.symbol_sessions import (
    ASSET_TABLES,
    SymbolSession,
    Task,
    refresh_session,
)
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_factor_exposures import BELONGS_WINDOW
from sigmasight_assets.core.shapes.coverage import Coverage, panel_coverage
from sigmasight_assets.core.shapes.panel import Columns

log = logging.getLogger(__name__)

LEAST_COVERAGE: Final = 0.5
"""Share of the symbols that belong to a session which must have a price on it."""


@dataclass(frozen=True)
class WithheldSession:
    """A session that was not computed: too few of the symbols that belong to it have a price."""

    coverage: Coverage

    def sentence(self) -> str:
        """For a person."""
        found = self.coverage
        return (
            f"factors of {found.session} withheld: {found.found} of {found.expected} symbols have "
            f"a price, fewer than {LEAST_COVERAGE:.0%}"
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
        known = changed_prices(connection)
    task = Task(database, claim, latest, known)
    changes = {name: values[~known["settled"]] for name, values in known.items()}
    handled = _recompute_changed(task, changes, days)
    with database.connection() as connection:
        panel = public_panel(connection, sessions.offset(days[0], -HISTORY_SESSIONS), days[-1])
    returns = simple_returns(panel.adj_close)
    withheld: list[WithheldSession] = []
    for session in days:
        earliest = sessions.offset(session, 1 - BELONGS_WINDOW)
        coverage = panel_coverage(panel, earliest, session)
        if coverage.share < LEAST_COVERAGE:
            withheld.append(WithheldSession(coverage))
            log.warning(withheld[-1].sentence())
            yield withheld[-1]
        else:
            handled.append(session)
            yield refresh_session(task, session, assets, panel, returns)
    log_withheld(database, withheld)
    if set(assets) == set(ASSET_TABLES):
        settle_changes(database, changes, _reaches(changes), handled)
    if "symbol_factor_exposures" in assets:
        note_factors(database, days[0], days[-1])


def log_withheld(database: Database, withheld: Sequence[WithheldSession]) -> None:
    """Keep for a person why sessions have no factors."""
    for each in withheld:
        session = each.coverage.session
        failure = BatchFailure(str(session), "low_coverage", each.sentence())
        log_failures(database, "symbol_layer", session, [failure])


def _recompute_changed(task: Task, changes: Columns, days: Sequence[date]) -> list[date]:
    """Bring published sessions, other than the run's `days`, to what the prices say now.

    Where no factor proxy has changed, only the rows of the changed symbols can differ. Returns
    the sessions.
    """
    reached = _reached(task.database, changes, days)
    if not reached:
        return []
    log.info("%d published sessions are computed again: prices changed", len(reached))
    earlier = sorted(reached)
    held = task.database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, earlier, task.claim.run_id)
    )
    again = replace(task, claim=held)
    whole = [session for session in earlier if set(PROXIES) & reached[session]]
    in_part = [session for session in earlier if session not in whole]
    _recompute(again, whole, None)
    _recompute(again, in_part, reached)
    return earlier


def _recompute(
    task: Task, days: Sequence[date], reached: Mapping[date, Collection[str]] | None
) -> None:
    """Compute sessions of one panel: all their symbols, or those that a change has reached."""
    if not days:
        return
    symbols = None
    if reached is not None:
        symbols = sorted({*PROXIES}.union(*(reached[session] for session in days)))
    first = sessions.offset(days[0], -HISTORY_SESSIONS)
    with task.database.connection() as connection:
        panel = public_panel(connection, first, days[-1], symbols)
    returns = simple_returns(panel.adj_close)
    for session in days:
        some = None if reached is None else sorted(reached[session])
        refresh_session(task, session, tuple(ASSET_TABLES), panel, returns, some)


def _reached(
    database: Database, changes: Columns, days: Sequence[date]
) -> dict[date, frozenset[str]]:
    """Published sessions, other than the run's, with the symbols whose change reaches each."""
    if not len(changes["symbol"]):
        return {}
    first, reach = changes["first_changed"], np.array(_reaches(changes), dtype="datetime64[D]")
    with database.connection() as connection:
        there = published(connection, Layer.SYMBOLS, first.min().astype(object))
    reached = {
        day: frozenset(changes["symbol"][(first <= np.datetime64(day)) & (reach >= day)].tolist())
        for day in set(there) - set(days)
    }
    return {day: symbols for day, symbols in reached.items() if symbols}


def _reaches(changes: Columns) -> list[date]:
    """The last session that a change of each symbol's price can reach."""
    last = changes["last_changed"].astype(object).tolist()
    reach = {day: sessions.offset(day, HISTORY_SESSIONS) for day in set(last)}
    return [reach[day] for day in last]
