"""A query's answer as arrays, whatever its words look like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import psycopg
import pytest
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.query import fetch_columns

ODD_WORDS = [
    "NA",
    "TRUE",
    "nan",
    "NULL",
    "null",
    "1E5",
    "",
    " ",
    "a,b",
    'say "x"',
    "\\N",
    "\\.",
    "é\n漢",
]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connection() as opened:
        yield opened


def ask(connection: Connection, kind: str, values: list, sql_type: str) -> np.ndarray:
    query = f"SELECT v FROM unnest(%(v)s::{sql_type}[]) WITH ORDINALITY AS t (v, n) ORDER BY n"
    return fetch_columns(connection, query, {"v": values}, {"v": kind})["v"]


def test_words_come_back_and_an_absent_one_is_empty(connection: Connection) -> None:
    found = ask(connection, "text", [*ODD_WORDS, None], "text")
    assert found.tolist() == [*ODD_WORDS, ""]
    assert found.dtype.kind == "U"


def test_a_lone_column_of_absent_values_keeps_its_rows(connection: Connection) -> None:
    assert np.isnan(ask(connection, "float", [None, 1.5, None], "float8")).tolist() == [1, 0, 1]
    assert ask(connection, "text", [None, "", None], "text").tolist() == ["", "", ""]
    days = ask(connection, "date", [None, date(2025, 7, 1)], "date")
    assert days.astype(str).tolist() == ["NaT", "2025-07-01"]


def test_doubles_keep_every_bit(connection: Connection) -> None:
    bits = np.random.default_rng(3).integers(0, 2**64, 20_000, dtype=np.uint64)
    values = bits.view(np.float64)
    values = np.append(values[np.isfinite(values)], [5e-324, 1.7976931348623157e308, -0.0, 0.1])
    found = ask(connection, "float", values.tolist(), "float8")
    assert found.tobytes() == values.tobytes()


def test_whole_numbers_flags_and_days(connection: Connection) -> None:
    whole = [0, -1, 2**63 - 1, -(2**63)]
    assert ask(connection, "int", whole, "bigint").tolist() == whole
    assert ask(connection, "bool", [True, False, True], "boolean").tolist() == [True, False, True]
    days = [date(1800, 1, 1), date(2199, 12, 31)]
    assert ask(connection, "date", days, "date").astype(object).tolist() == days


@pytest.mark.parametrize(
    ("kind", "dtype"), [("text", "U"), ("float", "f"), ("int", "i"), ("date", "M"), ("bool", "b")]
)
def test_no_rows_make_empty_arrays_of_the_right_kind(
    connection: Connection, kind: str, dtype: str
) -> None:
    found = ask(connection, kind, [], "text")
    assert (len(found), found.dtype.kind) == (0, dtype)


def test_a_failing_query_is_the_callers_error(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        fetch_columns(connection, "SELECT 1 FROM nowhere", {}, {"v": "int"})
