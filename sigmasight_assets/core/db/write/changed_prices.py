"""What a changed price makes out of date, noted by the transaction that changes it.

Stored results are those of the stored prices. Each change is noted twice: portfolios that hold
the symbol get the first session from which they have to be refreshed, and `changed_prices` keeps
the change open until the symbol layer has computed every session that it can reach. A settled row
stays: a run that was slower than the change has to see that there was one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import lock_publications
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.shapes.panel import Columns

# Locked in the order of symbols, as everywhere. A settled note begins anew.
NOTE: Final = """
    INSERT INTO changed_prices AS noted (symbol, first_changed, last_changed)
    SELECT c.symbol, c.first_day, c.last_day
    FROM unnest(%(symbols)s::text[], %(first_days)s::date[], %(last_days)s::date[])
        AS c (symbol, first_day, last_day)
    JOIN symbol_universe u ON u.symbol = c.symbol AND u.investment_class = 'PUBLIC'
    ORDER BY c.symbol COLLATE "C"
    ON CONFLICT (symbol) DO UPDATE SET
        first_changed = CASE WHEN noted.settled THEN excluded.first_changed
                             ELSE LEAST(noted.first_changed, excluded.first_changed) END,
        last_changed = CASE WHEN noted.settled THEN excluded.last_changed
                            ELSE GREATEST(noted.last_changed, excluded.last_changed) END,
        version = nextval('price_change'), settled = false
"""

# A portfolio is marked whether or not it has snapshots yet: one may be on its way in a
# transaction that this one cannot see. Every portfolio stands on the factor proxies. Rows are
# locked in the order in which everyone does it.
MARK: Final = """
    WITH changed AS (
        SELECT * FROM unnest(%(symbols)s::text[], %(first_days)s::date[]) AS c (symbol, day)
    ), held AS (
        SELECT portfolio_id, symbol FROM positions WHERE symbol = ANY(%(symbols)s)
        UNION ALL SELECT portfolio_id, underlying_symbol FROM positions
        WHERE underlying_symbol = ANY(%(symbols)s)
        UNION ALL SELECT id, proxy FROM portfolios, unnest(%(proxies)s::text[]) AS proxy
    ), touched AS (
        SELECT held.portfolio_id, min(changed.day) AS day
        FROM changed JOIN held USING (symbol) GROUP BY held.portfolio_id
    ), locked AS (
        SELECT f.id, touched.day FROM portfolios f JOIN touched ON touched.portfolio_id = f.id
        ORDER BY f.id FOR UPDATE OF f
    )
    UPDATE portfolios SET data_version = data_version + 1,
        stale_from = LEAST(stale_from, GREATEST(locked.day, inception_date))
    FROM locked WHERE portfolios.id = locked.id
"""

# Compared with the version that was read: a price that changed meanwhile keeps its note. So does
# one that reaches a session which somebody else has published from older prices since.
SETTLE: Final = """
    UPDATE changed_prices SET settled = true
    WHERE symbol IN (
        SELECT c.symbol FROM changed_prices c
        JOIN unnest(%(symbols)s::text[], %(versions)s::bigint[], %(reaches)s::date[])
            AS done (symbol, version, reach) USING (symbol, version)
        WHERE NOT c.settled AND NOT EXISTS (
            SELECT FROM published_sessions p
            WHERE p.layer = 'symbols' AND p.session BETWEEN c.first_changed AND done.reach
              AND p.session <> ALL(%(handled)s::date[]))
        ORDER BY c.symbol FOR UPDATE OF c)
    RETURNING symbol, first_changed
"""

# Another run has computed what was published, and settled, while this one worked on older prices.
NOTE_AGAIN: Final = """
    UPDATE changed_prices SET settled = false
    WHERE symbol IN (
        SELECT c.symbol FROM changed_prices c
        LEFT JOIN unnest(%(symbols)s::text[], %(versions)s::bigint[]) AS read (symbol, version)
            USING (symbol, version)
        WHERE c.settled AND read.symbol IS NULL
          AND c.first_changed <= %(session)s AND c.last_changed >= %(reached_from)s
        ORDER BY c.symbol FOR UPDATE OF c)
"""


@dataclass(frozen=True)
class Changed:
    """The sessions between which a symbol's prices changed, and how many did."""

    first: date
    last: date
    count: int

    def joined(self, other: Changed) -> Changed:
        """Both changes as one."""
        return Changed(
            min(self.first, other.first),
            max(self.last, other.last),
            max(self.count, other.count),
        )


def together(one: Mapping[str, Changed], other: Mapping[str, Changed]) -> dict[str, Changed]:
    """Two sets of changes as one, by symbol."""
    both = dict(one)
    for symbol, span in other.items():
        both[symbol] = span.joined(both[symbol]) if symbol in both else span
    return both


def note_changes(connection: Connection, changed: Mapping[str, Changed]) -> None:
    """Note changed prices, and mark the portfolios that stand on them."""
    if not changed:
        return
    symbols = sorted(changed)
    first_days = [changed[symbol].first for symbol in symbols]
    last_days = [changed[symbol].last for symbol in symbols]
    values = {"symbols": symbols, "first_days": first_days, "last_days": last_days}
    connection.execute(NOTE, values)
    _mark(connection, symbols, first_days)


def note_again(connection: Connection, known: Columns, session: date, reached_from: date) -> None:
    """Note anew what has changed and been settled since `known` was read, if it reaches a session.

    For the transaction that writes the session from prices read with `known`, under the lock of
    publications. reached_from: the first session whose price the session's rows can depend on.
    """
    connection.execute(
        NOTE_AGAIN,
        {
            "symbols": known["symbol"].tolist(),
            "versions": known["version"].tolist(),
            "session": session,
            "reached_from": reached_from,
        },
    )


def settle_changes(
    database: Database, changes: Columns, reaches: Sequence[date], handled: Sequence[date]
) -> None:
    """The sessions handled say what these prices say; reaches: how far each change goes.

    Portfolios are marked once more: one may have been refreshed between the change of a price
    and that of the betas which follow from it.
    """
    values = {
        "symbols": changes["symbol"].tolist(),
        "versions": changes["version"].tolist(),
        "reaches": list(reaches),
        "handled": list(handled),
    }

    def work(connection: Connection) -> None:
        lock_publications(connection)
        settled: dict[str, date] = dict(connection.execute(SETTLE, values).fetchall())
        _mark(connection, list(settled), list(settled.values()))

    database.transaction(work)


def _mark(connection: Connection, symbols: list[str], days: list[date]) -> None:
    proxies = sorted(set(PROXIES) & set(symbols))
    connection.execute(MARK, {"symbols": symbols, "first_days": days, "proxies": proxies})
