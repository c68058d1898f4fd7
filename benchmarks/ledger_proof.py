"""`python -m benchmarks.ledger_proof`: the portfolio tables against an independent ledger, in full.

Every column of every row of generated portfolios over many sessions, on a throw-away server,
against Decimal books and textbook routines that share no code with the calculations. Exit 1 at
the first kind of difference. The tests hold a short form of it.
"""

from __future__ import annotations

import argparse
import sys
import time

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.migrate import upgrade
from sigmasight_assets.core.nightly.reference import seed_reference
from sigmasight_assets_tests.postgres import fresh_database, throwaway_server
from sigmasight_assets_tests.table_proof import Findings, compare, fill, identity_gaps
from sigmasight_assets_tests.table_worlds import make_table_world

SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger_proof", description=__doc__)
    parser.add_argument("--portfolios", type=int, default=300, help="in two worlds")
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    broken = 0
    with throwaway_server() as server:
        for young in (False, True):
            database = Database(fresh_database(server))
            upgrade(database)
            seed_reference(database)
            seed, half = options.seed + young, options.portfolios // 2
            broken += prove(database, seed, half, options.sessions, young)
    return 1 if broken else 0


def prove(database: Database, seed: int, portfolios: int, sessions: int, young: bool) -> int:
    """Fill one world and say how its tables compare; returns how many differences there are."""
    started = time.perf_counter()
    world = make_table_world(seed, portfolios, sessions, young)
    matrices_from = fill(database, world)
    filled = time.perf_counter()
    found = compare(database, world, matrices_from)
    gaps = identity_gaps(database)
    done = time.perf_counter()
    histories = "a young proxy" if young else "whole histories"
    print(f"world {seed}: {portfolios} portfolios, {sessions} sessions, {histories}")
    print(f"  filled in {filled - started:.1f} s, compared in {done - filled:.1f} s")
    report(found)
    print(f"  pairs of sessions in which NAV does not add up: {len(gaps)}", flush=True)
    return len(found.differences) + len(gaps)


def report(found: Findings) -> None:
    """Rows, and for each table the figure that is furthest off, as a share of what is allowed."""
    for table, rows in found.rows.items():
        worst, column = max(
            (off, name) for (place, name), off in found.worst.items() if place == table
        )
        print(f"  {table:<28}{rows:>9,} rows, furthest off: {column} at {worst:.2g} of the limit")
    print(f"  {found.values:,} values compared, {len(found.differences)} differ")
    for each in found.differences[:SHOWN]:
        print(f"    {each}")


if __name__ == "__main__":
    sys.exit(main())
