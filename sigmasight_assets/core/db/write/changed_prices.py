"""What a changed price makes out of date, noted by the transaction that changes it.

Stored results are those of the stored prices. Each change is noted twice: portfolios that hold
the symbol get the first session from which they have to be refreshed, and `changed_prices` keeps
the symbol until the symbol layer has computed every session that the change can reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.shapes.panel import Columns

# Locked in the order of symbols, as everywhere.
NOTE: Final = """
    INSERT INTO changed_prices (symbol, first_changed, last_changed)
    SELECT c.symbol, c.first_day, c.last_day
    FROM unnest(%(symbols)s::text[], %(first_days)s::date[], %(last_days)s::date[])
        AS c (symbol, first_day, last_day)
    JOIN symbol_universe u ON u.symbol = c.symbol AND u.investment_class = 'PUBLIC'
    ORDER BY c.symbol COLLATE "C"
    ON CONFLICT (symbol) DO UPDATE SET
        first_changed = LEAST(changed_prices.first_changed, excluded.first_changed),
        last_changed = GREATEST(changed_prices.last_changed, excluded.last_changed),
        version = nextval('price_change')
"""

# A portfolio is marked whether or not it has snapshots yet: one may be on its way in a
# transaction that this one cannot see. Every portfolio stands on the factor proxies. Rows are
# locked in the order in which everyone does it.
MARK: Final = """
    WITH changed AS (
        SELECT * FROM unnest(%(symbols)s::text[], %(first_days)s::date[]) AS c (symbol, day)
    ), held AS (
        SELECT portfolio_id, symbol FROM positions
        UNION SELECT portfolio_id, underlying_symbol FROM positions
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

# Compared with the version that was read: a price that changed meanwhile keeps its note.
SETTLE: Final = """
    DELETE FROM changed_prices c
    USING unnest(%(symbols)s::text[], %(versions)s::bigint[]) AS done (symbol, version)
    WHERE c.symbol = done.symbol AND c.version = done.version
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


def settle_changes(database: Database, changes: Columns) -> None:
    """The symbol layer says what these prices say.

    Portfolios are marked once more: one may have been refreshed between the change of a price
    and that of the betas which follow from it.
    """
    if not len(changes["symbol"]):
        return
    symbols, versions = changes["symbol"].tolist(), changes["version"].tolist()
    days = changes["first_changed"].astype(object).tolist()

    def work(connection: Connection) -> None:
        connection.execute(SETTLE, {"symbols": symbols, "versions": versions})
        _mark(connection, symbols, days)

    database.transaction(work)


def _mark(connection: Connection, symbols: list[str], days: list[date]) -> None:
    proxies = sorted(set(PROXIES) & set(symbols))
    connection.execute(MARK, {"symbols": symbols, "first_days": days, "proxies": proxies})
