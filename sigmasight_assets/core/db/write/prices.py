"""Prices are stored: one transaction per answer of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import check_claim
from sigmasight_assets.core.db.read.restatements import restated_symbols
from sigmasight_assets.core.db.tables import market_data_cache
from sigmasight_assets.core.db.write.asked_symbols import (
    Asking,
    forget_windows,
    keep_windows,
    know,
    lock_symbols,
)
from sigmasight_assets.core.db.write.changed_prices import Changed, note_changes, together
from sigmasight_assets.core.db.write.corporate_actions import forget_actions, replace_actions
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.db.write.warnings import refresh_warnings
from sigmasight_assets.core.market.bars import without
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets.core.market.source import UNANSWERED, Outcome, PriceAnswer
from sigmasight_assets.core.shapes.panel import Columns

INCOMING: Final = """
    CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS
    SELECT symbol, date, open, high, low, close, adj_close, volume, data_source
    FROM market_data_cache WITH NO DATA
"""

STORED: Final = "SELECT EXISTS (SELECT FROM market_data_cache WHERE symbol = ANY(%s))"

# Rows that say the same are left alone: their fetched_at, their pages and the portfolios that
# hold them stay as they are. ON CONFLICT alone would lock, and so write, each of them.
UPSERT: Final = """
    WITH changed AS (
        INSERT INTO market_data_cache
            (symbol, date, open, high, low, close, adj_close, volume, data_source)
        SELECT i.* FROM incoming i
        LEFT JOIN market_data_cache m ON m.symbol = i.symbol AND m.date = i.date
        WHERE (m.open, m.high, m.low, m.close, m.adj_close, m.volume, m.data_source)
            IS DISTINCT FROM
            (i.open, i.high, i.low, i.close, i.adj_close, i.volume, i.data_source)
        ORDER BY i.symbol, i.date
        ON CONFLICT (symbol, date) DO UPDATE SET
            open = excluded.open, high = excluded.high, low = excluded.low,
            close = excluded.close, adj_close = excluded.adj_close,
            volume = excluded.volume, data_source = excluded.data_source,
            fetched_at = clock_timestamp()
        RETURNING symbol, date
    )
    SELECT symbol, min(date), max(date), count(*) FROM changed GROUP BY symbol ORDER BY symbol
"""

DISCARD: Final = """
    WITH gone AS (DELETE FROM market_data_cache WHERE symbol = ANY(%s) RETURNING symbol, date)
    SELECT symbol, min(date), max(date), count(*) FROM gone GROUP BY symbol ORDER BY symbol
"""


@dataclass(frozen=True)
class StoredPrices:
    """What one answer changed. statuses: by symbol, of those it told something about.

    restated: symbols whose stored window stands on another basis than the answer; nothing of
    them was stored. overtaken: symbols that another run has fetched meanwhile, likewise.
    kept_elsewhere: symbols without a bar whose window another source of the chain serves.
    """

    offered: int
    changed: Mapping[str, Changed]
    statuses: Mapping[str, str]
    restated: frozenset[str]
    overtaken: frozenset[str]
    kept_elsewhere: frozenset[str]


def write_prices(
    database: Database, asking: Asking, request: FetchRequest, answer: PriceAnswer
) -> StoredPrices:
    """Store an answer and all that follows from it, in one transaction.

    Nothing changes of a symbol that was not answered. Of a window that was to be replaced nothing
    goes before there is something in its place, unless no source of the chain vouches for it.

    Raises:
        StaleEpoch: a later run holds one of the run's sessions; nothing was written.
    """
    answered = [symbol for symbol in request.symbols if answer.outcome(symbol) not in UNANSWERED]

    def work(connection: Connection) -> StoredPrices:
        overtaken = lock_symbols(connection, asking, answered)
        check_claim(connection, asking.claim, sorted(asking.claim.epochs))
        restated = _restated(connection, asking, request, answer) - overtaken
        usable = without(answer, restated | overtaken)
        known = [symbol for symbol in answered if symbol not in restated | overtaken]
        kept = keep_windows(connection, asking, usable, known) if request.replace else {}
        told = [symbol for symbol in known if symbol not in kept]
        changed, acted = _store(connection, request, usable, told)
        statuses = know(connection, asking, request, usable, told)
        note_changes(connection, changed)
        refresh_warnings(connection, together(changed, acted))
        elsewhere = frozenset(s for s in kept if asking.windows[s][0] != answer.source)
        return StoredPrices(
            len(usable.bars), changed, statuses | kept, restated, overtaken, elsewhere
        )

    return database.transaction(work)


def _restated(
    connection: Connection, asking: Asking, request: FetchRequest, answer: PriceAnswer
) -> frozenset[str]:
    """The symbols of a trailing answer whose whole windows have to be fetched again."""
    if request.replace:
        return frozenset()
    stored = {symbol: asking.windows[symbol][1] for symbol in request.symbols}
    known = {symbol: since for symbol, since in stored.items() if since is not None}
    return frozenset(restated_symbols(connection, answer, known) if known else ())


def _store(
    connection: Connection, request: FetchRequest, answer: PriceAnswer, told: list[str]
) -> tuple[dict[str, Changed], dict[str, Changed]]:
    """Store prices and actions; returns what changed of the first, and of the second."""
    gone: dict[str, Changed] = {}
    if request.replace:
        gone = _changes(connection, DISCARD, told)
        forget_windows(connection, told)
        forget_actions(connection, list(gone), answer.source)
    changed = together(gone, _store_bars(connection, answer, told))
    if answer.actions is None:
        return changed, {}
    priced = [symbol for symbol in told if answer.outcome(symbol) is Outcome.ROWS]
    return changed, replace_actions(connection, answer.source, answer.actions, request, priced)


def _store_bars(connection: Connection, answer: PriceAnswer, told: list[str]) -> dict[str, Changed]:
    """Store new and different rows; returns what they changed."""
    if not len(answer.bars):
        return {}
    row = connection.execute(STORED, (told,)).fetchone()
    if not (row and row[0]):
        # A first load: millions of rows, half the time. The locks keep others off these symbols.
        copy_rows(connection, "market_data_cache", market_data_cache, _rows(answer))
        return {name: Changed(*span) for name, span in answer.date_ranges().items()}
    connection.execute(INCOMING)
    copy_rows(connection, "incoming", market_data_cache, _rows(answer))
    return _changes(connection, UPSERT)


def _changes(connection: Connection, statement: str, *values: Sequence[str]) -> dict[str, Changed]:
    found = connection.execute(statement, values or None).fetchall()
    return {symbol: Changed(first, last, count) for symbol, first, last, count in found}


def _rows(answer: PriceAnswer) -> Columns:
    bars = answer.bars
    return {
        "symbol": np.asarray(bars.symbols, dtype=str)[bars.symbol],
        "date": bars.date,
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "close": bars.close,
        "adj_close": bars.adj_close,
        "volume": bars.volume,
        "data_source": np.full(len(bars), answer.source),
    }
