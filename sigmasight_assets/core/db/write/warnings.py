"""Suspicious prices: the warnings of whatever changed, and of the sessions that follow it.

Written by the transaction that changes prices or actions, which holds the symbols' locks: what
changed is known to it alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import Connection

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.read.prices import last_stored_session, panel_of
from sigmasight_assets.core.db.read.universe import recorded_actions
from sigmasight_assets.core.db.tables import price_warnings as price_warnings_table
from sigmasight_assets.core.db.write.changed_prices import Changed
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.market.warnings import FROZEN_CLOSES, price_warnings
from sigmasight_assets.core.symbols import option_contract

REPLACED = "DELETE FROM price_warnings WHERE symbol = ANY(%s) AND date BETWEEN %s AND %s"


def refresh_warnings(connection: Connection, changed: Mapping[str, Changed]) -> None:
    """Recompute price_warnings of the shares among the symbols that changed."""
    shares = {symbol: span for symbol, span in changed.items() if not option_contract(symbol)}
    newest = last_stored_session(connection)
    if not shares or newest is None:
        return
    symbols = sorted(shares)
    # An action may be dated on a closed day.
    first = sessions.on_or_after(min(span.first for span in shares.values()))
    reached = sessions.on_or_after(max(span.last for span in shares.values()))
    last = min(newest, sessions.offset(reached, FROZEN_CLOSES))
    connection.execute(REPLACED, (symbols, first, max(first, last)))
    if first > last:
        return
    panel = panel_of(connection, symbols, sessions.offset(first, -FROZEN_CLOSES), last)
    rows = price_warnings(panel, first, last, recorded_actions(connection, symbols))
    if len(rows["symbol"]):
        copy_rows(connection, "price_warnings", price_warnings_table, rows)
