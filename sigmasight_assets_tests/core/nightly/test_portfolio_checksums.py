"""The portfolio tables do not depend on how or in what order they came to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from itertools import count
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import session_column
from sigmasight_assets_tests.builders import run_portfolios, run_symbols
from sigmasight_assets_tests.postgres import drop_database, fresh_database
from sigmasight_assets_tests.table_proof import SESSION_TABLES, fill_symbols
from sigmasight_assets_tests.table_worlds import make_table_world
from sigmasight_assets_tests.world_tables import key_of, put_market, put_portfolios

WORLD = make_table_world(32, portfolios=10, sessions=6)
IDS = [str(key_of(one.id)) for one in WORLD.portfolios]
NUMBER_OF = {
    "portfolio_snapshots": "net_asset_value",
    "factor_exposures": "exposure_dollar",
    "position_factor_exposures": "weight",
    "correlation_calculations": "coverage_pct",
    "correlation_matrices": "observations",
    "stress_test_results": "direct_pnl",
    "stress_scenario_moves": "plausibility",
    "market_risk_scenarios": "direct_pnl",
}

OF_ALL = sql.SQL("UPDATE {table} SET {column} = {wrong} WHERE {day} = %(day)s")
OF_SOME = sql.SQL(
    "UPDATE {table} SET {column} = {wrong} "
    "WHERE {day} = %(day)s AND portfolio_id = ANY(%(ids)s::uuid[])"
)
MORE, MORE_PAIRS = sql.SQL("{} + 1"), sql.SQL("array_append({}, 1::smallint)")


@pytest.fixture(scope="module")
def market_url(server: EmbeddedPostgres, template: str) -> str:
    """A market with its symbol layer and nobody in it."""
    database = Database(fresh_database(server, template=template))
    with database.connection() as connection:
        put_market(connection, WORLD)
    fill_symbols(database, WORLD)
    return database.url


@pytest.fixture(scope="module")
def computed(server: EmbeddedPostgres, market_url: str) -> Iterator[Database]:
    """The same with its portfolios, computed in one run."""
    database = copy_of(server, market_url)
    compute(database, Random(0))
    yield database
    drop_database(server, database.url)
    drop_database(server, market_url)


def copy_of(server: EmbeddedPostgres, url: str) -> Database:
    return Database(fresh_database(server, template=urlsplit(url).path.removeprefix("/")))


def compute(database: Database, random: Random) -> None:
    """Portfolios and their lots are entered in an order of chance."""
    with database.connection() as connection:
        for one in random.sample(WORLD.portfolios, len(WORLD.portfolios)):
            put_portfolios(connection, [one])
    run_portfolios(database, WORLD.window)


@pytest.fixture(scope="module")
def reference(computed: Database) -> Mapping[str, str]:
    return portfolio_checksums(computed)


def portfolio_checksums(database: Database) -> Mapping[str, str]:
    found = table_checksums(database)
    return {name: found[name] for name in SESSION_TABLES}


def spoil(database: Database, session: date, ids: list[str] | None) -> int:
    """Make every row of a session wrong, or those of some portfolios: only computing helps.

    Returns how many snapshots are wrong now.
    """
    spoiled = 0
    with database.connection() as connection:
        for name, column in NUMBER_OF.items():
            owned = "portfolio_id" in metadata.tables[name].c
            if ids is None or owned:
                query = OF_SOME if ids and owned else OF_ALL
                wrong = MORE_PAIRS if column == "observations" else MORE
                names = {
                    "table": sql.Identifier(name),
                    "column": sql.Identifier(column),
                    "wrong": wrong.format(sql.Identifier(column)),
                    "day": sql.Identifier(session_column(metadata.tables[name])),
                }
                done = connection.execute(query.format(**names), {"day": session, "ids": ids})
                spoiled += done.rowcount if name == "portfolio_snapshots" else 0
    return spoiled


runs = count()
some_ids = st.none() | st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True)
steps = st.lists(st.tuples(st.sampled_from(WORLD.window), some_ids), min_size=1, max_size=4)


@contextmanager
def left_as_found(database: Database, reference: Mapping[str, str]) -> Iterator[None]:
    """So that an example that fails does not spoil those after it."""
    yield
    found = portfolio_checksums(database)
    if found != reference:
        run_portfolios(database, WORLD.window, f"run {next(runs)}")
    assert found == reference


@settings(max_examples=6)
@given(steps)
def test_recomputing_any_sessions_in_any_order_gives_the_same_checksums(
    computed: Database, reference: Mapping[str, str], steps: list[tuple[date, list[str] | None]]
) -> None:
    with left_as_found(computed, reference):
        spoiled = sum([spoil(computed, session, ids) for session, ids in steps])
        assert (portfolio_checksums(computed) != reference) == (spoiled > 0)
        for session, ids in steps:
            run_portfolios(computed, [session], f"run {next(runs)}", ids)


@settings(max_examples=3)
@given(st.randoms(use_true_random=False))
def test_rows_entered_in_any_order_give_the_same_checksums(
    server: EmbeddedPostgres, market_url: str, reference: Mapping[str, str], random: Random
) -> None:
    database = copy_of(server, market_url)
    compute(database, random)
    assert portfolio_checksums(database) == reference
    drop_database(server, database.url)


CHANGE = """
    UPDATE market_data_cache SET close = close * %(first)s, adj_close = adj_close * %(second)s
    WHERE date > %(session)s
"""
FORGET = "DELETE FROM market_data_cache WHERE date > %(session)s AND symbol = ANY(%(symbols)s)"
factors = st.floats(0.2, 5)
forgotten = st.lists(st.sampled_from(sorted(WORLD.market.prices)), max_size=8)


@settings(max_examples=4)
@given(st.sampled_from(WORLD.window[:-1]), factors, factors, forgotten)
def test_changing_prices_after_a_session_leaves_its_rows_alone(
    computed: Database,
    reference: Mapping[str, str],
    session: date,
    first: float,
    second: float,
    symbols: list[str],
) -> None:
    with (
        left_as_found(computed, reference),
        later_prices_changed(
            computed, {"session": session, "first": first, "second": second, "symbols": symbols}
        ),
    ):
        assert spoil(computed, session, None)
        run_symbols(computed, [session], f"run {next(runs)}")
        run_portfolios(computed, [session], f"run {next(runs)}")


@contextmanager
def later_prices_changed(database: Database, change: Mapping[str, Any]) -> Iterator[None]:
    """Prices after a session are other ones, or gone, for as long as this lasts."""
    with database.connection() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM market_data_cache")
        connection.execute(CHANGE, change)
        connection.execute(FORGET, change)
    try:
        yield
    finally:
        with database.connection() as connection:
            connection.execute("TRUNCATE market_data_cache")
            connection.execute("INSERT INTO market_data_cache SELECT * FROM kept")
            connection.execute("DROP TABLE kept")
