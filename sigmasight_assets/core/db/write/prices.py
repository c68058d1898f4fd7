"""Prices are stored: one transaction per answer of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim, check_claim
from sigmasight_assets.core.db.tables import market_data_cache
from sigmasight_assets.core.db.write.changed_prices import Changed, note_changes
from sigmasight_assets.core.db.write.corporate_actions import forget_actions, replace_actions
from sigmasight_assets.core.db.write.slices import copy_rows
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

# Only a whole window tells how many series there are: a few days may lack one by accident.
# asked_from to asked_to has no hole: an answer that does not meet the window begins a new one.
KNOW: Final = """
    UPDATE symbol_universe u SET
        price_source = %(source)s,
        single_series = CASE WHEN a.last_date IS NULL OR u.asked_from < %(first)s
                             THEN u.single_series ELSE a.single_series END,
        asked_from = CASE WHEN u.asked_to < %(first)s THEN %(first)s
                          ELSE LEAST(u.asked_from, %(first)s) END,
        asked_to = GREATEST(u.asked_to, %(last)s),
        asked_at = CASE WHEN u.asked_to > %(last)s THEN u.asked_at ELSE %(now)s END,
        history_from = CASE WHEN LEAST(u.asked_from, %(first)s) = %(first)s
                            THEN LEAST(a.first_date, u.history_from) ELSE u.history_from END,
        last_price_date = GREATEST(u.last_price_date, a.last_date),
        status = CASE WHEN u.status = 'retired' THEN u.status
                      WHEN a.last_date IS NOT NULL OR u.last_price_date IS NOT NULL
                      THEN CASE WHEN GREATEST(u.last_price_date, a.last_date) < %(alive_from)s
                                THEN 'delisted' ELSE 'active' END
                      WHEN u.attempts + 1 < %(attempts)s THEN u.status ELSE 'error' END,
        attempts = CASE WHEN a.last_date IS NULL THEN u.attempts + 1
                        WHEN %(preferred)s THEN 0 ELSE u.attempts END,
        error_message = CASE WHEN a.last_date IS NULL AND u.last_price_date IS NULL
                             THEN format(a.message, LEAST(u.asked_from, %(first)s),
                                         GREATEST(u.asked_to, %(last)s)) END
    FROM unnest(%(symbols)s::text[], %(first_dates)s::date[], %(last_dates)s::date[],
                %(single)s::boolean[], %(messages)s::text[])
        AS a (symbol, first_date, last_date, single_series, message)
    WHERE u.symbol = a.symbol
    RETURNING u.symbol, u.status
"""

FORGET: Final = """
    UPDATE symbol_universe
    SET history_from = NULL, last_price_date = NULL, asked_from = NULL, asked_to = NULL
    WHERE symbol = ANY(%s)
"""

# There is nothing in the place of a window that a source of the chain vouches for.
TRIED: Final = """
    UPDATE symbol_universe SET attempts = attempts + 1,
        status = CASE WHEN status = 'active' AND last_price_date < %(alive_from)s
                      THEN 'delisted' ELSE status END
    WHERE symbol = ANY(%(symbols)s) AND price_source = ANY(%(chain)s)
      AND last_price_date IS NOT NULL
    RETURNING symbol, status
"""

LOCK: Final = """
    SELECT FROM symbol_universe WHERE symbol = ANY(%s) ORDER BY symbol FOR UPDATE
