"""Prices are stored: one transaction per answer of a source."""

from __future__ import annotations

from collections.abc import Collection
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
from sigmasight_assets.core.risk.panel import Columns

INCOMING: Final = """
    CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS
    SELECT symbol, date, open, high, low, close, adj_close, volume, data_source
    FROM market_data_cache WITH NO DATA
"""

# Rows that say the same are left alone: their fetched_at, their pages and the portfolios that
# hold them stay as they are. A portfolio is marked whether or not it has snapshots yet: one may
# be on its way in a transaction that this one cannot see.
UPSERT: Final = """
    WITH changed AS (
        INSERT INTO market_data_cache AS m
            (symbol, date, open, high, low, close, adj_close, volume, data_source)
        SELECT * FROM incoming ORDER BY symbol, date
        ON CONFLICT (symbol, date) DO UPDATE SET
            open = excluded.open, high = excluded.high, low = excluded.low,
            close = excluded.close, adj_close = excluded.adj_close,
            volume = excluded.volume, data_source = excluded.data_source,
            fetched_at = clock_timestamp()
        WHERE (m.open, m.high, m.low, m.close, m.adj_close, m.volume, m.data_source)
            IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close,
                              excluded.adj_close, excluded.volume, excluded.data_source)
        RETURNING m.symbol, m.date
    ), held AS (
        SELECT portfolio_id, symbol FROM positions
        UNION SELECT portfolio_id, underlying_symbol FROM positions
    ), touched AS (
        SELECT held.portfolio_id, min(changed.date) AS day
        FROM changed JOIN held USING (symbol) GROUP BY held.portfolio_id
    ), marked AS (
        UPDATE portfolios SET data_version = data_version + 1,
            stale_from = LEAST(stale_from, GREATEST(touched.day, inception_date))
        FROM touched WHERE id = touched.portfolio_id
    )
    SELECT count(*) FROM changed
"""

KNOW: Final = """
    UPDATE symbol_universe u SET
        price_source = %(source)s,
        single_series = a.single_series,
        asked_from = LEAST(u.asked_from, %(first)s),
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
                             THEN a.message END
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
            connection.execute("DELETE FROM market_data_cache WHERE symbol = ANY(%s)", (known,))
            connection.execute(FORGET, (known,))
        connection.execute(INCOMING)
        if len(answer.bars):
            copy_rows(connection, "incoming", market_data_cache, _rows(answer))
        row = connection.execute(UPSERT).fetchone()
        _know(connection, request, answer, known, alive_from)
        return StoredPrices(len(answer.bars), int(row[0]) if row else 0)

    return database.transaction(work)


def _was_answered(answer: PriceAnswer, symbol: str) -> bool:
    return answer.outcomes[symbol] is not Outcome.RATE_LIMITED


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
                f"{answer.source} has no price from {request.first} to {request.last}"
                if answer.outcomes[symbol] is Outcome.NO_DATA
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
