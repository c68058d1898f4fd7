"""Symbols onboarded after a session's batch: their rows are added to the published session."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import partial

from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer, join_sessions
from sigmasight_assets.core.db.read.changed_prices import changed_prices
from sigmasight_assets.core.db.read.late_symbols import late_symbols
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.db.write.changed_prices import MARK
from sigmasight_assets.core.db.write.universe import note_factors
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.nightly.symbol_sessions import ASSET_TABLES, Task, refresh_session
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_factor_exposures import BELONGS_WINDOW

log = logging.getLogger(__name__)


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
    task = _joined(database, run_id, late)
    first, names = sessions.offset(min(late), -HISTORY_SESSIONS), {*PROXIES}.union(*late.values())
    with database.connection() as connection:
        panel = public_panel(connection, first, max(late), sorted(names))
    returns = simple_returns(panel.adj_close)
    added: dict[date, Sequence[str]] = {}
    for session, missing in late.items():
        mark = partial(_mark_holders, session=session, symbols=missing)
        try:
            refresh_session(task, session, tuple(ASSET_TABLES), panel, returns, missing, mark)
        except StaleEpoch as overtaken:
            log.info("late symbols of %s are left to a later batch: %s", session, overtaken)
            continue
        added[session] = missing
        log.info("symbols %s: %d added that the batch did not know", session, len(missing))
    if added:
        note_factors(database, min(added), max(added))
    return added


def _joined(database: Database, run_id: str, days: Collection[date]) -> Task:
    """A right to add to the sessions; taken before prices are read, or a batch's were older.

    None of them counts as the latest: the symbols were not there when something was copied from
    profiles, and nothing is.
    """
    claim = database.transaction(
        lambda connection: join_sessions(connection, Layer.SYMBOLS, days, run_id)
    )
    with database.connection() as connection:
        return Task(database, claim, date.max, changed_prices(connection))


def _mark_holders(connection: Connection, session: date, symbols: Sequence[str]) -> None:
    """Whoever was computed without the symbols is out of date from the session on."""
    marked = {"symbols": symbols, "first_days": [session] * len(symbols), "proxies": []}
    connection.execute(MARK, marked)
