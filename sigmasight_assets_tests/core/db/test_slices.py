"""The one write path of computed tables."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psycopg
import pytest

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import Slice, Subset, session_column, write_session
from sigmasight_assets_tests.builders import claim, days
from sigmasight_assets_tests.core.db.example_rows import (
    PORTFOLIO_IDS,
    example_rows,
    layer_slices,
    versions,
)

PORTFOLIOS = Layer.PORTFOLIOS
ON = days("2025-07-01", "2025-07-08")
SESSION = ON[0]
SNAPSHOTS = metadata.tables["portfolio_snapshots"]


def nav(database: Database) -> dict[tuple, int]:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT snapshot_date, portfolio_id::text, net_asset_value FROM portfolio_snapshots"
        ).fetchall()
    return {(day, owner): int(value) for day, owner, value in rows}


def test_a_slice_replaces_what_was_there_and_leaves_other_sessions_alone(
    database: Database,
) -> None:
    held = claim(database, PORTFOLIOS, ON, "a")
    for session, version, rows in ((ON[0], 1, 3), (ON[1], 2, 3), (ON[0], 3, 2)):
        columns = example_rows(SNAPSHOTS, session, version, rows)
        written = write_session(database, held, session, [Slice(SNAPSHOTS, columns)])
        assert written == {"portfolio_snapshots": rows}
    first, second, third = PORTFOLIO_IDS
    assert nav(database) == {
        (ON[0], first): 3,
        (ON[0], second): 3,
        (ON[1], first): 2,
        (ON[1], second): 2,
        (ON[1], third): 2,
    }


def test_an_empty_slice_empties_the_session_and_is_recorded(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 1))
    nothing = {name: rows[:0] for name, rows in example_rows(SNAPSHOTS, SESSION, 1).items()}
    assert write_session(database, held, SESSION, [Slice(SNAPSHOTS, nothing)]) == {
        "portfolio_snapshots": 0
    }
    assert nav(database) == {}
    with database.connection() as connection:
        counts = dict(
            connection.execute("SELECT table_name, row_count FROM written_slices").fetchall()
        )
    assert counts.pop("portfolio_snapshots") == 0
    assert counts == dict.fromkeys(LAYER_TABLES[PORTFOLIOS] - {"portfolio_snapshots"}, 3)


def test_a_slice_of_some_portfolios_leaves_the_others_alone(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 1))
    chosen = PORTFOLIO_IDS[1:2]
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 2, chosen))
    assert [nav(database)[SESSION, owner] for owner in PORTFOLIO_IDS] == [1, 2, 1]
    with database.connection() as connection:
        assert versions(connection, PORTFOLIOS, SESSION) == {1, 2}


def test_a_portfolio_that_has_no_row_any_more_loses_it(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 1))
    nothing = {name: rows[:0] for name, rows in example_rows(SNAPSHOTS, SESSION, 1).items()}
    write_session(
        database,
        held,
        SESSION,
        [Slice(SNAPSHOTS, nothing, Subset("portfolio_id", PORTFOLIO_IDS[:1]))],
    )
    assert set(nav(database)) == {(SESSION, owner) for owner in PORTFOLIO_IDS[1:]}


def test_slices_of_some_portfolios_never_complete_a_session(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 1, PORTFOLIO_IDS))
    moves = metadata.tables["stress_scenario_moves"]
    write_session(database, held, SESSION, [Slice(moves, example_rows(moves, SESSION, 1))])
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM published_sessions").fetchone() == (0,)


def test_one_bad_row_and_nothing_of_the_transaction_is_written(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 1))
    before = table_checksums(database)
    bad = layer_slices(PORTFOLIOS, SESSION, 2)
    pnl_percent = np.array([2.0, np.inf, 2.0])
    bad[-1] = Slice(SNAPSHOTS, {**example_rows(SNAPSHOTS, SESSION, 2), "pnl_percent": pnl_percent})
    with pytest.raises(psycopg.errors.CheckViolation, match="finite"):
        write_session(database, held, SESSION, bad)
    assert table_checksums(database) == before


def test_a_key_twice_in_a_slice_is_refused(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    columns = example_rows(SNAPSHOTS, SESSION, 1, rows=4)
    with pytest.raises(psycopg.errors.UniqueViolation):
        write_session(database, held, SESSION, [Slice(SNAPSHOTS, columns)])
    assert nav(database) == {}


def test_every_computed_table_has_one_session_in_its_key() -> None:
    for name in set.union(*map(set, LAYER_TABLES.values())):
        assert session_column(metadata.tables[name]) in {
            "calculation_date",
            "metrics_date",
            "snapshot_date",
        }


def test_four_writers_in_shuffled_order_never_deadlock(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    held = claim(database, PORTFOLIOS, ON, "a")

    def writing(number: int) -> None:
        chance = random.Random(number)
        for session in chance.sample(ON, k=len(ON)):
            some = chance.choice([None, PORTFOLIO_IDS, PORTFOLIO_IDS[:2], PORTFOLIO_IDS[1:]])
            slices = layer_slices(PORTFOLIOS, session, number, some)
            write_session(database, held, session, chance.sample(slices, k=len(slices)))

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(4) as pool:
        list(pool.map(writing, range(4)))
    assert "transaction failed" not in caplog.text


def test_a_table_locked_by_someone_else_delays_the_write_and_no_more(database: Database) -> None:
    held = claim(database, PORTFOLIOS, [SESSION], "a")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url) as other:
        other.execute("LOCK TABLE stress_test_results IN ACCESS EXCLUSIVE MODE")
        waiting = pool.submit(
            write_session, database, held, SESSION, layer_slices(PORTFOLIOS, SESSION, 1)
        )
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        other.rollback()
        assert sum(waiting.result(timeout=10).values()) == 24
