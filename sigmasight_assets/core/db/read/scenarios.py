"""The stress scenarios there are: the package's, and those that users added."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final, TypeVar

from psycopg import Connection
from psycopg.rows import kwargs_row

Made = TypeVar("Made")

SCENARIOS: Final = """
    SELECT scenario_id, name, description, category, severity, shocks, style_shocks, is_active,
           display_order
    FROM stress_test_scenarios ORDER BY scenario_id
"""


def session_scenarios(connection: Connection, session: date) -> set[str]:
    """The ids of the scenarios that were computed for a session."""
    rows = connection.execute(
        "SELECT scenario_id FROM stress_scenario_moves WHERE calculation_date = %s", (session,)
    )
    return {scenario_id for (scenario_id,) in rows}


def read_scenarios(connection: Connection, make: Callable[..., Made]) -> tuple[Made, ...]:
    """Every scenario, active or not, sorted by scenario_id.

    `make` makes one of its columns, given by name; shocks is a dict of finite numbers.
    """
    with connection.cursor(row_factory=kwargs_row(make)) as cursor:
        return tuple(cursor.execute(SCENARIOS))
