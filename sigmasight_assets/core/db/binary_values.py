"""The values of one column as PostgreSQL's binary format has them.

An encoder turns a column into its payload, bytes of shape (rows, width), and the length of each
value: how many of its bytes exist, or NULL_LENGTH.
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
    Date,
    Double,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]
Encoder = Callable[[NDArray[Any]], tuple[Bytes, Lengths]]

EPOCH: Final = np.datetime64("2000-01-01", "D")
NULL_LENGTH: Final = -1
NUMERIC_GROUPS: Final = 7
LARGEST_AMOUNT: Final = 1e14
JSON: Final = json.JSONEncoder(allow_nan=False, sort_keys=True)
CONTAINS_NUL: Final = "a text holds a NUL character, which PostgreSQL cannot store"


def encoder_of(kind: object) -> Encoder | None:
    """The encoder of a column type, None where there is none."""
    return next((encode for handled, encode in ENCODERS if isinstance(kind, handled)), None)


def big_endian(values: NDArray[Any], dtype: str) -> Bytes:
    """The bytes of each row, shape (rows, bytes of a row)."""
    contiguous = np.ascontiguousarray(values, dtype=dtype)
    width = contiguous.dtype.itemsize * int(np.prod(contiguous.shape[1:]))
    return contiguous.view(np.uint8).reshape(len(contiguous), width)


def _fixed(payload: Bytes, present: Mask) -> tuple[Bytes, Lengths]:
    return payload, np.where(present, payload.shape[1], NULL_LENGTH)


def _booleans(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    return _fixed(big_endian(values, "u1"), np.ones(len(values), dtype=bool))


def _days(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    days = values.astype("datetime64[D]")
    return _fixed(big_endian((days - EPOCH).astype("int64"), ">i4"), ~np.isnat(days))


def _doubles(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    numbers = values.astype(np.float64, copy=False)
    return _fixed(big_endian(numbers, ">f8"), ~np.isnan(numbers))


def _integers(values: NDArray[Any], dtype: str = ">i4") -> tuple[Bytes, Lengths]:
    fractional = values.dtype.kind == "f"
    present = ~np.isnan(values) if fractional else np.ones(len(values), dtype=bool)
    stored = np.where(present, values, 0) if fractional else values
    bounds = np.iinfo(dtype)
    # Written so that infinity fails, and 2.0**63, which the upper bound is as a double.
    fits = (stored >= bounds.min) & (stored < bounds.max + 1)
    if fractional:
        fits &= stored == np.trunc(stored)
    if not fits.all():
        raise ValueError(f"{stored[~fits][0]} is no whole number of {bounds.bits} bits")
    return _fixed(big_endian(stored, dtype), present)


def _small_integers(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    return _integers(values, ">i2")


def _big_integers(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    return _integers(values, ">i8")


def _texts(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    """UTF-8, each distinct text once; only object arrays tell an empty text from NULL."""
    if values.dtype.kind != "O":
        letters = _code_points(values)
        if letters.max(initial=0) < 128:
            return _ascii(letters)
        values = np.array([text or None for text in values.tolist()], dtype=object)
    place: dict[Any, int] = {}
    at = [place.setdefault(text, len(place)) for text in values.tolist()]
    return _spread([None if text is None else str(text).encode() for text in place], at)


def _code_points(texts: NDArray[np.str_]) -> NDArray[np.uint32]:
    """The letters of fixed-width texts, filled up with NUL. Shape (rows, width)."""
    width = texts.dtype.itemsize // 4
    return np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), width)


def _spread(encoded: Sequence[bytes | None], at: Sequence[int]) -> tuple[Bytes, Lengths]:
    """Row k holds encoded[at[k]]."""
    if any(b"\0" in value for value in encoded if value is not None):
        raise ValueError(CONTAINS_NUL)
    packed = np.array([value or b"" for value in encoded], dtype=np.bytes_)
    payload = packed.view(np.uint8).reshape(len(encoded), packed.itemsize)
    length = [NULL_LENGTH if value is None else len(value) for value in encoded]
    return payload[at], np.array(length, dtype=np.int64)[at]


def _ascii(letters: NDArray[np.uint32]) -> tuple[Bytes, Lengths]:
    """Texts given as (rows, width) code points, filled up with NUL."""
    length = (letters != 0).sum(axis=1)
    if (letters[np.arange(letters.shape[1]) < length[:, None]] == 0).any():
        raise ValueError(CONTAINS_NUL)
    return letters.astype(np.uint8), np.where(length > 0, length, NULL_LENGTH)


def _documents(values: NDArray[Any]) -> tuple[Bytes, Lengths]:
    """JSONB: one version byte, then the text. Rows that share an object are written once."""
    items = values.tolist()
    place: dict[int, int] = {}
    at = [place.setdefault(id(item), len(place)) for item in items]
    distinct = {id(item): item for item in items}.values()
    return _spread(
        [None if item is None else b"\x01" + JSON.encode(item).encode() for item in distinct], at
    )


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
    return _fixed(big_endian(np.hstack([head, digits]), ">u2"), present)


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


ENCODERS: Final[tuple[tuple[type[Any], Encoder], ...]] = (
    (Text, _texts),
    (JSONB, _documents),
    (Uuid, _uuids),
    (Boolean, _booleans),
    (Date, _days),
    (BigInteger, _big_integers),
    (SmallInteger, _small_integers),
    (Integer, _integers),
    (Double, _doubles),
    (Numeric, _numerics),
)
"""Column type -> encoder; the first that matches, so a subclass stands before its base."""
