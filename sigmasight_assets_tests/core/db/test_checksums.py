"""A checksum tells results apart and nothing else."""

from __future__ import annotations

import math

from sigmasight_assets.core.db.checksums import BOOKKEEPING, table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import Slice, write_session
from sigmasight_assets_tests.builders import add_portfolio, claim, days, lot
from sigmasight_assets_tests.core.db.example_rows import example_rows, layer_slices

ON = days("2025-07-01", "2025-07-02")


def test_every_table_but_the_bookkeeping_has_one(database: Database) -> None:
    assert set(table_checksums(database)) == set(metadata.tables) - BOOKKEEPING


def test_rows_have_the_same_checksum_in_whatever_order_they_were_written(
    database: Database,
) -> None:
    held = claim(database, Layer.PORTFOLIOS, ON, "a")
    found = []
    for order in (ON, ON[::-1]):
        for session in order:
            write_session(database, held, session, layer_slices(Layer.PORTFOLIOS, session, 1))
        found.append(table_checksums(database))
    assert found[0] == found[1]


def test_the_last_bit_of_any_number_of_any_table_counts(database: Database) -> None:
    table = metadata.tables["portfolio_snapshots"]
    held = claim(database, Layer.PORTFOLIOS, ON, "a")
    rows = dict(example_rows(table, ON[0], 1))
    seen = set()
    for value in (0.1, math.nextafter(0.1, 1), math.nextafter(0.1, 0)):
        rows["hhi"] = rows["hhi"] * 0 + value
        write_session(database, held, ON[0], [Slice(table, rows)])
        seen.add(table_checksums(database)["portfolio_snapshots"])
    assert len(seen) == 3


def test_times_counters_and_runs_do_not_count(database: Database) -> None:
    book = add_portfolio(database, lot("AAPL", "1", "1", "2025-07-01"), inception="2025-07-01")
    held = claim(database, Layer.SYMBOLS, ON, "a")
    write_session(database, held, ON[0], layer_slices(Layer.SYMBOLS, ON[0], 1))
    before = table_checksums(database)
    later = claim(database, Layer.SYMBOLS, ON, "b")
    write_session(database, later, ON[0], layer_slices(Layer.SYMBOLS, ON[0], 1))
    with database.connection() as connection:
        connection.execute("UPDATE portfolios SET data_version = 99 WHERE id = %s", (book,))
        connection.execute("UPDATE users SET created_at = now()")
    assert table_checksums(database) == before
    with database.connection() as connection:
        connection.execute("UPDATE positions SET quantity = 2")
    changed = table_checksums(database)
    assert {name for name in before if before[name] != changed[name]} == {"positions"}


def test_every_computed_table_is_among_them() -> None:
    assert set.union(*map(set, LAYER_TABLES.values())).isdisjoint(BOOKKEEPING)
