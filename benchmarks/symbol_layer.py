"""The symbol layer on every real symbol, database to database."""

from __future__ import annotations

import os
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.measure import Timing, apart, fastest, timed
from benchmarks.report import Report
from benchmarks.world import World
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.db.read.prices import public_panel
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets.core.risk.symbol_factor_exposures import belongs

REPEATS = 3
LOOP_SYMBOLS = 200
ONE_SESSION_SECONDS = 3.0
RANGE_SECONDS = 45.0
GIGABYTES = 2.0


def run(world: World, report: Report) -> None:
    """One session through core, all sessions through Dagster, both against a loop."""
    report.title("symbol layer: prices in the database to published rows in the database")
    (timing, rows), peak = apart(one_session, world, world.night)
    report.time(f"one session, {rows:,} symbols, read to commit", timing, ONE_SESSION_SECONDS)
    report.memory("one session: peak memory", peak, GIGABYTES)
    (looped, symbols), _ = apart(loop, world, LOOP_SYMBOLS)
    scaled = looped.seconds * rows / symbols
    loop_name = "statsmodels and scikit-learn, a symbol a time"
    report.ratio(loop_name, scaled, timing.seconds)
    report.say(
        f"loop measured on {symbols} symbols ({looped.seconds:.1f} s), scaled to {scaled:.0f} s; "
        "it computes factors alone, reads and writes nothing"
    )
    count = len(world.days)
    ranged, peak = apart(through_dagster, world, True)
    report.time(f"{count} sessions in one Dagster run", ranged, RANGE_SECONDS)
    report.memory(f"{count} sessions: peak memory", peak, GIGABYTES)
    report.ratio(loop_name, scaled * count, ranged.seconds)
    batch, _ = apart(through_dagster, world, False)
    report.time("the same as the whole symbol_batch job", batch)
    report.say("universe, prices fetched and compared again, symbol layer, every asset check")


def one_session(world: World, session: date) -> tuple[Timing, int]:
    """The fastest of a few repeats, each reading its prices anew; and the symbols of it."""
    database = world.database()

    def refresh(attempt: int) -> int:
        claim = database.transaction(
            lambda connection: claim_sessions(
                connection, Layer.SYMBOLS, [session], f"one session {attempt}"
            )
        )
        (done,) = refresh_symbols(database, claim, [session], session)
        return done.rows["symbol_factor_exposures"]

    return fastest(world.home, REPEATS, refresh)


def through_dagster(world: World, layer_alone: bool) -> Timing:
    """All sessions in one run on an instance that keeps its events in the same server."""
    evening = datetime.combine(world.night, time(21), ZoneInfo("America/New_York"))
    os.environ["SIGMASIGHT_NOW"] = (evening + timedelta(minutes=1)).isoformat()
    from dagster import AssetKey, DagsterInstance  # noqa: PLC0415  (the other measurements spare it)

    from sigmasight_assets.cli.platform import command_settings, standing  # noqa: PLC0415
    from sigmasight_assets.core.nightly.symbols import ASSET_TABLES  # noqa: PLC0415
    from sigmasight_assets.definitions import defs  # noqa: PLC0415
    from sigmasight_assets.ranges import range_tags  # noqa: PLC0415

    settings = command_settings(home=world.home, price_source="files", price_files=world.prices)
    with standing(settings), DagsterInstance.get() as instance:

        def execute() -> None:
            result = defs.resolve_job_def("symbol_batch").execute_in_process(
                instance=instance,
                tags=range_tags(world.days[0], world.night),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                asset_selection=[AssetKey(name) for name in ASSET_TABLES] if layer_alone else None,
            )
            if not result.success:
                raise RuntimeError("the Dagster run failed")

        return timed(world.home, execute)[0]


def loop(world: World, symbols: int) -> tuple[Timing, int]:
    """The same factors one symbol after another, on prices that are in memory already."""
    import pandas as pd  # noqa: PLC0415  (a slow import that the measured work does not need)

    from sigmasight_assets_tests.oracles_symbols import SymbolOracle  # noqa: PLC0415

    first = sessions.offset(world.night, -HISTORY_SESSIONS)
    with world.database().connection() as connection:
        panel = public_panel(connection, first, world.night)
    here = np.array(panel.symbols)[belongs(panel, world.night)].tolist()
    prices = pd.DataFrame(panel.adj_close, pd.DatetimeIndex(panel.sessions), list(panel.symbols))
    oracle = SymbolOracle(prices, world.night)
    chosen = here[:: max(1, len(here) // symbols)][:symbols]
    return timed(world.home, lambda: len([oracle.row(symbol) for symbol in chosen]))
