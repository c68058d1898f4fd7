"""Every value that a column can hold comes back as it went in, and no other value gets in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    Interval,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from sigmasight_assets.core.db.binary_copy import ROWS_PER_CHUNK, encode
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.tables.base import FINITE, USD
from sigmasight_assets.core.db.write.slices import copy_rows
from sigmasight_assets_tests.postgres import drop_database, fresh_database

KINDS = {
    "words": Text,
    "real": FINITE,
    "day": Date,
    "small": Integer,
    "big": BigInteger,
    "yes": Boolean,
    "id": Uuid,
    "document": JSONB,
    "money": USD,
}
EVERYTHING = Table("everything", MetaData(), *(Column(name, kind) for name, kind in KINDS.items()))
DEFINITION = ", ".join(
    f"{name} {kind}"
    for name, kind in zip(
        KINDS,
        ("text", "finite", "date", "int", "bigint", "boolean", "uuid", "jsonb", "usd"),
        strict=True,
    )
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
REALS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | REALS | TEXTS | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DAYS = st.dates(date(1800, 1, 1), date(2200, 1, 1))
CENTS = Decimal("0.000001")
MICRO = Context(prec=80, rounding=ROUND_HALF_EVEN)


@pytest.fixture(scope="module")
def connection(server: EmbeddedPostgres, template: str) -> Iterator[Connection]:
    url = fresh_database(server, template=template)
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute(f"CREATE TABLE everything (n serial, {DEFINITION})")
        yield opened
    drop_database(server, url)


def there_and_back(connection: Connection, name: str, values: np.ndarray) -> list[Any]:
    connection.execute("TRUNCATE everything RESTART IDENTITY")
    copy_rows(connection, "everything", EVERYTHING, {name: values})
    return [value for (value,) in connection.execute(f"SELECT {name} FROM everything ORDER BY n")]


def objects(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def same(one: Any, other: Any) -> bool:
    """Equal, with the sign of zero and the type of number."""
    return repr(one) == repr(other)


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=20))
@example(["", None, "é", "漢字", "a\nb\t\\N\"'", "🙂" * 300, " padded "])
def test_texts_keep_empty_apart_from_absent(connection: Connection, values: list[Any]) -> None:
    assert there_and_back(connection, "words", objects(values)) == values


@given(st.lists(TEXTS.map(lambda text: text.rstrip("\0")), min_size=1, max_size=20))
def test_in_a_fixed_width_column_an_empty_text_is_absent(
    connection: Connection, values: list[str]
) -> None:
    found = there_and_back(connection, "words", np.array(values, dtype=str))
    assert found == [value or None for value in values]


def test_a_text_with_a_nul_is_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="NUL"):
        there_and_back(connection, "words", objects(["fine", "a\0b"]))


@given(st.lists(REALS, min_size=1, max_size=30))
@example([0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 2 / 3])
def test_doubles_keep_every_bit(connection: Connection, values: list[float]) -> None:
    found = there_and_back(connection, "real", np.array(values))
    assert all(map(same, found, values))


def test_nan_is_stored_as_absent_in_every_kind_of_number(connection: Connection) -> None:
    values = np.array([1.0, np.nan, -2.0])
    for name in ("real", "small", "big", "money"):
        assert there_and_back(connection, name, values) == [1, None, -2], name


def test_a_float32_price_is_widened_and_not_printed(connection: Connection) -> None:
    price = np.array([100.1, 3.3333333], dtype=np.float32)
    assert there_and_back(connection, "real", price) == [float(value) for value in price]


def test_infinity_is_refused_whatever_the_column(connection: Connection) -> None:
    for infinite in (np.inf, -np.inf):
        with pytest.raises(psycopg.errors.CheckViolation):
            there_and_back(connection, "real", np.array([1.0, infinite]))
        for name in ("money", "small", "big"):
            with pytest.raises(ValueError, match=r"exceeds|whole number"):
                there_and_back(connection, name, np.array([1.0, infinite]))


@given(st.lists(st.none() | DAYS, min_size=1, max_size=20))
def test_days_come_back_and_nat_is_absent(connection: Connection, values: list[Any]) -> None:
    found = there_and_back(connection, "day", np.array(values, dtype="datetime64[D]"))
    assert found == values
    if None not in values:
        assert there_and_back(connection, "day", np.array(values, "datetime64[us]")) == values


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20))
def test_integers_come_back(connection: Connection, values: list[int]) -> None:
    assert there_and_back(connection, "small", np.array(values, dtype=np.int64)) == values
    assert there_and_back(connection, "small", np.array(values, dtype=np.float64)) == values


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_big_integers_come_back(connection: Connection, values: list[int]) -> None:
    assert there_and_back(connection, "big", np.array(values, dtype=np.int64)) == values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("small", np.int64(2**31)),
        ("small", np.int64(-(2**31) - 1)),
        ("small", np.float64(2**31)),
        ("small", np.float64(2.5)),
        ("big", np.float64(2.0**63)),
        ("big", np.uint64(2**63)),
    ],
)
def test_a_number_that_does_not_fit_is_refused_and_never_wrapped(
    connection: Connection, name: str, value: np.generic
) -> None:
    with pytest.raises(ValueError, match="whole number"):
        there_and_back(connection, name, np.array([value]))


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.lists(st.uuids(), min_size=1))
def test_booleans_and_ids_come_back(
    connection: Connection, flags: list[bool], ids: list[UUID]
) -> None:
    assert there_and_back(connection, "yes", np.array(flags)) == flags
    assert there_and_back(connection, "id", np.array([str(each) for each in ids])) == ids


@given(st.lists(JSON, min_size=1, max_size=8))
@example([None, {}, [], "", 0, False, {"a": None}, [None, 0.1, 'é\n"\\']])
def test_documents_come_back(connection: Connection, values: list[Any]) -> None:
    there_and_back(connection, "document", objects(values))
    rows = connection.execute("SELECT document::text FROM everything ORDER BY n")
    assert [text and _numbers_as_doubles(text) for (text,) in rows] == [
        None if value is None else _numbers_as_doubles(json.dumps(value)) for value in values
    ]


def _numbers_as_doubles(text: str) -> str:
    """JSONB writes numbers its own way: 1e300 with 301 digits, minus zero as zero."""
    double = lambda digits: float(digits) + 0.0  # noqa: E731
    return json.dumps(json.loads(text, parse_int=double, parse_float=double), sort_keys=True)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_document_with_a_number_that_is_none_is_refused(
    connection: Connection, number: float
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        there_and_back(connection, "document", objects([{"deep": [number]}]))


def nearest_micro(value: float) -> Decimal:
    """The multiple of 0.000001 nearest to the double itself; halves go to the even one."""
    return MICRO.quantize(Decimal(value), CENTS)


AMOUNTS = (
    st.floats(-9.9e13, 9.9e13)
    | st.floats(-4e9, 4e9)
    | st.floats(-1e4, 1e4)
    | st.floats(-1e-5, 1e-5)
)
HALVES = st.integers(-(2**45), 2**45).map(lambda k: (k + 0.5) / 1e6)
BESIDE_HALVES = st.tuples(HALVES, st.sampled_from([-math.inf, math.inf])).map(
    lambda pair: math.nextafter(*pair)
)


@given(st.lists(AMOUNTS | HALVES | BESIDE_HALVES, min_size=1, max_size=60))
@example(
    [0.0, -0.0, 5e-7, -5e-7, 1.5e-6, 0.1, 99999999.9999995, 0.0000004999999999, 99999999999999.98]
)
@example(
    [
        1.0000005,
        2.0000015,
        4.35,
        1234567.1234565,
        1e-7,
        9999.9999999,
        10000.0,
        576460752305.0,
        0.9999996,
    ]
)
def test_money_is_rounded_once_to_the_nearest_micro(
    connection: Connection, values: list[float]
) -> None:
    found = there_and_back(connection, "money", np.array(values))
    assert found == [nearest_micro(value) for value in values]
    assert not any(value.is_signed() and not value for value in found)


@pytest.mark.parametrize("value", [1e14, -1e14, 1e20, 1.7e308])
def test_an_amount_beyond_exact_storage_is_refused(connection: Connection, value: float) -> None:
    with pytest.raises(ValueError, match="exceeds what can be stored"):
        there_and_back(connection, "money", np.array([1.0, value]))


def test_rows_of_several_chunks_keep_their_order(connection: Connection) -> None:
    count = ROWS_PER_CHUNK + 7
    numbers = np.arange(count)
    connection.execute("TRUNCATE everything RESTART IDENTITY")
    columns = {"small": numbers, "words": numbers.astype(str), "real": numbers / 7}
    copy_rows(connection, "everything", EVERYTHING, columns)
    found = connection.execute(
        "SELECT count(*) FILTER (WHERE words = small::text AND real = small / 7.0 "
        "AND small = n - 1), min(small), max(small) FROM everything"
    ).fetchone()
    assert found == (count, 0, count - 1)


def test_columns_of_unequal_length_and_unknown_types_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differ in length: \[1, 2\]"):
        encode(EVERYTHING, {"small": np.zeros(1), "real": np.zeros(2)})
    odd = Table("odd", MetaData(), Column("taken", Interval))
    with pytest.raises(ValueError, match="no binary form"):
        encode(odd, {"taken": np.zeros(1)})


def test_no_rows_make_an_empty_stream(connection: Connection) -> None:
    assert there_and_back(connection, "real", np.empty(0)) == []
