"""Scenarios that users add: what the database takes, and that it takes what the file's rules do."""

from __future__ import annotations

import json
from dataclasses import fields

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.scenarios import read_scenarios
from sigmasight_assets.core.db.tables import stress_test_scenarios
from sigmasight_assets.core.risk.reviewed_files import Fault
from sigmasight_assets.core.risk.scenarios import (
    CATEGORIES,
    SEVERITIES,
    STYLE_SHOCKS,
    Scenario,
    check_shocks,
)

CUSTOM = {
    "scenario_id": "custom_tariffs",
    "name": "Tariffs",
    "description": "Tariffs rise: the market falls by 12 %.",
    "category": "market",
    "severity": "moderate",
    "shocks": '{"Market": -0.12, "Size": -0.05}',
    "style_shocks": "excess",
    "is_active": "true",
    "display_order": "100",
}

ADD = """
    INSERT INTO stress_test_scenarios (scenario_id, name, description, category, severity, shocks,
                                       style_shocks, is_active, display_order)
    VALUES (%(scenario_id)s, %(name)s, %(description)s, %(category)s, %(severity)s, %(shocks)s,
            %(style_shocks)s, %(is_active)s, %(display_order)s)
"""


def add(connection: Connection, **change: str | None) -> None:
    connection.execute(ADD, {**CUSTOM, **change})


def test_a_custom_scenario_is_read_with_those_of_the_package(database: Database) -> None:
    with database.connection() as connection:
        before = [each["scenario_id"] for each in read_scenarios(connection, dict)]
        add(connection)
        add(connection, scenario_id="custom_idle", is_active="false")
        found = {each["scenario_id"]: each for each in read_scenarios(connection, dict)}
    assert list(found) == sorted(["custom_idle", "custom_tariffs", *before])
    assert found["custom_idle"]["is_active"] is False
    assert found["custom_tariffs"] == {
        "scenario_id": "custom_tariffs",
        "name": "Tariffs",
        "description": "Tariffs rise: the market falls by 12 %.",
        "category": "market",
        "severity": "moderate",
        "shocks": {"Market": -0.12, "Size": -0.05},
        "style_shocks": "excess",
        "is_active": True,
        "display_order": 100,
    }


def test_what_is_read_is_what_a_scenario_has_and_the_table_holds(database: Database) -> None:
    with database.connection() as connection:
        read = read_scenarios(connection, dict)
    names = {each.name for each in fields(Scenario)}
    assert {frozenset(each) for each in read} == {frozenset(names)}
    assert names | {"origin"} == set(stress_test_scenarios.columns.keys())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"scenario_id": "tariffs"}, "custom_id"),
        ({"scenario_id": "customtariffs"}, "custom_id"),
        ({"scenario_id": "Custom_tariffs"}, "custom_id"),
        ({"category": "weather"}, "category"),
        ({"severity": "bad"}, "severity"),
        ({"style_shocks": "both"}, "style_shocks"),
        ({"shocks": '{"Gold": 0.1}'}, "shocks"),
        ({"shocks": '{"Market": 1e400}'}, "shocks"),
        ({"shocks": '{"Market": -1e400}'}, "shocks"),
        ({"shocks": '{"Interest_Rate": 0.0400000000000000000001}'}, "shocks"),
    ],
)
def test_a_bad_row_is_refused_by_the_name_of_its_rule(
    database: Database, change: dict[str, str], rule: str
) -> None:
    with (
        database.connection() as connection,
        pytest.raises(psycopg.errors.CheckViolation) as refused,
    ):
        add(connection, **change)
    assert refused.value.diag.constraint_name == f"stress_test_scenarios_{rule}_check"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stress_test_scenarios SET origin = 'custom' WHERE scenario_id = 'market_up_5'",
        "UPDATE stress_test_scenarios SET scenario_id = 'custom_x' "
        "WHERE scenario_id = 'market_up_5'",
    ],
)
def test_a_scenario_of_the_package_cannot_pass_for_a_custom_one(
    database: Database, statement: str
) -> None:
    with (
        database.connection() as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="custom_id"),
    ):
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", sorted(CUSTOM))
def test_no_field_is_optional(database: Database, field: str) -> None:
    with (
        database.connection() as connection,
        pytest.raises(psycopg.errors.NotNullViolation, match=field),
    ):
        add(connection, **{field: None})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"Market": NaN}', psycopg.errors.InvalidTextRepresentation),
        ('{"Market": Infinity}', psycopg.errors.InvalidTextRepresentation),
        ('{"Market": 0x1}', psycopg.errors.InvalidTextRepresentation),
        ('{"Market": 1e999999}', psycopg.DataError),
        ('{"Market\\u0000": 0.1}', psycopg.errors.UntranslatableCharacter),
    ],
)
def test_what_is_no_finite_number_does_not_become_a_document(
    database: Database, text: str, error: type[psycopg.Error]
) -> None:
    with database.connection() as connection, pytest.raises(error):
        add(connection, shocks=text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1e-400", 0.0),
        ("-1e-400", 0.0),
        ("5e-324", 5e-324),
        ("1", 1),
        ("1.0000", 1.0),
        ("-0.95", -0.95),
        ("9.5e-1", 0.95),
        ("0.1000000000000000055511151231257827", 0.1),
    ],
)
def test_a_number_is_read_as_the_nearest_double(
    database: Database, written: str, read: float
) -> None:
    with database.connection() as connection:
        add(connection, shocks=f'{{"Market": {written}}}')
        found = {each["scenario_id"]: each for each in read_scenarios(connection, dict)}
    assert found["custom_tariffs"]["shocks"] == {"Market": read}


