"""PostgreSQL's binary COPY format, written from arrays.

Formatting 11,000 wide rows as text costs more than all regressions of a session. Here every
value has a fixed-width slot in one byte matrix, a boolean matrix says which bytes exist (NULLs
and short texts have fewer), and one boolean selection gives the stream.

An encoder turns a column into its payload, bytes of shape (rows, width), and the length of each
value: how many of its bytes exist, or NULL_LENGTH.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import DOMAIN, JSONB

from sigmasight_assets.core.shapes.panel import Columns

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH: Final = np.datetime64("2000-01-01", "D")
NULL_LENGTH: Final = -1
NUMERIC_GROUPS: Final = 7
LARGEST_AMOUNT: Final = 1e14
ROWS_PER_CHUNK: Final = 65_536
CONTAINS_NUL: Final = "a text holds a NUL character, which PostgreSQL cannot store"


def encode(table: Table, columns: Columns) -> list[bytes]:
    """The COPY stream of these rows, in chunks. Column order is that of `columns`.

    Raises:
        ValueError: if arrays differ in length or a value cannot be stored.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"{table.name}: columns differ in length: {sorted(lengths)}")
    rows = lengths.pop()
    chunks = [HEADER]
    for start in range(0, rows, ROWS_PER_CHUNK):
        part = {name: values[start : start + ROWS_PER_CHUNK] for name, values in columns.items()}
        chunks.append(_encode_rows(table, part, min(ROWS_PER_CHUNK, rows - start)))
    chunks.append(TRAILER)
    return chunks


def _encode_rows(table: Table, columns: Columns, rows: int) -> bytes:
    parts = [_encode_column(table.c[name], values) for name, values in columns.items()]
    width = 2 + sum(4 + payload.shape[1] for payload, _ in parts)
    stream, exists = np.empty((rows, width), dtype=np.uint8), np.ones((rows, width), dtype=bool)
    stream[:, :2] = _big_endian(np.array([len(parts)]), ">i2")
    at = 2
    for payload, length in parts:
        end = at + 4 + payload.shape[1]
        stream[:, at : at + 4] = _big_endian(length, ">i4")
        stream[:, at + 4 : end] = payload
        exists[:, at + 4 : end] = np.arange(payload.shape[1]) < length[:, None]
        at = end
    return stream[exists].tobytes()


