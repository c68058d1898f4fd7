"""Prices from a file into the database: everything at first, then one night more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from benchmarks.measure import Timing, apart, timed
from benchmarks.report import Report
from benchmarks.world import World
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.market.source import PriceBars
from sigmasight_assets.core.nightly.prices import PriceReport, refresh_prices
from sigmasight_assets.core.symbols import InvestmentClass

LOOP_SYMBOLS = 200

LOOP_TABLE = "CREATE TEMPORARY TABLE priced_by_loop (LIKE market_data_cache INCLUDING ALL)"
LOOP_UPSERT = """
    INSERT INTO priced_by_loop (symbol, date, close, adj_close, data_source)
    VALUES (%s, %s, %s, %s, 'files')
    ON CONFLICT (symbol, date) DO UPDATE SET
        close = excluded.close, adj_close = excluded.adj_close
"""


def run(world: World, report: Report) -> None:
    """Load all sessions but the last with their history, then the last as a nightly run does."""
    report.title("prices: file to database through core/nightly/prices.refresh_prices")
    for name, days in (("first load", world.days[:-1]), ("one more night", world.days[-1:])):
        (timing, rows), peak = apart(load, world, days)
        report.time(f"{name}: {rows.offered_rows:,} rows", timing)
        report.memory(f"{name}: peak memory", peak)
        report.say(
            f"{rows.offered_rows / timing.seconds:,.0f} rows a second, {rows.changed_rows:,} "
            f"changed, {rows.rejected_rows:,} refused, {rows.warnings:,} price warnings"
        )
        if name == "first load":
            (looped, loop_rows), _ = apart(loop, world, LOOP_SYMBOLS)
            per_row = looped.seconds / loop_rows
            report.ratio(
                "executemany, a symbol a time", per_row * rows.offered_rows, timing.seconds
            )
            report.say(f"loop measured on {LOOP_SYMBOLS} symbols, {loop_rows:,} rows, and scaled")


def load(world: World, days: Sequence[date]) -> tuple[Timing, PriceReport]:
    database, source = world.database(), world.source()
    add_symbols(database, source.listed_symbols(), days[0], reason="benchmark")
    gather_universe(database, days[0], days[-1])
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, days, f"prices {days[0]}")
    )
    sources = PriceSources(public=(source,), options=())
    now = sessions.completes_at(days[-1])
    shares = [InvestmentClass.PUBLIC]
    return timed(
        world.home,
        lambda: refresh_prices(database, sources, claim, days[0], days[-1], now, shares),
    )


def loop(world: World, symbols: int) -> tuple[Timing, int]:
    """The textbook way: each symbol's rows by executemany, in a transaction of their own."""
    listed = world.source().listed_symbols()
    chosen = listed[:: max(1, len(listed) // symbols)][:symbols]
    first = sessions.offset(world.days[0], -HISTORY_SESSIONS)
    bars = world.source().fetch(chosen, first, world.night).bars
    return timed(world.home, lambda: _upsert_each(world.database(), bars))


def _upsert_each(database: Database, bars: PriceBars) -> int:
    days, close, adjusted = bars.date.tolist(), bars.close.tolist(), bars.adj_close.tolist()
    with database.connection() as connection:
        connection.execute(LOOP_TABLE)
        for number, symbol in enumerate(bars.symbols):
            mine = (bars.symbol == number).nonzero()[0].tolist()
            rows = [(symbol, days[row], close[row], adjusted[row]) for row in mine]
            with connection.cursor() as cursor:
                cursor.executemany(LOOP_UPSERT, rows)
            connection.commit()
    return len(bars)
