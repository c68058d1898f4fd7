"""PostgreSQL's binary COPY format, written and read as arrays.

Formatting 11,000 wide rows as text costs more than all regressions of a session. Here every
value has a fixed-width slot in one byte matrix, a boolean matrix says which bytes exist (NULLs
and short texts have fewer), and one boolean selection gives the stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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

from sigmasight_assets.core.risk.panel import Columns

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH: Final = np.datetime64("2000-01-01", "D")
NULL_LENGTH: Final = -1
NUMERIC_GROUPS: Final = 7
ROWS_PER_CHUNK: Final = 65_536


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
    count = np.broadcast_to(_big_endian(np.array([len(columns)]), ">i2"), (rows, 2))
    blocks: list[Bytes] = [count]
    masks: list[Mask] = [np.ones((rows, 2), dtype=bool)]
    for name, values in columns.items():
        payload, present = _encode_column(table.c[name], values)
        length = np.where(
            present.any(axis=1) | _is_empty_text(values), present.sum(axis=1), NULL_LENGTH
        )
        blocks += [_big_endian(length, ">i4"), payload]
        masks += [np.ones((rows, 4), dtype=bool), present]
    return np.hstack(blocks)[np.hstack(masks)].tobytes()


def _encode_column(column: Column[Any], values: NDArray[Any]) -> tuple[Bytes, Mask]:
    """Payload bytes (rows, width) and which of them exist; none where the value is NULL."""
    kind = column.type.data_type if isinstance(column.type, DOMAIN) else column.type
    for handled, encoder in ENCODERS:
        if isinstance(kind, handled):
            return encoder(values)
    raise ValueError(f"{column}: no binary form for {kind!r}")


def _fixed(payload: Bytes, present: Mask) -> tuple[Bytes, Mask]:
    return payload, np.broadcast_to(present[:, None], payload.shape)


def _big_endian(values: NDArray[Any], dtype: str) -> Bytes:
    """The bytes of each value, shape (rows, itemsize)."""
    contiguous = np.ascontiguousarray(values, dtype=dtype)
    return contiguous.view(np.uint8).reshape(len(contiguous), -1)


def _booleans(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    return _fixed(_big_endian(values, "u1"), np.ones(len(values), dtype=bool))


def _days(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    days = values.astype("datetime64[D]")
    return _fixed(_big_endian((days - EPOCH).astype("int64"), ">i4"), ~np.isnat(days))


def _doubles(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    numbers = values.astype(np.float64)
    return _fixed(_big_endian(numbers, ">f8"), ~np.isnan(numbers))


def _integers(values: NDArray[Any], dtype: str = ">i4") -> tuple[Bytes, Mask]:
    present = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    return _fixed(_big_endian(np.where(present, values, 0), dtype), present)


def _big_integers(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    return _integers(values, ">i8")


def _is_empty_text(values: NDArray[Any]) -> Mask:
    """Rows that hold an empty text rather than NULL: only object arrays can say so."""
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.array([value == "" for value in values], dtype=bool)


def _texts(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    if values.dtype.kind == "O":
        encoded = [b"" if value is None else str(value).encode() for value in values]
        if any(b"\0" in value for value in encoded):
            raise ValueError("a text holds a NUL character, which PostgreSQL cannot store")
        packed = np.array(encoded, dtype=np.bytes_)
        lengths = np.array([len(value) for value in encoded], dtype=np.int64)
    else:
        packed = np.char.encode(values, "utf-8")
        lengths = np.char.str_len(packed).astype(np.int64)
    width = max(packed.dtype.itemsize, 1)
    payload = np.ascontiguousarray(packed).view(np.uint8).reshape(len(values), width)
    return payload, np.arange(width) < lengths[:, None]


def _documents(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    """JSONB: one version byte, then the text."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = [
        None if value is None else "\x01" + json.dumps(value, allow_nan=False, sort_keys=True)
        for value in values
    ]
    return _texts(texts)


def _uuids(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    joined = "".join(values.tolist()).replace("-", "")
    payload = np.frombuffer(bytes.fromhex(joined), dtype=np.uint8).reshape(len(values), 16)
    return _fixed(payload, np.ones(len(values), dtype=bool))


def _numerics(values: NDArray[Any]) -> tuple[Bytes, Mask]:
    """NUMERIC with 6 decimals: the one place where money is rounded.

    A numeric is base-10000 digits with a weight; leading zero digits are allowed, so five
    integer and two fraction digits serve every amount that the column can hold exactly.
    """
    values = values.astype(np.float64)
    present = ~np.isnan(values)
    micros = np.rint(np.abs(np.where(present, values, 0.0)) * 1e6)
    if (micros >= 2.0**62).any():
        raise ValueError("an amount exceeds what can be stored exactly")
    whole, fraction = np.divmod(micros.astype(np.int64), 1_000_000)
    digits = np.empty((len(values), NUMERIC_GROUPS), dtype=np.int64)
    for group in range(4, -1, -1):
        whole, digits[:, group] = np.divmod(whole, 10_000)
    digits[:, 5], digits[:, 6] = np.divmod(fraction * 100, 10_000)
    sign = np.where((values < 0) & (micros > 0), 0x4000, 0)
    head = np.column_stack(
        [
            np.full(len(values), NUMERIC_GROUPS),
            np.full(len(values), 4),
            sign,
            np.full(len(values), 6),
        ]
    )
    return _fixed(_big_endian(np.hstack([head, digits]), ">u2"), present)


ENCODERS: Final[tuple[tuple[type[Any], Callable[[NDArray[Any]], tuple[Bytes, Mask]]], ...]] = (
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


def decode_arrays(row: bytes, dtypes: Sequence[str]) -> tuple[str, list[NDArray[Any]]]:
    """One COPY row of (text, array, array, ...) as the text and its arrays.

    `dtypes` are the big-endian element types. Arrays have one dimension and no NULLs.
    """
    length = int.from_bytes(row[2:6], "big")
    key = row[6 : 6 + length].decode()
    at = 6 + length
    arrays: list[NDArray[Any]] = []
    for dtype in dtypes:
        count = int.from_bytes(row[at + 16 : at + 20], "big")
        element = np.dtype([("length", ">i4"), ("value", dtype)])
        arrays.append(np.frombuffer(row, element, count, at + 24)["value"])
        at += 24 + count * element.itemsize
    return key, arrays
