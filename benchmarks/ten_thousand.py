"""The portfolio layer of up to 10,000 portfolios, on every real symbol, database to database.

By itself: `python -m benchmarks.ten_thousand` (make bench-portfolios).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from psycopg import sql

from benchmarks import portfolio_layer, price_load
from benchmarks.generated_portfolios import add_portfolios
from benchmarks.measure import Timing, apart, timed
from benchmarks.report import Report
from benchmarks.world import REAL_PRICES, World, throwaway_world
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer, claim_sessions
from sigmasight_assets.core.nightly.portfolio_sessions import PortfolioSession
from sigmasight_assets.core.nightly.portfolios import refresh_portfolios
from sigmasight_assets.core.nightly.reconciliation import reconcile
from sigmasight_assets.core.nightly.symbols import refresh_symbols

SIZES: Final = (2_500, 5_000, 10_000)
POSITIONS: Final = 50
SESSIONS: Final = 20
ONE_SESSION_SECONDS: Final = 30.0
RANGE_SECONDS: Final = 360.0
GIGABYTES: Final = 3.0
LINEAR: Final = 1.0
"""Seconds a portfolio of the largest size over those of the smallest: more is worse than linear."""

TABLES: Final = sorted(LAYER_TABLES[Layer.PORTFOLIOS])


def run(world: World, report: Report) -> None:
    """One session at each size, then a range of sessions at the largest."""
    report.title(f"portfolio layer: five assets, {POSITIONS} positions a portfolio")
    _compute_symbols(world)
    database, count, timings = world.database(), 0, []
    for seed, size in enumerate(SIZES):
        add_portfolios(database, world.days[0], world.night, size - count, POSITIONS, seed)
        count = size
        timing, peak = _first_time(world, [world.night], report, f"{size:,} portfolios")
        timings.append(timing.seconds)
    report.goal("one session of the largest", timings[-1], "s", ONE_SESSION_SECONDS)
    report.memory("its peak memory", peak, GIGABYTES)
    growth = (timings[-1] / SIZES[-1]) / (timings[0] / SIZES[0])
    report.goal("seconds a portfolio, largest to smallest", growth, "x", LINEAR)
    stored = _stored_bytes(database) / SIZES[-1]
    report.say(f"{stored / 1000:.1f} kB stored per portfolio and session, indexes included")
    days = world.days[-SESSIONS:]
    ranged, peak = _first_time(world, days, report, f"{SESSIONS} sessions in one run")
    report.goal(f"{SESSIONS} sessions of {SIZES[-1]:,}", ranged.seconds, "s", RANGE_SECONDS)
    report.memory("its peak memory", peak, GIGABYTES)
    looped, _ = apart(portfolio_layer.loop, world)
    scaled = looped.seconds * SIZES[-1] / portfolio_layer.LOOP_PORTFOLIOS
    report.ratio("pandas, a portfolio a time", scaled, timings[-1])


def one_run(world: World, days: Sequence[date]) -> tuple[Timing, dict[str, float]]:
    """Refresh and reconcile sessions; the seconds of each phase, summed over them."""
    database, phases = world.database(), Counter[str]()

    def work() -> None:
        for done in refresh_portfolios(database, "benchmark", days, portfolio_layer.RULES):
            if not isinstance(done, PortfolioSession) or done.failed:
                raise RuntimeError(f"a session that cannot be measured: {done}")
            phases.update(done.phases)
        for checked in reconcile(database, days):
            if checked.exceptions:
                raise RuntimeError(f"exceptions on {checked.session}")
            phases.update(reconcile=checked.seconds)

    timing, _ = timed(world.home, work)
    return timing, phases


def _first_time(
    world: World, days: Sequence[date], report: Report, name: str
) -> tuple[Timing, int]:
    """A run into empty tables, in a process of its own; and its peak memory in bytes."""
    _forget(world.database())
    (timing, phases), peak = apart(one_run, world, days)
    report.time(name, timing)
    report.say(", ".join(f"{phase} {seconds:.1f}" for phase, seconds in phases.items()))
    return timing, peak


def _compute_symbols(world: World) -> None:
    """The symbols of the sessions that portfolios are computed for."""
    database, days = world.database(), world.days[-SESSIONS:]
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, days, "ten thousand")
    )
    for _ in refresh_symbols(database, claim, days, world.night):
        pass


def _forget(database: Database) -> None:
    with database.connection() as connection:
        for name in (*TABLES, "reconciliation_exceptions"):
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))
        connection.execute("DELETE FROM published_sessions WHERE layer = 'portfolios'")


def _stored_bytes(database: Database) -> float:
    with database.connection() as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name",
            (TABLES,),
        ).fetchone()
    return float(row[0]) if row else 0.0


def main() -> int:
    """Load the prices, then measure; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ten_thousand", description=__doc__)
    parser.add_argument("--prices", type=Path, default=REAL_PRICES, help="Parquet file of prices")
    prices = parser.parse_args().prices
    if not prices.is_file():
        print(f"skipped: there are no real prices at {prices} (--prices)")
        return 0
    report = Report()
    with throwaway_world(prices, SESSIONS * 2) as world:
        price_load.load(world, world.days)
        run(world, report)
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