"""


@dataclass(frozen=True)
class Asking:
    """On whose behalf a source was asked: the run's right to write, its instant and its rules.

    chain: the sources of the class, the preferred one first. alive_from: a symbol whose newest
    price is older is delisted. attempts: answers without a price that make an error of a symbol
    that never had one.
    """

    claim: Claim
    now: datetime
    alive_from: date
    chain: tuple[str, ...]
    attempts: int


@dataclass(frozen=True)
class StoredPrices:
    """What one answer changed. statuses: by symbol, of those it told something about."""

    offered: int
    changed: Mapping[str, Changed]
    statuses: Mapping[str, str]


def write_prices(
    database: Database, asking: Asking, request: FetchRequest, answer: PriceAnswer
) -> StoredPrices:
    """Store an answer and what it says of each symbol, in one transaction.

    Nothing changes of a symbol that was not answered. Of a window that was to be replaced nothing
    goes before there is something in its place, unless no source of the chain vouches for it.

    Raises:
        StaleEpoch: a later run holds one of the run's sessions; nothing was written.
    """
    known = [symbol for symbol in request.symbols if _outcome(answer, symbol) not in UNANSWERED]

    def work(connection: Connection) -> StoredPrices:
        connection.execute(LOCK, (known,))
        check_claim(connection, asking.claim, sorted(asking.claim.epochs))
        kept = _kept(connection, asking, answer, known) if request.replace else {}
        told = [symbol for symbol in known if symbol not in kept]
        gone = _changes(connection, DISCARD, told) if request.replace else {}
        if request.replace:
            connection.execute(FORGET, (told,))
            forget_actions(connection, list(gone), answer.source)
        stored = _store(connection, answer, told)
        if answer.actions is not None:
            priced = [symbol for symbol in told if _outcome(answer, symbol) is Outcome.ROWS]
            replace_actions(connection, answer.source, answer.actions, request, priced)
        changed = _together(gone, stored)
        note_changes(connection, changed)
        statuses = _know(connection, asking, request, answer, told)
        return StoredPrices(len(answer.bars), changed, statuses | kept)

    return database.transaction(work)


def _kept(
    connection: Connection, asking: Asking, answer: PriceAnswer, known: list[str]
) -> dict[str, str]:
    """The symbols that keep the window they have, with their statuses."""
    values = {
        "symbols": [symbol for symbol in known if _outcome(answer, symbol) is not Outcome.ROWS],
        "chain": list(asking.chain),
        "alive_from": asking.alive_from,
    }
    return dict(connection.execute(TRIED, values).fetchall())


def _store(connection: Connection, answer: PriceAnswer, known: list[str]) -> dict[str, Changed]:
    """Store new and different rows; returns what they changed."""
    if not len(answer.bars):
        return {}
    row = connection.execute(STORED, (known,)).fetchone()
    if not (row and row[0]):
        # A first load: millions of rows, half the time. LOCK keeps others off these symbols.
        copy_rows(connection, "market_data_cache", market_data_cache, _rows(answer))
        return {name: Changed(*span) for name, span in _date_ranges(answer).items()}
    connection.execute(INCOMING)
    copy_rows(connection, "incoming", market_data_cache, _rows(answer))
    return _changes(connection, UPSERT)


def _changes(connection: Connection, statement: str, *values: Sequence[str]) -> dict[str, Changed]:
    found = connection.execute(statement, values or None).fetchall()
    return {symbol: Changed(first, last, count) for symbol, first, last, count in found}


def _together(gone: Mapping[str, Changed], stored: Mapping[str, Changed]) -> dict[str, Changed]:
    """Rows that went and rows that came, by symbol."""
    changed = dict(gone)
    for symbol, came in stored.items():
        changed[symbol] = came.joined(changed[symbol]) if symbol in changed else came
    return changed


def _outcome(answer: PriceAnswer, symbol: str) -> Outcome:
    """Sources answer for stored forms: a symbol of any other form has no price."""
    return answer.outcomes.get(symbol, Outcome.NO_DATA)


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


def _know(
    connection: Connection,
    asking: Asking,
    request: FetchRequest,
    answer: PriceAnswer,
    known: list[str],
) -> dict[str, str]:
    """What the answer says of each symbol: from when to when it has prices, or why not."""
    ranges = _date_ranges(answer)
    nothing = (None, None, 0)
    found = connection.execute(
        KNOW,
        {
            "source": answer.source,
            "first": request.first,
            "last": request.last,
            "now": asking.now,
            "alive_from": asking.alive_from,
            "attempts": asking.attempts,
            "preferred": answer.source == asking.chain[0],
            "symbols": known,
            "first_dates": [ranges.get(symbol, nothing)[0] for symbol in known],
            "last_dates": [ranges.get(symbol, nothing)[1] for symbol in known],
            "single": [symbol in answer.single_series for symbol in known],
            "messages": [_message(answer, symbol) for symbol in known],
        },
    )
    return dict(found.fetchall())


def _message(answer: PriceAnswer, symbol: str) -> str:
    """Why there is no price; %s stand for the range that was asked for, as format() reads it."""
    reason = answer.reasons.get(symbol)
    if reason:
        return f"{answer.source}: {reason}".replace("%", "%%")
    if _outcome(answer, symbol) is Outcome.NO_DATA:
        return f"{answer.source} has no price from %s to %s"
    return f"{answer.source}: every price was refused"


def _date_ranges(answer: PriceAnswer) -> dict[str, tuple[date, date, int]]:
    """First date, last date and count of each symbol's bars, sorted by symbol and date."""
    bars = answer.bars
    if not len(bars):
        return {}
    starts = np.flatnonzero(np.r_[True, bars.symbol[1:] != bars.symbol[:-1]])
    ends = np.r_[starts[1:], len(bars)]
    names = [bars.symbols[number] for number in bars.symbol[starts]]
    first: list[date] = bars.date[starts].astype(object).tolist()
    last: list[date] = bars.date[ends - 1].astype(object).tolist()
    counts: list[int] = (ends - starts).tolist()
    return dict(zip(names, zip(first, last, counts, strict=True), strict=True))
