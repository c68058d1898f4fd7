"""Symbols onboarded after a session's batch: their rows are added to the published session."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db import tables
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Claim, Layer, join_sessions
from sigmasight_assets.core.db.read.changed_prices import changed_prices
from sigmasight_assets.core.db.read.companies import Companies
from sigmasight_assets.core.db.read.late_symbols import late_symbols
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.db.write.changed_prices import MARK, note_again
from sigmasight_assets.core.db.write.slices import Slice, Subset, write_session
from sigmasight_assets.core.db.write.universe import note_factors
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.nightly.symbol_sessions import session_rows
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_daily_metrics import NO_PROFILES
from sigmasight_assets.core.risk.symbol_factor_exposures import BELONGS_WINDOW
from sigmasight_assets.core.shapes.panel import Columns, Floats, PricePanel

log = logging.getLogger(__name__)

PER_SYMBOL: Final = sorted(
    name for name in LAYER_TABLES[Layer.SYMBOLS] if "symbol" in tables.metadata.tables[name].c
)

# A session that was computed without the symbol has nothing copied from its profile: what is
# copied is what was known when the session was the latest.
NO_COMPANIES: Final = Companies(NO_PROFILES, np.empty(0))


@dataclass(frozen=True)
class _Ground:
    """What the sessions of one call share. known: `changed_prices` read before any price."""

    database: Database
    claim: Claim
    known: Columns
    panel: PricePanel
    returns: Floats


def complete_symbols(
    database: Database, run_id: str, days: Sequence[date], symbols: Collection[str]
) -> Mapping[date, Sequence[str]]:
    """Add to published sessions what they lack of the symbols, each in one transaction.

    A PUBLIC symbol is late on a session to which it belongs (methodology, section 2) when it has
    no factors there. Its rows become those that the session's batch would have written, and
    the portfolios that hold it are stale from that session on: read their marks afterwards. A
    session that a batch has claimed meanwhile is left to it. Returns what was added.
    """
    since = {day: sessions.offset(day, 1 - BELONGS_WINDOW) for day in days}
    with database.connection() as connection:
        late = late_symbols(connection, since, symbols)
    if not late:
        return {}
    ground = _read(database, run_id, late)
    added: dict[date, Sequence[str]] = {}
    for session, names in late.items():
        try:
            _add(ground, session, names)
        except StaleEpoch as overtaken:
            log.info("late symbols of %s are left to a later batch: %s", session, overtaken)
            continue
        added[session] = names
        log.info("symbols %s: %d added that the batch did not know", session, len(names))
    if added:
        note_factors(database, min(added), max(added))
    return added


def _read(database: Database, run_id: str, late: Mapping[date, Collection[str]]) -> _Ground:
    """Join the sessions, then read prices: a batch that claims them later reads no older ones."""
    claim = database.transaction(
        lambda connection: join_sessions(connection, Layer.SYMBOLS, late, run_id)
    )
    first, names = sessions.offset(min(late), -HISTORY_SESSIONS), {*PROXIES}.union(*late.values())
    with database.connection() as connection:
        known = changed_prices(connection)
        panel = public_panel(connection, first, max(late), sorted(names))
    return _Ground(database, claim, known, panel, simple_returns(panel.adj_close))


def _add(ground: _Ground, session: date, symbols: Sequence[str]) -> None:
    """Write the rows of the symbols, and mark whoever was computed without them.

    Raises:
        StaleEpoch: a batch has claimed the session; nothing was written.
    """
    rows = session_rows(ground.panel, ground.returns, session, NO_COMPANIES)
    reached_from = sessions.offset(session, -HISTORY_SESSIONS)

    def also(connection: Connection) -> None:
        note_again(connection, ground.known, session, reached_from)
        marked = {"symbols": symbols, "first_days": [session] * len(symbols), "proxies": []}
        connection.execute(MARK, marked)

    slices = [_slice(name, rows[name], symbols) for name in PER_SYMBOL]
    write_session(ground.database, ground.claim, session, slices, also)


def _slice(name: str, columns: Columns, symbols: Sequence[str]) -> Slice:
    mine = np.isin(columns["symbol"], symbols)
    chosen = {key: values[mine] for key, values in columns.items()}
    return Slice(tables.metadata.tables[name], chosen, Subset("symbol", symbols))
