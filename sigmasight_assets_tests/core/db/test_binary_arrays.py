"""Arrays come back as they went in, the same bytes as those that psycopg writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import Connection, sql
from sqlalchemy import ARRAY, Column, Double, Integer, MetaData, SmallInteger, Table, Text

from sigmasight_assets.core.db import binary_copy
from sigmasight_assets.core.db.binary_copy import encode
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets_tests.postgres import drop_database, fresh_database

ARRAYS = Table(
    "arrays",
    MetaData(),
    Column("n", Integer),
    Column("words", ARRAY(Text)),
    Column("reals", ARRAY(Double)),
    Column("counts", ARRAY(SmallInteger)),
)
TYPES = {"words": "text[]", "reals": "float8[]", "counts": "smallint[]"}
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
REALS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(-(2**15), 2**15 - 1)


@pytest.fixture(scope="module")
def connection(server: EmbeddedPostgres) -> Iterator[Connection]:
    url = fresh_database(server)
    with psycopg.connect(url, autocommit=True) as opened:
        definition = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
        opened.execute(f"CREATE TABLE arrays (n integer, {definition})")
        yield opened
    drop_database(server, url)


def objects(arrays: Sequence[Any]) -> np.ndarray:
    column = np.empty(len(arrays), dtype=object)
    for at, array in enumerate(arrays):
        column[at] = array
    return column


def stored(connection: Connection, name: str, arrays: Sequence[np.ndarray]) -> list[Any]:
    """The column as the database returns it after COPY."""
    connection.execute("TRUNCATE arrays")
    columns = {"n": np.arange(len(arrays)), name: objects(arrays)}
    copy_rows(connection, "arrays", ARRAYS, columns)
    found = connection.execute(f"SELECT {name} FROM arrays ORDER BY n")
    return [array for (array,) in found]


def assert_as_psycopg_writes_them(
    connection: Connection, name: str, rows: Sequence[Sequence[Any]]
) -> None:
    given_ = sql.SQL(", ").join(
        sql.SQL("({}, %s::{})").format(sql.Literal(n), sql.SQL(TYPES[name]))
        for n in range(len(rows))
    )
    query = sql.SQL(
        "SELECT count(*) FROM arrays JOIN (VALUES {}) AS given (n, value) USING (n) "
        "WHERE array_send({}) = array_send(value)"
    ).format(given_, sql.Identifier(name))
    assert connection.execute(query, [list(row) for row in rows]).fetchone() == (len(rows),)


@given(st.lists(st.lists(st.none() | TEXTS, max_size=6), min_size=1, max_size=8))
@example([[]])
@example([[], ["a"], [], ["", None, "é"], ["漢字", "🙂" * 50, '{"a,\\ NULL'], [None]])
def test_texts_come_back_with_empty_apart_from_absent(
    connection: Connection, rows: list[list[str | None]]
) -> None:
    arrays = [objects(row) for row in rows]
    assert stored(connection, "words", arrays) == rows
    assert_as_psycopg_writes_them(connection, "words", rows)


@given(st.lists(st.lists(TEXTS, max_size=6), min_size=1, max_size=8))
@example([[]])
@example([["A", "BRK-B"], [], ["", "AAPL240119C00150000"]])
def test_in_fixed_width_arrays_an_empty_text_is_absent(
    connection: Connection, rows: list[list[str]]
) -> None:
    arrays = [np.array(row, dtype=str) for row in rows]
    assert stored(connection, "words", arrays) == [[each or None for each in row] for row in rows]


@given(st.lists(st.lists(st.none() | REALS, max_size=8), min_size=1, max_size=8))
@example([[]])
@example([[None], [], [0.0, -0.0, 5e-324, 1.7976931348623157e308], [0.1, None, None, 2 / 3]])
def test_doubles_keep_every_bit_and_nan_is_absent(
    connection: Connection, rows: list[list[float | None]]
) -> None:
    arrays = [np.array(row, dtype=np.float64) for row in rows]
    found = stored(connection, "reals", arrays)
    assert [list(map(repr, row)) for row in found] == [list(map(repr, row)) for row in rows]
    assert_as_psycopg_writes_them(connection, "reals", rows)


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.float64])
@given(rows=st.lists(st.lists(COUNTS, max_size=8), min_size=1, max_size=8))
@example(rows=[[]])
@example(rows=[[-(2**15), 2**15 - 1, 0], [], [90]])
def test_small_integers_come_back_from_any_kind_of_number(
    connection: Connection, kind: type, rows: list[list[int]]
) -> None:
    assert stored(connection, "counts", [np.array(row, dtype=kind) for row in rows]) == rows
    assert_as_psycopg_writes_them(connection, "counts", rows)


def test_nan_among_small_integers_is_absent(connection: Connection) -> None:
    found = stored(connection, "counts", [np.array([1.0, np.nan, -2.0]), np.array([np.nan])])
    assert found == [[1, None, -2], [None]]


@pytest.mark.parametrize(
    "number", [2**15, -(2**15) - 1, 65_536 + 5, 0.5, 2.0**15, math.inf, -math.inf]
)
def test_a_number_beyond_small_integers_is_refused_and_never_wrapped(number: float) -> None:
    column = objects([np.array([1]), np.array([0, number])])
    with pytest.raises(ValueError, match="whole number of 16 bits"):
        encode(ARRAYS, {"counts": column})


@pytest.mark.parametrize("array", [np.array(["fine", "a\0b"]), objects(["fine", "a\0b"])])
def test_a_text_with_a_nul_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode(ARRAYS, {"words": objects([array])})


def test_arrays_of_another_type_are_refused() -> None:
    odd = Table("odd", MetaData(), Column("flags", ARRAY(Integer)))
    with pytest.raises(ValueError, match="no binary form"):
        encode(odd, {"flags": objects([np.array([1])])})


def test_long_rows_of_several_chunks_keep_their_order_and_length(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary_copy, "ELEMENTS_PER_CHUNK", 6_000)
    lengths = [0, 3, 1_225, 2, 1_999, 0, 7_000, 1, 0, 40]
    rng = np.random.default_rng(1)
    reals = [np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)) for n in lengths]
    columns = {
        "n": np.arange(len(lengths)),
        "words": objects([np.full(n, f"of {n}") for n in lengths]),
        "reals": objects(reals),
        "counts": objects([np.arange(n) for n in lengths]),
    }
    _, *chunks, _ = encode(ARRAYS, columns)
    assert len(chunks) == len(lengths)
    connection.execute("TRUNCATE arrays")
    copy_rows(connection, "arrays", ARRAYS, columns)
    found = connection.execute("SELECT words, reals, counts FROM arrays ORDER BY n").fetchall()
    for (words, numbers, counts), n, expected in zip(found, lengths, reals, strict=True):
        assert words == [f"of {n}"] * n
        assert counts == list(range(n))
        np.testing.assert_array_equal(np.array(numbers, dtype=float), expected)


def test_several_rows_share_a_chunk_as_far_as_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_copy, "ELEMENTS_PER_CHUNK", 6_000)
    columns = {"reals": objects([np.zeros(2_000)] * 7)}
    _, *chunks, _ = encode(ARRAYS, columns)
    assert [len(chunk) // (2_000 * 12) for chunk in chunks] == [3, 3, 1]
