"""`python -m benchmarks`: every goal, on a throw-away server; exit 1 if one is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

from benchmarks import market_night, portfolio_layer, price_load, symbol_layer
from benchmarks.report import Report
from benchmarks.world import REAL_PRICES, throwaway_world

SESSIONS = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--prices", type=Path, default=REAL_PRICES, help="Parquet file of prices")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="sessions of the long run")
    options = parser.parse_args()
    if not options.prices.is_file():
        print(f"benchmarks skipped: there are no real prices at {options.prices} (--prices)")
        return 0
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    report = Report()
    with throwaway_world(options.prices, options.sessions) as world:
        for benchmark in (price_load, symbol_layer, portfolio_layer, market_night):
            benchmark.run(world, report)
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