def _encode_column(column: Column[Any], values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    kind = column.type.data_type if isinstance(column.type, DOMAIN) else column.type
    for handled, encoder in ENCODERS:
        if isinstance(kind, handled):
            payload, length = encoder(values)
            return payload[:, : max(length.max(initial=0), 0)], length
    raise ValueError(f"{column}: no binary form for {kind!r}")


def _fixed(payload: Bytes, present: Mask) -> tuple[Bytes, Lengths]:
    return payload, np.where(present, payload.shape[1], NULL_LENGTH)


def _big_endian(values: NDArray[Any], dtype: str) -> Bytes:
    """The bytes of each value, shape (rows, itemsize)."""
    contiguous = np.ascontiguousarray(values, dtype=dtype)
    return contiguous.view(np.uint8).reshape(len(contiguous), -1)


def _booleans(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    return _fixed(_big_endian(values, "u1"), np.ones(len(values), dtype=bool))


def _days(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    days = values.astype("datetime64[D]")
    return _fixed(_big_endian((days - EPOCH).astype("int64"), ">i4"), ~np.isnat(days))


def _doubles(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    numbers = values.astype(np.float64)
    return _fixed(_big_endian(numbers, ">f8"), ~np.isnan(numbers))


def _integers(values: NDArray[Any], dtype: str = ">i4") -> tuple[Bytes, Lengths]:
    present = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    stored = np.where(present, values, 0)
    bounds = np.iinfo(dtype)
    # Written so that infinity fails, and 2.0**63, which the upper bound is as a double.
    fits = (stored >= bounds.min) & (stored < bounds.max + 1) & (stored == np.trunc(stored))
    if not fits.all():
        raise ValueError(f"{stored[~fits][0]} is no whole number of {bounds.bits} bits")
    return _fixed(_big_endian(stored, dtype), present)


def _big_integers(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    return _integers(values, ">i8")


def _texts(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    """UTF-8; only object arrays tell an empty text from NULL."""
    if values.dtype.kind != "O":
        letters = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), -1)
        if letters.max(initial=0) < 128:
            return _ascii(letters)
        values = np.array([text or None for text in values.tolist()], dtype=object)
    encoded = [None if value is None else str(value).encode() for value in values]
    if any(b"\0" in value for value in encoded if value is not None):
        raise ValueError(CONTAINS_NUL)
    packed = np.array([value or b"" for value in encoded], dtype=np.bytes_)
    length = [NULL_LENGTH if value is None else len(value) for value in encoded]
    return packed.view(np.uint8).reshape(len(values), -1), np.array(length, dtype=np.int64)


def _ascii(letters: NDArray[np.uint32]) -> tuple[Bytes, Lengths]:
    """Texts given as (rows, width) code points, filled up with NUL."""
    length = (letters != 0).sum(axis=1)
    if (letters[np.arange(letters.shape[1]) < length[:, None]] == 0).any():
        raise ValueError(CONTAINS_NUL)
    return letters.astype(np.uint8), np.where(length > 0, length, NULL_LENGTH)


def _documents(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    """JSONB: one version byte, then the text."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = [
        None if value is None else "\x01" + json.dumps(value, allow_nan=False, sort_keys=True)
        for value in values
    ]
    return _texts(texts)


def _uuids(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    joined = "".join(values.tolist()).replace("-", "")
    payload = np.frombuffer(bytes.fromhex(joined), dtype=np.uint8).reshape(len(values), 16)
    return _fixed(payload, np.ones(len(values), dtype=bool))


def _numerics(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    """NUMERIC with 6 decimals: the one place where money is rounded.

    A numeric is base-10000 digits with a weight; leading zero digits are allowed, so five
    integer and two fraction digits serve every amount that the column can hold.
    """
    values = values.astype(np.float64)
    present = ~np.isnan(values)
    amounts = np.abs(np.where(present, values, 0.0))
    if (amounts >= LARGEST_AMOUNT).any():
        raise ValueError(f"an amount exceeds what can be stored: {amounts.max():g}")
    whole = np.floor(amounts)
    fraction = _nearest_micros(amounts - whole)
    whole, fraction = (whole + fraction // 1e6).astype(np.int64), (fraction % 1e6).astype(np.int64)
    nothing = (whole == 0) & (fraction == 0)
    digits = np.empty((len(values), NUMERIC_GROUPS), dtype=np.int64)
    for group in range(4, -1, -1):
        whole, digits[:, group] = np.divmod(whole, 10_000)
    digits[:, 5], digits[:, 6] = np.divmod(fraction * 100, 10_000)
    sign = np.where((values < 0) & ~nothing, 0x4000, 0)
    head = np.column_stack(
        [
            np.full(len(values), NUMERIC_GROUPS),
            np.full(len(values), 4),
            sign,
            np.full(len(values), 6),
        ]
    )
    return _fixed(_big_endian(np.hstack([head, digits]), ">u2"), present)


def _nearest_micros(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Millionths nearest to each number in [0, 1) as it is, halves to the even one.

    The product with 10^6 is itself rounded, and may land on a half that the number is not: it
    is taken in two exact parts, and what their sum drops decides such halves.
    """
    head = fractions.astype(np.float32).astype(np.float64)
    high, low = head * 1e6, (fractions - head) * 1e6
    product = high + low
    dropped = low - (product - high)
    micros = np.rint(product)
    on_half = (np.abs(product - micros) == 0.5) & (dropped != 0)
    micros[on_half] = np.floor(product[on_half]) + (dropped[on_half] > 0)
    return micros


ENCODERS: Final[tuple[tuple[type[Any], Callable[[NDArray[Any]], tuple[Bytes, Lengths]]], ...]] = (
    (Text, _texts),
    (JSONB, _documents),
    (Uuid, _uuids),
    (Boolean, _booleans),
    (Date, _days),
    (BigInteger, _big_integers),
    (Integer, _integers),
    (Double, _doubles),
    (Numeric, _numerics),
)
"""Column type -> encoder; the first that matches, so a subclass stands before its base."""
