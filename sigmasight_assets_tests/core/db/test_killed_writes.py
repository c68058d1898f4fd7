"""A kill before every statement of every write, and before its COMMIT (invariants I1 and I2).

First without another try, as when the whole process dies: nothing may be left. Then with another
try, which must end where an undisturbed run does.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import psycopg
import pytest

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.write.prices import write_prices
from sigmasight_assets.core.db.write.slices import write_session
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe, note_factors
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets_tests.builders import (
    StatedPrices,
    add_portfolio,
    asking_for,
    claim,
    day,
    days,
    lot,
)
from sigmasight_assets_tests.core.db.broken_connections import (
    COMMIT,
    CommitSwallower,
    killing,
)
from sigmasight_assets_tests.core.db.example_rows import layer_slices

ON = days("2025-07-01", "2025-07-03")
SESSION = ON[0]
Work = Callable[[Database], object]


def everything(database: Database) -> dict[str, object]:
    """Checksums of results, and the bookkeeping without its times and versions."""
    with database.connection() as connection:
        books = {
            "epochs": "SELECT layer, session, epoch, run_id FROM session_epochs ORDER BY 1, 2, 3",
            "written": "SELECT table_name, session, layer, epoch, row_count FROM written_slices "
            "ORDER BY 1, 2",
            "published": "SELECT layer, session, epoch FROM published_sessions ORDER BY 1, 2",
            "marks": "SELECT id, stale_from FROM portfolios ORDER BY id",
        }
        kept = {name: connection.execute(query).fetchall() for name, query in books.items()}
    return {**table_checksums(database), **kept}


def kill_everywhere(database: Database, before: Work, work: Work, least: int) -> None:
    """Do `work` with a kill at each of its moments, each time after `before` was done.

    least: how many statements there are at the least, lest this check nothing.
    """
    work(database)
    undisturbed = everything(database)
    before(database)
    start = everything(database)
    assert start != undisturbed
    with psycopg.connect(database.url, autocommit=True) as control:
        for moment in count(1):
            if not _survives(database, control, moment, work, start, undisturbed):
                break
            before(database)
        assert moment > least, f"only {moment - 1} statements"
        before(database)
        assert _survives(database, control, COMMIT, work, start, undisturbed)


def _survives(
    database: Database,
    control: psycopg.Connection,
    moment: int,
    work: Work,
    start: object,
    undisturbed: object,
) -> bool:
    """Whether there was such a moment to kill at; that it did no harm is asserted."""
    try:
        with killing(control, moment, tries=1) as killer:
            work(database)
    except psycopg.OperationalError:
        assert killer.killed
        assert everything(database) == start, f"left after a kill at {moment}"
    else:
        return False
    with killing(control, moment) as killer:
        work(database)
    assert killer.killed
    assert everything(database) == undisturbed, f"rerun after a kill at {moment}"
    return True


def test_write_session(database: Database) -> None:
    held = claim(database, Layer.PORTFOLIOS, ON, "a")

    def writing(version: int) -> Work:
        slices = layer_slices(Layer.PORTFOLIOS, SESSION, version)
        return lambda to: write_session(to, held, SESSION, slices)

    writing(1)(database)
    kill_everywhere(database, writing(1), writing(2), least=25)


SOURCE = StatedPrices(
    {
        "AAPL": {"2025-06-30": 10.0, "2025-07-01": 11.0, "2025-07-02": 12.0},
        "MSFT": {"2025-07-01": 20.0},
        "GONE": {"2024-01-02": 5.0},
    }
)
OLDER = StatedPrices({"AAPL": {"2025-06-30": 10.0, "2025-07-01": 9.0}, "IBM": {"2025-07-01": 1.0}})
SYMBOLS = ("AAPL", "GONE", "IBM", "MSFT", "NONE")


@pytest.mark.parametrize("replace", [False, True])
def test_write_prices(database: Database, replace: bool) -> None:
    add_symbols(database, SYMBOLS, SESSION, "a test")
    add_portfolio(database, lot("AAPL", "3", "8", "2025-07-01"), inception="2025-07-01")
    held = claim(database, Layer.SYMBOLS, ON, "a")

    def storing(source: StatedPrices, replace: bool) -> Work:
        request = FetchRequest(SYMBOLS, day("2024-01-02"), ON[-1], replace)
        answer = source.fetch(request.symbols, request.first, request.last)

        def write(to: Database) -> None:
            write_prices(to, asking_for(to, held, day("2025-06-03")), request, answer)

        return write

    def before(to: Database) -> None:
        with to.connection() as connection:
            connection.execute("DELETE FROM market_data_cache")
            connection.execute(
                "UPDATE symbol_universe SET price_source = NULL, asked_from = NULL, "
                "asked_to = NULL, history_from = NULL, last_price_date = NULL, "
                "error_message = NULL, status = 'active', attempts = 0"
            )
        storing(OLDER, False)(to)
        with to.connection() as connection:
            connection.execute("UPDATE portfolios SET stale_from = NULL")

    before(database)
    kill_everywhere(database, before, storing(SOURCE, replace), least=6)


def test_gather_universe_add_symbols_and_note_factors(database: Database) -> None:
    add_portfolio(
        database,
        lot("AAPL", "3", "8", "2025-07-01"),
        lot("MSFT260116P00300000", "-2", "8", "2025-07-01"),
        inception="2025-07-01",
    )
    held = claim(database, Layer.SYMBOLS, ON, "a")
    write_session(database, held, SESSION, layer_slices(Layer.SYMBOLS, SESSION, 1))

    def empty(to: Database) -> None:
        with to.connection() as connection:
            connection.execute("DELETE FROM symbol_universe")

    def gathered(to: Database) -> None:
        empty(to)
        gather_universe(to, ON[0], ON[1])
        add_symbols(to, ["K0001"], SESSION, "a test")

    kill_everywhere(database, empty, lambda to: gather_universe(to, ON[0], ON[2]), least=4)
    empty(database)
    kill_everywhere(database, empty, lambda to: add_symbols(to, ["ibm", "a.b"], SESSION, "x"), 1)
    gathered(database)
    kill_everywhere(database, gathered, lambda to: note_factors(to, ON[0], ON[1]), least=1)


def test_accounts_enter_whole_or_not_at_all(database: Database) -> None:
    def entering(to: Database) -> None:
        add_portfolio(
            to,
            lot("AAPL", "3", "8", "2025-07-01"),
            lot("OUR_FARM", "1", "500", "2025-07-01", value="500"),
            inception="2025-07-01",
        )

    def leaving(to: Database) -> None:
        with to.connection() as connection:
            connection.execute("DELETE FROM users")

    kill_everywhere(database, leaving, entering, least=4)


def test_a_commit_whose_answer_is_lost_leaves_one_of_everything(database: Database) -> None:
    held = claim(database, Layer.PORTFOLIOS, ON, "a")
    slices = layer_slices(Layer.PORTFOLIOS, SESSION, 1)
    write_session(database, held, SESSION, slices)
    undisturbed = everything(database)
    write_session(database, held, SESSION, layer_slices(Layer.PORTFOLIOS, SESSION, 2))
    proxy = CommitSwallower(database.url)
    behind = Database(proxy.url)
    write_session(behind, held, SESSION, slices)
    proxy.close()
    assert proxy.cut == 1
    assert everything(database) == undisturbed


def test_a_claim_whose_answer_is_lost_is_one_claim(database: Database) -> None:
    proxy = CommitSwallower(database.url)
    held = claim(Database(proxy.url), Layer.SYMBOLS, ON, "a")
    proxy.close()
    assert proxy.cut == 1
    assert held.epochs == dict.fromkeys(ON, 1)
