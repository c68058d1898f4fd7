"""What an answer says of the symbols that were asked for, beside their prices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.epochs import Claim
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets.core.market.source import Outcome, PriceAnswer

LOCK: Final = """
    SELECT symbol, CASE WHEN last_price_date IS NOT NULL THEN price_source END,
           CASE WHEN last_price_date IS NOT NULL THEN asked_from END
    FROM symbol_universe WHERE symbol = ANY(%s) ORDER BY symbol FOR UPDATE
"""

# Only a whole window tells how many series there are: a few days may lack one by accident.
# asked_from to asked_to has no hole: an answer that does not meet the window begins a new one,
# and one without a bar does not make a window longer towards the past. A contract that does not
# trade, or that nobody has ever traded, is alive until it expires.
KNOW: Final = """
    UPDATE symbol_universe u SET
        price_source = %(source)s,
        single_series = CASE WHEN a.last_date IS NULL OR u.asked_from < %(first)s
                             THEN u.single_series ELSE a.single_series END,
        asked_from = CASE WHEN a.last_date IS NULL AND u.last_price_date IS NOT NULL
                          THEN u.asked_from
                          WHEN u.asked_to < %(first)s THEN %(first)s
                          ELSE LEAST(u.asked_from, %(first)s) END,
        asked_to = GREATEST(u.asked_to, %(last)s),
        asked_at = CASE WHEN u.asked_to > %(last)s THEN u.asked_at ELSE %(now)s END,
        history_from = CASE WHEN LEAST(u.asked_from, %(first)s) = %(first)s
                            THEN LEAST(a.first_date, u.history_from) ELSE u.history_from END,
        last_price_date = GREATEST(u.last_price_date, a.last_date),
        status = CASE WHEN u.status = 'retired' OR u.investment_class = 'OPTIONS' THEN u.status
                      WHEN a.last_date IS NOT NULL OR u.last_price_date IS NOT NULL
                      THEN CASE WHEN GREATEST(u.last_price_date, a.last_date) < %(alive_from)s
                                THEN 'delisted' ELSE 'active' END
                      WHEN u.attempts + %(counts)s < %(attempts)s THEN u.status
                      ELSE 'error' END,
        attempts = CASE WHEN a.last_date IS NULL OR %(counts)s = 0 THEN u.attempts + %(counts)s
                        ELSE 0 END,
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
KEEP: Final = """
    UPDATE symbol_universe SET attempts = attempts + %(counts)s,
        status = CASE WHEN status = 'active' AND investment_class = 'PUBLIC'
                           AND last_price_date < %(alive_from)s
                      THEN 'delisted' ELSE status END
    WHERE symbol = ANY(%(symbols)s) AND price_source = ANY(%(chain)s)
      AND last_price_date IS NOT NULL
    RETURNING symbol, status
"""

Window = tuple[str | None, date | None]
"""The source of a stored window, and from when on it was asked for; None without any price."""


@dataclass(frozen=True)
class Asking:
    """On whose behalf a source was asked: the run's right to write, its instant and its rules.

    windows: what was stored of each symbol when its request was planned. chain: the sources of
    the class, the preferred one first; its answers without a price are counted. alive_from: a
    symbol whose newest price is older is delisted. attempts: answers without a price that make an
    error of a symbol that never had one.
    """

    claim: Claim
    now: datetime
    windows: Mapping[str, Window]
    chain: tuple[str, ...]
    alive_from: date
    attempts: int

    def counts(self, source: str) -> int:
        """1 if the answers of a source count as attempts."""
        return int(source == self.chain[0])


def lock_symbols(
    connection: Connection, asking: Asking, symbols: Collection[str]
) -> frozenset[str]:
    """Keep others off the symbols; returns those whose window is no longer what was planned for."""
    found = connection.execute(LOCK, (list(symbols),)).fetchall()
    return frozenset(symbol for symbol, *window in found if asking.windows[symbol] != (*window,))


def keep_windows(
    connection: Connection, asking: Asking, answer: PriceAnswer, known: Collection[str]
) -> dict[str, str]:
    """The symbols without a bar whose stored windows stay, with their statuses."""
    values = {
        "symbols": [symbol for symbol in known if answer.outcome(symbol) is not Outcome.ROWS],
        "chain": list(asking.chain),
        "alive_from": asking.alive_from,
        "counts": asking.counts(answer.source),
    }
    return dict(connection.execute(KEEP, values).fetchall())


def forget_windows(connection: Connection, symbols: Collection[str]) -> None:
    """Nothing is stored of the symbols any more."""
    connection.execute(FORGET, (list(symbols),))


def know(
    connection: Connection,
    asking: Asking,
    request: FetchRequest,
    answer: PriceAnswer,
    known: Collection[str],
) -> dict[str, str]:
    """From when to when each symbol has prices, or why not; returns statuses."""
    ranges = answer.date_ranges()
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
            "counts": asking.counts(answer.source),
            "symbols": list(known),
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
    if answer.outcome(symbol) is Outcome.NO_DATA:
        return f"{answer.source} has no price from %s to %s"
    return f"{answer.source}: every price was refused"
