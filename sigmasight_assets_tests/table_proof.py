"""What the tables say beside what the oracles say: every column of every row of the layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import session_column
from sigmasight_assets.core.nightly.portfolios import refresh_portfolios
from sigmasight_assets.core.nightly.symbol_sessions import SymbolSession
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets_tests.builders import RULES, claim
from sigmasight_assets_tests.oracles_portfolios import Key, Oracle, Rows
from sigmasight_assets_tests.table_worlds import TableWorld
from sigmasight_assets_tests.world_tables import delete_what_is_gone, put_world

CENT = Decimal("0.005")
LEDGER_MONEY = Decimal("0.000002")
"""Stored with six decimals from float64 sums: a snapshot can do far better than a cent."""
NUMBER = 1e-9

SESSION_TABLES = (
    "portfolio_snapshots",
    "factor_exposures",
    "position_factor_exposures",
    "correlation_calculations",
    "correlation_matrices",
    "stress_test_results",
    "stress_scenario_moves",
    "market_risk_scenarios",
)

IDENTITY = """
    SELECT portfolio_id::text, snapshot_date, gap FROM (
        SELECT *, net_asset_value - lag(net_asset_value) OVER own - daily_pnl - capital_flow AS gap
        FROM portfolio_snapshots WINDOW own AS (PARTITION BY portfolio_id ORDER BY snapshot_date)
    ) AS pairs
    WHERE abs(gap) > %s
"""


@dataclass(frozen=True)
class Difference:
    """A place where a table and its oracle disagree."""

    session: date
    table: str
    key: Key
    column: str
    stored: Any
    expected: Any


@dataclass
class Findings:
    """What a comparison found. worst: the largest deviation by table and column."""

    differences: list[Difference] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    values: int = 0
    worst: dict[tuple[str, str], float] = field(default_factory=dict)


def fill(database: Database, world: TableWorld) -> date:
    """Enter a world, compute its window, and delete on the way what is to be deleted.

    Deleted lots and flows are in the first sessions' rows until their marks have them computed
    again. Returns the first session whose matrices are kept.
    """
    put_world(database, world)
    fill_symbols(database, world)
    rules = replace(RULES, matrix_sessions=len(world.window) - 2)
    list(refresh_portfolios(database, "before the deletions", world.window[:3], rules))
    delete_what_is_gone(database, world)
    list(refresh_portfolios(database, "after the deletions", world.window[3:], rules))
    return world.window[2]


def fill_symbols(database: Database, world: TableWorld) -> None:
    """The symbol layer of the window, its last session being the latest completed one."""
    held = claim(database, Layer.SYMBOLS, world.window, "symbols")
    done = list(refresh_symbols(database, held, world.window, world.window[-1]))
    assert all(isinstance(each, SymbolSession) for each in done)


def compare(database: Database, world: TableWorld, matrices_from: date) -> Findings:
    """Every session of the window; matrices before `matrices_from` are no longer kept."""
    oracle, found = Oracle(world), Findings()
    with database.connection() as connection:
        scenarios = _active_scenarios(connection)
        for session in world.window:
            today = oracle.session(session, scenarios)
            expected: Rows = {name: {} for name in SESSION_TABLES} | today.common_rows()
            for one in world.portfolios:
                if one.inception <= session:
                    for name, rows in today.rows(one).items():
                        expected[name] |= rows
            if session < matrices_from:
                expected["correlation_matrices"] = {}
            for name in SESSION_TABLES:
                stored = stored_rows(connection, name, session)
                _compare_table(found, session, name, stored, expected[name])
    return found


def identity_gaps(database: Database) -> list[tuple[Any, ...]]:
    """Stored pairs of sessions in which NAV changed by more than was earned and paid in.

    Four figures of six decimals: more than two millionths cannot be rounding.
    """
    with database.connection() as connection:
        return connection.execute(IDENTITY, (LEDGER_MONEY,)).fetchall()


def stored_rows(connection: Connection, name: str, session: date) -> dict[Key, dict[str, Any]]:
    """The rows of a session by the rest of their key, ids as text, without key columns."""
    table = metadata.tables[name]
    day = session_column(table)
    keys = [column.name for column in table.primary_key if column.name != day]
    query = sql.SQL("SELECT * FROM {} WHERE {} = %s").format(
        sql.Identifier(name), sql.Identifier(day)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, (session,)).fetchall()
    found = {tuple(str(row[key]) for key in keys): row for row in rows}
    assert len(found) == len(rows)
    for row in rows:
        for column in (*keys, day):
            del row[column]
        if "portfolio_id" in row:
            row["portfolio_id"] = str(row["portfolio_id"])
    return found


def _active_scenarios(connection: Connection) -> dict[str, dict[str, Any]]:
    query = "SELECT * FROM stress_test_scenarios WHERE is_active ORDER BY scenario_id"
    with connection.cursor(row_factory=dict_row) as cursor:
        return {row["scenario_id"]: row for row in cursor.execute(query).fetchall()}


def _compare_table(
    found: Findings,
    session: date,
    name: str,
    stored: Mapping[Key, Mapping[str, Any]],
    expected: Mapping[Key, Mapping[str, Any]],
) -> None:
    found.rows[name] = found.rows.get(name, 0) + len(stored)
    for key in sorted(set(stored) ^ set(expected)):
        there = key in stored
        found.differences.append(Difference(session, name, key, "row", there, not there))
    money = LEDGER_MONEY if name == "portfolio_snapshots" else CENT
    for key in sorted(set(stored) & set(expected)):
        for column in sorted({*stored[key], *expected[key]}):
            one = stored[key].get(column, "no such column")
            right = expected[key].get(column, "not worked out")
            found.values += 1
            deviations = list(deviation(one, right, money))
            place = (name, column)
            found.worst[place] = max([found.worst.get(place, 0.0), *deviations])
            if max(deviations, default=0.0) > 1:
                found.differences.append(Difference(session, name, key, column, one, right))


def deviation(stored: Any, right: Any, money: Decimal = CENT) -> Iterator[float]:
    """How far each number of a value is off, 1 being as far as it may be; infinity if unlike."""
    if isinstance(stored, Decimal) and isinstance(right, Decimal | float | int):
        yield float(abs(stored - Decimal(right)) / money)
    elif isinstance(stored, float) and isinstance(right, Decimal | float):
        wanted = float(right)
        yield abs(stored - wanted) / (NUMBER * max(1.0, abs(wanted)))
    elif isinstance(stored, int) and isinstance(right, float):
        yield abs(stored - right) / NUMBER
    elif isinstance(stored, dict) and isinstance(right, dict) and set(stored) == set(right):
        for name, value in stored.items():
            yield from deviation(value, right[name], money)
    elif isinstance(stored, list) and isinstance(right, list) and len(stored) == len(right):
        for one, other in zip(stored, right, strict=True):
            yield from deviation(one, other, money)
    elif stored != right or type(stored) is not type(right):
        yield float("inf")
