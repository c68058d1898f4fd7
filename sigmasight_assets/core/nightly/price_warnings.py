"""Suspicious prices: the warnings of every price that changed, and of those that follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.prices import last_stored_session, panel_of
from sigmasight_assets.core.db.read.universe import recorded_actions
from sigmasight_assets.core.db.write.changed_prices import Changed
from sigmasight_assets.core.db.write.warnings import replace_warnings
from sigmasight_assets.core.market.warnings import FROZEN_CLOSES, price_warnings
from sigmasight_assets.core.symbols import option_contract


def refresh_warnings(database: Database, changed: Mapping[str, Changed], first: date) -> None:
    """Recompute price_warnings of the shares whose prices changed.

    The few whose history changed before the run's `first` session are looked at apart, so that
    one restated window does not make the whole market's be read.
    """
    shares = {symbol: span for symbol, span in changed.items() if not option_contract(symbol)}
    earlier = {symbol: span for symbol, span in shares.items() if span.first < first}
    for group in (earlier, {s: span for s, span in shares.items() if s not in earlier}):
        if group:
            since = min(span.first for span in group.values())
            until = max(span.last for span in group.values())
            _refresh(database, sorted(group), since, sessions.offset(until, FROZEN_CLOSES))


def _refresh(database: Database, symbols: Sequence[str], since: date, until: date) -> None:
    def work(connection: Connection) -> None:
        newest = last_stored_session(connection)
        last = min(until, newest or until)
        panel = panel_of(connection, symbols, sessions.offset(since, -FROZEN_CLOSES), last)
        rows = price_warnings(panel, since, last, recorded_actions(connection, symbols))
        replace_warnings(connection, symbols, since, last, rows)

    database.transaction(work)
