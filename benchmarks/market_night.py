"""Two nights of every symbol on a loopback Yahoo, as many requests a second as are allowed.

`python -m benchmarks.market_night --rate 2` takes the hour and a half that a night takes; the
short form, part of `python -m benchmarks`, asks a hundred times as often and computes the rest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import yfinance

from benchmarks.measure import Timing, apart, timed
from benchmarks.report import Report
from benchmarks.world import REAL_PRICES, World, throwaway_world
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.db.source_limits import DatabaseLimit
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets.core.market.yahoo_session import make_session, yahoo_data
from sigmasight_assets.core.nightly.prices import PriceReport, refresh_prices
from sigmasight_assets.core.symbols import InvestmentClass

ALLOWED: Final = 2.0
SHORT_FORM: Final = 200.0
LOOP_SYMBOLS: Final = 200


def run(world: World, report: Report, rate: float = SHORT_FORM) -> None:
    """A first night with every symbol's history, the next night, and that one again."""
    report.title(f"prices of a night from Yahoo, at {rate:g} requests a second")
    first, second = world.days[-2:]
    with yahoo_server(world.prices) as url:
        for name, night, pace in (
            ("first night", first, SHORT_FORM),
            ("the next night", second, rate),
            ("the same night again", second, rate),
        ):
            before = requests(url)
            (timing, found), peak = apart(ask, world, url, night, pace, name)
            after = requests(url)
            report.time(f"{name}: {found.counts()}", timing)
            report.memory(f"{name}: peak memory", peak)
            asked = {kind: count - before.get(kind, 0) for kind, count in after.items()}
            minutes = sum(asked.values()) / ALLOWED / 60
            report.say(f"requests {asked}: {minutes:.0f} minutes at {ALLOWED:g} a second")
        (looped, sent), _ = apart(loop, world, url, second)
        ours = timing_of_reading(world, url, second)
        report.ratio("Ticker.history, a symbol a time", looped.own_cpu, ours.own_cpu)
        report.say(f"processor time of {LOOP_SYMBOLS} symbols; the loop sent {sent} requests")


def ask(
    world: World, url: str, night: date, rate: float, run_id: str
) -> tuple[Timing, PriceReport]:
    """One night's prices of every symbol of the file."""
    database = world.database()
    add_symbols(database, world.source().listed_symbols(), world.days[-2], reason="benchmark")
    gather_universe(database, night, night)
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, [night], run_id)
    )
    yahoo = YahooSource(DatabaseLimit(database, "yfinance", rate), base_url=url)
    sources = PriceSources(public=(yahoo,), options=())
    now = sessions.completes_at(night) + timedelta(hours=5)
    shares = [InvestmentClass.PUBLIC]
    return timed(
        world.home, lambda: refresh_prices(database, sources, claim, night, night, now, shares)
    )


def timing_of_reading(world: World, url: str, night: date) -> Timing:
    """What the product's own client takes for the symbols of the loop."""
    (timing, _), _ = apart(read, world, url, night)
    return timing


def read(world: World, url: str, night: date) -> tuple[Timing, int]:
    source = YahooSource(Unlimited(), base_url=url)
    since = sessions.offset(night, -280)
    return timed(world.home, lambda: len(source.fetch(chosen(world), since, night).bars))


def loop(world: World, url: str, night: date) -> tuple[Timing, int]:
    """The textbook way: each symbol's own Ticker, one after the other."""
    before = sum(requests(url).values())
    yahoo_data(make_session(Unlimited(), url))
    since = datetime.combine(sessions.offset(night, -280), clock(), UTC)

    def ask_each() -> None:
        # It says on every call which of its own words of pandas are old.
        warnings.simplefilter("ignore")
        for symbol in chosen(world):
            yfinance.Ticker(symbol).history(start=since, end=night, auto_adjust=False)

    timing, _ = timed(world.home, ask_each)
    return timing, sum(requests(url).values()) - before


def chosen(world: World) -> Sequence[str]:
    """Symbols of the loop, from all over the alphabet, that have a price throughout."""
    days = world.source().fetch(["SPY"], world.days[0], world.days[-1])
    listed = world.source().listed_symbols()
    some = listed[:: len(listed) // (2 * LOOP_SYMBOLS)]
    bars = world.source().fetch(some, world.days[0], world.days[-1]).bars
    whole = [
        name
        for number, name in enumerate(bars.symbols)
        if (bars.symbol == number).sum() == len(days.bars)
    ]
    return whole[:LOOP_SYMBOLS]


def requests(url: str) -> dict[str, int]:
    """How many requests of each kind the server has answered."""
    with urlopen(f"{url}/_requests") as answer:
        kinds: dict[str, int] = json.load(answer)["kinds"]
    return kinds


@contextmanager
def yahoo_server(prices: Path) -> Iterator[str]:
    """Yahoo in a process of its own; its address."""
    module = "sigmasight_assets_tests.market_servers.yahoo"
    command = [sys.executable, "-m", module, "--prices", str(prices)]
    server: Any = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.market_night", description=__doc__)
    parser.add_argument("--prices", type=Path, default=REAL_PRICES, help="Parquet file of prices")
    parser.add_argument("--rate", type=float, default=ALLOWED, help="requests a second")
    options = parser.parse_args()
    with throwaway_world(options.prices, 60) as world:
        run(world, Report(), options.rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
