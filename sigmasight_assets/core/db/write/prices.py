"""Prices are stored: one transaction per answer of a source."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim, check_claim
from sigmasight_assets.core.db.tables import market_data_cache
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets.core.market.source import Outcome, PriceAnswer
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
    SELECT symbol, min(date), count(*) FROM changed GROUP BY symbol ORDER BY symbol
"""

DISCARD: Final = """
    WITH gone AS (DELETE FROM market_data_cache WHERE symbol = ANY(%s) RETURNING symbol, date)
    SELECT symbol, min(date) FROM gone GROUP BY symbol
"""

# A portfolio is marked whether or not it has snapshots yet: one may be on its way in a
# transaction that this one cannot see. Rows are locked in the order in which everyone does it.
MARK: Final = """
    WITH held AS (
        SELECT portfolio_id, symbol FROM positions
        UNION SELECT portfolio_id, underlying_symbol FROM positions
    ), touched AS (
        SELECT held.portfolio_id, min(changed.day) AS day
        FROM unnest(%(symbols)s::text[], %(days)s::date[]) AS changed (symbol, day)
        JOIN held USING (symbol) GROUP BY held.portfolio_id
    ), locked AS (
        SELECT f.id, touched.day FROM portfolios f JOIN touched ON touched.portfolio_id = f.id
        ORDER BY f.id FOR UPDATE OF f
    )
    UPDATE portfolios SET data_version = data_version + 1,
        stale_from = LEAST(stale_from, GREATEST(locked.day, inception_date))
    FROM locked WHERE portfolios.id = locked.id
"""

# asked_from to asked_to has no hole: an answer that does not meet the window begins a new one.
KNOW: Final = """
    UPDATE symbol_universe u SET
        price_source = %(source)s,
        single_series = CASE WHEN a.last_date IS NULL THEN u.single_series
                             ELSE a.single_series END,
        asked_from = CASE WHEN u.asked_to < %(first)s THEN %(first)s
                          ELSE LEAST(u.asked_from, %(first)s) END,
        asked_to = GREATEST(u.asked_to, %(last)s),
        history_from = CASE WHEN LEAST(u.asked_from, %(first)s) = %(first)s
                            THEN LEAST(a.first_date, u.history_from) ELSE u.history_from END,
        last_price_date = GREATEST(u.last_price_date, a.last_date),
        status = CASE WHEN a.last_date IS NOT NULL OR u.last_price_date IS NOT NULL
                      THEN CASE WHEN GREATEST(u.last_price_date, a.last_date) < %(alive_from)s
                                THEN 'delisted' ELSE 'active' END
                      ELSE 'error' END,
        attempts = CASE WHEN a.last_date IS NULL THEN u.attempts + 1 ELSE 0 END,
        error_message = CASE WHEN a.last_date IS NULL AND u.last_price_date IS NULL
                             THEN format(a.message, LEAST(u.asked_from, %(first)s),
                                         GREATEST(u.asked_to, %(last)s)) END
    FROM unnest(%(symbols)s::text[], %(first_dates)s::date[], %(last_dates)s::date[],
                %(single)s::boolean[], %(messages)s::text[])
        AS a (symbol, first_date, last_date, single_series, message)
    WHERE u.symbol = a.symbol
"""

FORGET: Final = """
    UPDATE symbol_universe
    SET history_from = NULL, last_price_date = NULL, asked_from = NULL, asked_to = NULL
    WHERE symbol = ANY(%s)
"""

LOCK: Final = """
    SELECT FROM symbol_universe WHERE symbol = ANY(%s) ORDER BY symbol FOR UPDATE
"""


@dataclass(frozen=True)
class StoredPrices:
    """What one answer changed. `changed` counts new and different rows of `offered`."""

    offered: int
    changed: int


def write_prices(
    database: Database,
    claim: Claim,
    sessions: Collection[date],
    request: FetchRequest,
    answer: PriceAnswer,
    alive_from: date,
) -> StoredPrices:
    """Store an answer and what it says of each symbol, in one transaction.

    A symbol whose newest price is older than `alive_from` becomes `delisted`; one that has never
    had a price becomes `error` with a reason.

    Raises:
        StaleEpoch: a later run holds one of the run's sessions; nothing was written.
    """
    known = [symbol for symbol in request.symbols if _was_answered(answer, symbol)]

    def work(connection: Connection) -> StoredPrices:
        connection.execute(LOCK, (known,))
        check_claim(connection, claim, sessions)
        if request.replace:
            _mark(connection, dict(connection.execute(DISCARD, (known,)).fetchall()))
            connection.execute(FORGET, (known,))
        changed = _store(connection, answer, known)
        _know(connection, request, answer, known, alive_from)
        return StoredPrices(len(answer.bars), changed)

    return database.transaction(work)


def _store(connection: Connection, answer: PriceAnswer, known: list[str]) -> int:
    """Store new and different rows, mark whose portfolios they alter; returns how many."""
    first_changed, _ = _date_ranges(answer)
    changed = len(answer.bars)
    if not changed:
        return 0
    row = connection.execute(STORED, (known,)).fetchone()
    if row and row[0]:
        connection.execute(INCOMING)
        copy_rows(connection, "incoming", market_data_cache, _rows(answer))
        found = connection.execute(UPSERT).fetchall()
        first_changed = {symbol: day for symbol, day, _ in found}
        changed = sum(count for _, _, count in found)
    else:
        # A first load: millions of rows, half the time. LOCK keeps others off these symbols.
        copy_rows(connection, "market_data_cache", market_data_cache, _rows(answer))
    _mark(connection, first_changed)
    return changed


def _mark(connection: Connection, first_changed: Mapping[str, date]) -> None:
    """Mark the holders of symbols from the first session whose price was changed."""
    marks = {"symbols": list(first_changed), "days": list(first_changed.values())}
    connection.execute(MARK, marks)


def _was_answered(answer: PriceAnswer, symbol: str) -> bool:
    return _outcome(answer, symbol) is not Outcome.RATE_LIMITED


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
    request: FetchRequest,
    answer: PriceAnswer,
    known: list[str],
    alive_from: date,
) -> None:
    """What the answer says of each symbol: from when to when it has prices, or why not."""
    first_dates, last_dates = _date_ranges(answer)
    connection.execute(
        KNOW,
        {
            "source": answer.source,
            "first": request.first,
            "last": request.last,
            "alive_from": alive_from,
            "symbols": known,
            "first_dates": [first_dates.get(symbol) for symbol in known],
            "last_dates": [last_dates.get(symbol) for symbol in known],
            "single": [symbol in answer.single_series for symbol in known],
            "messages": [
                f"{answer.source} has no price from %s to %s"
                if _outcome(answer, symbol) is Outcome.NO_DATA
                else f"{answer.source}: every price was refused"
                for symbol in known
            ],
        },
    )


def _date_ranges(answer: PriceAnswer) -> tuple[dict[str, date], dict[str, date]]:
    """First and last date of each symbol with bars; bars are sorted by symbol and date."""
    bars = answer.bars
    if not len(bars):
        return {}, {}
    starts = np.flatnonzero(np.r_[True, bars.symbol[1:] != bars.symbol[:-1]])
    ends = np.r_[starts[1:], len(bars)] - 1
    names = [bars.symbols[number] for number in bars.symbol[starts]]
    return (
        dict(zip(names, bars.date[starts].astype(object).tolist(), strict=True)),
        dict(zip(names, bars.date[ends].astype(object).tolist(), strict=True)),
    )
