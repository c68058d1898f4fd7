"""No NaN and no infinity in any column of any table, whoever writes (invariant I4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psycopg
import pytest
from psycopg import Connection, sql
from sqlalchemy import ARRAY, Column, Double, Float, Numeric, Table
from sqlalchemy.dialects.postgresql import DOMAIN, JSONB

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets_tests.builders import add_portfolio, add_valuation, day, lot
from sigmasight_assets_tests.core.db.example_rows import example_rows

SESSION = day("2025-07-01")
REFUSALS = (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange)
COMPUTED = sorted(set.union(*map(set, LAYER_TABLES.values())))


def numbers(table: Table) -> list[Column]:
    return [
        column
        for column in table.columns
        if isinstance(column.type, (DOMAIN, Numeric, Float, Double))
    ]


@contextmanager
def rolled_back(database: Database) -> Iterator[Connection]:
    with database.connection() as connection:
        yield connection
        connection.rollback()


def test_every_number_with_a_fraction_has_a_type_that_refuses_nan() -> None:
    plain = [
        str(column)
        for table in metadata.sorted_tables
        for column in numbers(table)
        if not isinstance(column.type, DOMAIN)
    ]
    assert plain == ["positions.quantity"]


@pytest.mark.parametrize("name", COMPUTED)
def test_a_computed_table_refuses_nan_and_infinity_in_each_of_its_numbers(
    database: Database, name: str
) -> None:
    table = metadata.tables[name]
    with rolled_back(database) as connection:
        copy_rows(connection, name, table, example_rows(table, SESSION, 1))
        assert numbers(table) or name == "correlation_matrices"
        for column in numbers(table):
            for value in ("NaN", "Infinity", "-Infinity"):
                update = sql.SQL("UPDATE {} SET {} = {}").format(
                    sql.Identifier(name), sql.Identifier(column.name), sql.Literal(value)
                )
                with pytest.raises(REFUSALS), connection.transaction():
                    connection.execute(update)


@pytest.mark.parametrize("name", COMPUTED)
def test_the_bulk_path_refuses_infinity_and_makes_nan_absent(database: Database, name: str) -> None:
    table = metadata.tables[name]
    for column in numbers(table):
        rows = dict(example_rows(table, SESSION, 1))
        with rolled_back(database) as connection:
            for value in (np.inf, -np.inf):
                rows[column.name] = np.full(3, value)
                with pytest.raises((ValueError, *REFUSALS)), connection.transaction():
                    copy_rows(connection, name, table, rows)
            rows[column.name] = np.full(3, np.nan)
            if column.nullable:
                copy_rows(connection, name, table, rows)
                found = sql.SQL("SELECT count(*) FROM {} WHERE {} IS NULL").format(
                    sql.Identifier(name), sql.Identifier(column.name)
                )
                assert connection.execute(found).fetchone() == (3,)


def arrays_of_doubles() -> list[tuple[str, str]]:
    return [
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, ARRAY) and isinstance(column.type.item_type, Double)
    ]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_an_array_refuses_nan_and_infinity_beside_null_wherever_they_stand(
    database: Database, value: str
) -> None:
    assert arrays_of_doubles() == [("correlation_matrices", "correlations")]
    table = metadata.tables["correlation_matrices"]
    with rolled_back(database) as connection:
        copy_rows(connection, table.name, table, example_rows(table, SESSION, 1))
        connection.execute("UPDATE correlation_matrices SET correlations = '{0.1,NULL}'")
        for array in (f"{{{value}}}", f"{{0.1,{value},NULL}}", f"{{NULL,0.1,{value}}}"):
            with pytest.raises(REFUSALS), connection.transaction():
                connection.execute("UPDATE correlation_matrices SET correlations = %s", (array,))


def test_the_bulk_path_makes_nan_absent_in_an_array_and_refuses_infinity(
    database: Database,
) -> None:
    table = metadata.tables["correlation_matrices"]
    rows = dict(example_rows(table, SESSION, 1, rows=1))
    array = np.empty(1, dtype=object)
    with rolled_back(database) as connection:
        for infinite in (np.inf, -np.inf):
            array[0] = np.array([np.nan, infinite])
            with pytest.raises(REFUSALS), connection.transaction():
                copy_rows(connection, table.name, table, {**rows, "correlations": array})
        array[0] = np.array([np.nan, 0.5])
        copy_rows(connection, table.name, table, {**rows, "correlations": array})
        found = connection.execute("SELECT correlations FROM correlation_matrices").fetchall()
        assert found == [([None, 0.5],)]


def test_prices_and_what_owners_state_refuse_nan_and_infinity(database: Database) -> None:
    held = lot("AAPL260116C00200000", "2", "11.5", "2025-07-01")
    portfolio = add_portfolio(database, held, inception="2025-07-01")
    add_valuation(database, held.position_id, "2025-07-02", "5")
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO equity_changes (portfolio_id, change_type, amount, change_date) "
            "VALUES (%s, 'CONTRIBUTION', 1, '2025-07-02')",
            (portfolio,),
        )
        connection.execute(
            "INSERT INTO market_data_cache (symbol, date, close, data_source) "
            "VALUES ('AAPL', '2025-07-01', 1, 'a test')"
        )
        connection.execute(
            "INSERT INTO corporate_actions VALUES ('AAPL', '2025-07-01', 'split', 4, 'a test')"
        )
        connection.execute("INSERT INTO company_profiles (symbol) VALUES ('AAPL')")
        connection.execute("INSERT INTO price_warnings VALUES ('AAPL', '2025-07-01', 'jump', 1.9)")
        stated = (
            "portfolios",
            "positions",
            "position_valuations",
            "equity_changes",
            "market_data_cache",
            "corporate_actions",
            "company_profiles",
            "price_warnings",
        )
        for name in stated:
            for column in numbers(metadata.tables[name]):
                for value in ("NaN", "Infinity"):
                    update = sql.SQL("UPDATE {} SET {} = {}").format(
                        sql.Identifier(name), sql.Identifier(column.name), sql.Literal(value)
                    )
                    with pytest.raises(REFUSALS), connection.transaction():
                        connection.execute(update)


def test_a_document_cannot_hold_nan(database: Database) -> None:
    documents = [
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, JSONB)
    ]
    assert documents == [
        ("correlation_calculations", "clusters"),
        ("correlation_calculations", "symbols_excluded"),
        ("factor_exposures", "missing_symbols"),
        ("portfolio_snapshots", "sector_exposure"),
        ("portfolio_snapshots", "missing_symbols"),
        ("stress_scenario_moves", "implied_moves"),
        ("stress_test_results", "floored_symbols"),
        ("stress_test_results", "fallback_symbols"),
        ("stress_test_scenarios", "shocks"),
    ]
    with rolled_back(database) as connection:
        for table, column in documents:
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ('[NaN]')").format(
                sql.Identifier(table), sql.Identifier(column)
            )
            with (
                pytest.raises(psycopg.errors.InvalidTextRepresentation),
                connection.transaction(),
            ):
                connection.execute(insert)
