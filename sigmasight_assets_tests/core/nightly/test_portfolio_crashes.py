"""A refresh of portfolios that dies at any of its statements, or runs beside another."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date

import pytest
from psycopg import Connection

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import lock_slices
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets.core.nightly.portfolio_sessions import ASSET_TABLES, SkippedSession
from sigmasight_assets.core.nightly.reconciliation import reconcile
from sigmasight_assets_tests.builders import add_flow, run_portfolios, run_symbols
from sigmasight_assets_tests.core.nightly.conftest import ON
from sigmasight_assets_tests.core.nightly.test_edits import EDITS, HEDGE, marks
from sigmasight_assets_tests.core.nightly.test_holes import remove
from sigmasight_assets_tests.core.nightly.test_market_crashes import Died, dying
from sigmasight_assets_tests.core.nightly.test_quarantine import BAD, plant_too_much, tell

TWICE = """
    SELECT session, count(*) FROM published_sessions WHERE layer = 'portfolios'
    GROUP BY session HAVING count(*) > 1
"""


@pytest.fixture
def half(market: Database) -> Database:
    """Two sessions, with a hole in the first and an edit of the second; a bad third to come."""
    run_symbols(market, ON[:3])
    run_portfolios(market, ON[:2])
    remove(market, BAD, ON[0])
    add_flow(market, HEDGE, str(ON[1]), "100")
    plant_too_much(market, ON[2])
    return market


def dies_everywhere(database: Database, day: date, assets: Sequence[str]) -> int:
    """How many statements a refresh has; before each of them one has died by then."""
    moment = 0
    while True:
        moment += 1
        with dying(moment):
            try:
                run_portfolios(database, [day], f"run {moment}", assets=assets)
            except Died:
                pass
            else:
                return moment
        with database.connection() as connection:
            assert connection.execute(TWICE).fetchall() == []


def test_a_refresh_that_dies_before_any_statement_is_finished_by_the_next(half: Database) -> None:
    statements = dies_everywhere(half, ON[2], list(ASSET_TABLES))
    assert statements > 90, "it had a session to write, two to mend and one portfolio to log"
    died = table_checksums(half)
    for names in ASSET_TABLES.values():
        for name in names:
            tell(half, f"DELETE FROM {name}")
    run_portfolios(half, ON[:3], "from nothing")
    assert died == table_checksums(half)
    assert set(marks(half).values()) == {None}


@pytest.mark.parametrize("asset", ASSET_TABLES)
def test_an_asset_alone_that_dies_before_any_statement_is_finished_by_the_next(
    computed: Database, undisturbed: Database, asset: str
) -> None:
    for name in ASSET_TABLES[asset]:
        day = "snapshot_date" if name == "portfolio_snapshots" else "calculation_date"
        tell(computed, f"DELETE FROM {name} WHERE {day} = '{ON[4]}'")
    assert dies_everywhere(computed, ON[4], [asset]) > 15
    assert table_checksums(computed) == table_checksums(undisturbed)


WAITING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def test_a_backend_that_is_ended_during_a_refresh_costs_one_more_try(
    computed: Database, undisturbed: Database
) -> None:
    """Its slices are locked by another, its backend is terminated while it waits, it goes on."""
    ended: list[int] = []

    def end_the_waiting(holder: Connection) -> None:
        while not ended:
            with computed.connection() as connection:
                for (pid,) in connection.execute(WAITING).fetchall():
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    ended.append(pid)
        holder.rollback()

    with computed.connection() as holder:
        lock_slices(holder, ["stress_test_results"], ON[3])
        killer = threading.Thread(target=end_the_waiting, args=(holder,))
        killer.start()
        run_portfolios(computed, ON[2:5], "ended once")
        killer.join()
    assert ended
    assert table_checksums(computed) == table_checksums(undisturbed)


def together(database: Database, runs: Sequence[tuple[str, list[date], list[str] | None]]) -> list:
    """Refreshes started at once; the class of what each raised, or None."""
    raised: list[type[BaseException] | None] = [None] * len(runs)
    ready = threading.Barrier(len(runs))

    def work(place: int) -> None:
        name, days, chosen = runs[place]
        ready.wait()
        try:
            run_portfolios(database, days, name, chosen)
        except BaseException as error:
            raised[place] = type(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(runs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("attempt", range(4))
def test_of_two_refreshes_of_one_session_one_finishes_and_the_rows_are_right(
    computed: Database, undisturbed: Database, attempt: int
) -> None:
    raised = together(computed, [("one", ON[-2:], None), ("two", ON[-2:], None)])
    assert None in raised
    assert set(raised) <= {None, StaleEpoch}
    assert table_checksums(computed) == table_checksums(undisturbed)


@pytest.mark.parametrize("attempt", range(4))
def test_a_refresh_of_one_portfolio_ends_nobodys_night(
    computed: Database, market: Database, attempt: int
) -> None:
    """The night it runs beside goes on, and whatever order they write in, the edit is there."""
    EDITS["a flow"](computed)
    edited = [one for one, mark in marks(computed).items() if mark]
    raised = together(computed, [("night", ON[-3:], None), ("owner", ON[-1:], edited)])
    assert raised[0] is None
    run_portfolios(computed, ON[-1:], "the next")
    EDITS["a flow"](market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert table_checksums(computed) == table_checksums(market)


def test_a_refresh_of_one_portfolio_leaves_a_session_its_scenarios(computed: Database) -> None:
    """A scenario that is gone by now has its moves and the others' results; a new one waits."""
    scenario = (
        "INSERT INTO stress_test_scenarios (scenario_id, name, description, category, severity, "
        "shocks) VALUES ('custom_{0}', '{0}', '{0}', 'market', 'mild', '{{\"Market\": -0.1}}')"
    )
    tell(computed, scenario.format("old"))
    run_portfolios(computed, ON, "with it")
    tell(computed, "DELETE FROM stress_test_scenarios WHERE scenario_id = 'custom_old'")
    tell(computed, scenario.format("new"))
    add_flow(computed, HEDGE, str(ON[-2]), "5")
    run_portfolios(computed, ON[-1:], "night")
    unmoved = """
        SELECT count(*) FROM stress_test_results r WHERE NOT EXISTS (
            SELECT FROM stress_scenario_moves m WHERE m.scenario_id = r.scenario_id
              AND m.calculation_date = r.calculation_date)
    """
    new = "SELECT DISTINCT calculation_date FROM stress_test_results WHERE scenario_id LIKE '%new'"
    with computed.connection() as connection:
        assert connection.execute(unmoved).fetchall() == [(0,)]
        assert connection.execute(new).fetchall() == [(ON[-1],)]


