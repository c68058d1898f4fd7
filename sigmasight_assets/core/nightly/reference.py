"""Reference data that every calculation needs: factors and scenarios."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql
from sqlalchemy import Table

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.tables import factor_definitions, stress_test_scenarios
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets.core.factors import FACTORS, PROVIDER_FACTOR
from sigmasight_assets.core.risk.scenarios import load_scenarios, scenario_rows
from sigmasight_assets.core.shapes.panel import Columns

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('reference data'))"


def seed_reference(database: Database) -> None:
    """Make the reference tables say what the package says; a no-op when they do."""
    definitions = _factor_rows()
    scenarios = scenario_rows(load_scenarios())

    def work(connection: Connection) -> None:
        connection.execute(LOCK)
        _replace_all(connection, factor_definitions, definitions)
        _replace_all(connection, stress_test_scenarios, scenarios)

    database.transaction(work)


def _replace_all(connection: Connection, table: Table, rows: Columns) -> None:
    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
    copy_rows(connection, table.name, table, rows)


def _factor_rows() -> Columns:
    factors = (*FACTORS, PROVIDER_FACTOR)
    windows = [factor.regression_window_days for factor in factors]
    return {
        "name": _texts([factor.name for factor in factors]),
        "column_name": _texts([factor.column_name for factor in factors]),
        "factor_type": _texts([factor.factor_type for factor in factors]),
        "calculation_method": _texts([factor.calculation_method for factor in factors]),
        "etf_proxy": _texts([factor.etf_proxy for factor in factors]),
        "regression_window_days": np.array(windows, dtype=np.float64),
        "display_order": np.arange(1, len(factors) + 1),
        "is_active": np.ones(len(factors), dtype=bool),
    }


def _texts(values: list[str]) -> NDArray[Any]:
    return np.array(values, dtype=str)
