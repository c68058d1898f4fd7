"""The portfolio layer of many generated portfolios, one session, database to database."""

from __future__ import annotations

import numpy as np

from benchmarks.generated_portfolios import add_portfolios
from benchmarks.measure import Timing, apart, fastest, timed
from benchmarks.portfolio_loop import each_portfolio
from benchmarks.report import Report
from benchmarks.world import World
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.read.book import read_book
from sigmasight_assets.core.db.read.factors import factor_covariance
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.nightly.portfolio_sessions import Rules
from sigmasight_assets.core.nightly.portfolios import refresh_portfolios
from sigmasight_assets.core.risk.scenarios import load_scenarios
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity, scenario_moves

PORTFOLIOS = 1_000
POSITIONS = 50
LOOP_PORTFOLIOS = 50
REPEATS = 3
SECONDS = 8.0
RULES = Rules(RateSensitivity(), matrix_sessions=20)


def run(world: World, report: Report) -> None:
    """Every table of the layer for one session, against a loop over portfolios."""
    report.title("portfolio layer: books, prices and betas in the database to published rows")
    lots = add_portfolios(world.database(), world.days[0], world.night, PORTFOLIOS, POSITIONS)
    (timing, rows), peak = apart(one_session, world)
    report.time(f"{PORTFOLIOS:,} portfolios, {lots:,} lots, one session", timing, SECONDS)
    report.memory("peak memory", peak)
    report.say(f"{rows:,} rows in eight tables")
    looped, _ = apart(loop, world)
    scaled = looped.seconds * PORTFOLIOS / LOOP_PORTFOLIOS
    report.ratio("pandas, a portfolio a time", scaled, timing.seconds)
    report.say(
        f"loop measured on {LOOP_PORTFOLIOS} portfolios ({looped.seconds:.1f} s), scaled to "
        f"{scaled:.0f} s; it makes no accounts of past sessions, forecasts or clusters"
    )


def one_session(world: World) -> tuple[Timing, int]:
    """The fastest of a few repeats, each reading everything anew; and the rows written."""
    database = world.database()

    def refresh(attempt: int) -> int:
        (done,) = refresh_portfolios(database, f"portfolios {attempt}", [world.night], RULES)
        return sum(done.rows.values())

    return fastest(world.home, REPEATS, refresh)


def loop(world: World) -> Timing:
    """The same session for a few of the portfolios."""
    first = sessions.offset(world.night, -HISTORY_SESSIONS)
    with world.database().connection() as connection:
        ids = read_book(connection, world.night).portfolios.id[:LOOP_PORTFOLIOS].tolist()
        covariance = factor_covariance(connection, world.night)
        scenarios = [scenario_moves(each, covariance, RULES.rates) for each in load_scenarios()]
        moves = np.array([each.z for each in scenarios])
        return timed(
            world.home, lambda: each_portfolio(connection, ids, first, world.night, moves)
        )[0]