def test_a_refresh_forgets_what_the_reconciliation_found_in_rows_it_replaces(
    computed: Database,
) -> None:
    tell(
        computed,
        "UPDATE portfolio_snapshots SET cash_value = cash_value + 0.01 "
        f"WHERE portfolio_id = '{HEDGE}' AND snapshot_date IN ('{ON[2]}', '{ON[3]}')",
    )
    assert [len(each.exceptions) for each in reconcile(computed, ON[2:4])] == [1, 1]
    add_flow(computed, HEDGE, str(ON[3]), "5")
    run_portfolios(computed, ON[-1:], "edited")
    with computed.connection() as connection:
        left = connection.execute("SELECT snapshot_date FROM reconciliation_exceptions").fetchall()
    assert left == [(ON[2],)]
    tell(computed, f"UPDATE portfolios SET deleted_at = now() WHERE id = '{HEDGE}'")
    run_portfolios(computed, ON[-1:], "deleted")
    with computed.connection() as connection:
        assert connection.execute("SELECT FROM reconciliation_exceptions").fetchall() == []


def test_a_session_whose_symbols_are_withdrawn_is_not_brought_up_to_date(
    computed: Database,
) -> None:
    add_flow(computed, HEDGE, str(ON[2]), "5")
    withdrawn = f"layer = 'symbols' AND session = '{ON[3]}'"
    tell(computed, f"DELETE FROM published_sessions WHERE {withdrawn}")
    done = run_portfolios(computed, ON[3:], "without them")
    assert [each.session for each in done] == [ON[3], *ON[4:], ON[2]]
    assert isinstance(done[0], SkippedSession)
    assert marks(computed)[HEDGE] == ON[2]


def test_a_reconciliation_that_dies_before_any_statement_is_finished_by_the_next(
    computed: Database,
) -> None:
    """Each session's exceptions are all those of before, or all those of the run."""

    def exceptions() -> list[tuple[object, ...]]:
        with computed.connection() as connection:
            return connection.execute(
                "SELECT snapshot_date, portfolio_id, item, detail FROM reconciliation_exceptions "
                "ORDER BY 1, 2, 3"
            ).fetchall()

    tell(
        computed,
        "UPDATE portfolio_snapshots SET cash_value = cash_value + 0.01, long_value = long_value - 1"
        f" WHERE snapshot_date IN ('{ON[2]}', '{ON[3]}')",
    )
    list(reconcile(computed, ON[2:4]))
    calm = exceptions()
    assert len(calm) == 2 * 2 * 5
    tell(computed, "DELETE FROM reconciliation_exceptions")
    moment = 0
    while True:
        moment += 1
        with dying(moment):
            try:
                list(reconcile(computed, ON[2:4]))
            except Died:
                pass
            else:
                break
        for day in ON[2:4]:
            found = [row for row in exceptions() if row[0] == day]
            assert found in ([], [row for row in calm if row[0] == day])
    assert moment > 40
    assert exceptions() == calm