factors = st.sampled_from(
    ["Market", "Interest_Rate", "Value", "Growth", "Momentum", "Quality", "Size", "Low Volatility"]
)
near_misses = st.sampled_from(
    ["market", "Interest Rate", "Low_Volatility", "Market ", "SPY", "Market Beta (90D)", ""]
)
bounds = st.sampled_from(
    [0.04, -0.04, 0.04000000000000001, 1, 1.0, 1.0000000000000002, -0.95, -0.9500000000000001, -1]
)
numbers = (
    bounds
    | st.floats(-0.04, 0.04)
    | st.floats(-1.2, 1.2)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.integers(-2, 2)
    | st.integers(-(10**30), 10**30)
)
no_numbers = st.none() | st.booleans() | st.sampled_from(["0.1", "", [0.1], {}, {"Market": 0.1}])
good = st.dictionaries(
    factors, st.floats(-0.04, 0.04) | st.sampled_from([0.04, -0.04, 0]), min_size=1
)
loose = st.dictionaries(factors | near_misses | st.text(max_size=3), numbers | no_numbers)
ranged = st.dictionaries(factors, numbers, min_size=1, max_size=3)
shocks_documents = good | ranged | loose | no_numbers | st.lists(good, max_size=2) | numbers


def python_takes(document: object) -> bool:
    try:
        check_shocks(document)
    except Fault:
        return False
    return True


def database_takes(connection: Connection, document: object) -> bool:
    try:
        with connection.transaction():
            add(connection, shocks=json.dumps(document))
            raise psycopg.Rollback
    except (psycopg.errors.CheckViolation, psycopg.DataError):
        return False
    return True


def test_file_and_database_take_the_same_shocks(database: Database) -> None:
    taken = []

    @settings(max_examples=250)
    @given(shocks_documents)
    @example({"Market": 0.05, "Interest_Rate": 0.04})
    @example({"Market": 0.05, "Interest_Rate": 0.05})
    @example({"Value": -0.0})
    @example({"Value": 5e-324})
    @example({"\ud800": 0.1})
    def check(document: object) -> None:
        taken.append(python_takes(document))
        assert database_takes(connection, document) == taken[-1]

    with database.connection() as connection:
        check()
    assert 0.2 < sum(taken) / len(taken) < 0.8


def test_file_and_database_know_the_same_words(database: Database) -> None:
    texts = {"category": CATEGORIES, "severity": SEVERITIES, "style_shocks": STYLE_SHOCKS}
    with database.connection() as connection:
        for number, (column, words) in enumerate(texts.items()):
            for word in words:
                add(connection, scenario_id=f"custom_{number}_{word}", **{column: word})
            with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
                add(connection, scenario_id="custom_other", **{column: words[0].upper()})
