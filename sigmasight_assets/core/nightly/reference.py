"""Reference data that every calculation needs: factors, scenarios and the benchmark's sectors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from psycopg import Connection, sql
from psycopg.types.json import Jsonb
from sqlalchemy import Table

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.scenarios import read_scenarios
from sigmasight_assets.core.db.tables import (
    benchmark_sector_weights,
    factor_definitions,
    stress_test_scenarios,
)
from sigmasight_assets.core.factors import FACTORS, PROVIDER_FACTOR
from sigmasight_assets.core.risk.benchmark_sectors import (
    BENCHMARK,
    load_sector_weights,
    sector_weight_rows,
)
from sigmasight_assets.core.risk.scenarios import Scenario, load_scenarios, scenario_rows

Rows = Sequence[Mapping[str, object]]

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('reference data'))"

# What already says the same is left as it is: a start of the product writes nothing.
DROP_OTHERS: Final = """
    DELETE FROM {table} AS kept WHERE {ours} AND NOT EXISTS (
        SELECT FROM jsonb_populate_recordset(NULL::{table}, %(rows)s) AS said
        WHERE said IS NOT DISTINCT FROM kept)
"""
ADD_MISSING: Final = """
    INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, %(rows)s)
    ON CONFLICT DO NOTHING
"""

ALL: Final = sql.SQL("true")
PACKAGE_SCENARIOS: Final = sql.SQL("origin = 'package'")
OUR_BENCHMARK: Final = sql.SQL("benchmark = {}").format(sql.Literal(BENCHMARK))


def seed_reference(database: Database) -> None:
    """Make the reference tables say what the package says; a no-op when they do.

    Custom scenarios and the weights of other benchmarks are left alone.

    Raises:
        ReviewedFileInvalid: if a file of the package breaks a rule; nothing was written.
    """
    factors = _factor_rows()
    scenarios = scenario_rows(load_scenarios())
    weights = sector_weight_rows(load_sector_weights())

    def work(connection: Connection) -> None:
        connection.execute(LOCK)
        _keep(connection, factor_definitions, factors, ALL)
        _keep(connection, stress_test_scenarios, scenarios, PACKAGE_SCENARIOS)
        _keep(connection, benchmark_sector_weights, weights, OUR_BENCHMARK)

    database.transaction(work)


def stored_scenarios(connection: Connection) -> tuple[Scenario, ...]:
    """The package's scenarios and the custom ones, active or not, sorted by scenario_id."""
    return read_scenarios(connection, Scenario)


def _keep(connection: Connection, table: Table, rows: Rows, ours: sql.Composable) -> None:
    """Make `rows` the only ones of those rows of a table that are ours."""
    names = {"table": sql.Identifier(table.name), "ours": ours}
    said = {"rows": Jsonb(rows, partial(json.dumps, default=str, allow_nan=False))}
    for statement in (DROP_OTHERS, ADD_MISSING):
        connection.execute(sql.SQL(statement).format(**names), said)


def _factor_rows() -> Rows:
    columns = factor_definitions.columns.keys()
    return [
        {
            **{name: value for name, value in asdict(factor).items() if name in columns},
            "display_order": order,
            "is_active": True,
        }
        for order, factor in enumerate((*FACTORS, PROVIDER_FACTOR), start=1)
    ]
