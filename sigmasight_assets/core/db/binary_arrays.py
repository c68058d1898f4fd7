"""Arrays as PostgreSQL's binary format has them: a correlation matrix by its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, Double, SmallInteger, Text

from sigmasight_assets.core.db.binary_values import (
    Bytes,
    Encoder,
    Lengths,
    big_endian,
    encoder_of,
)


@dataclass(frozen=True)
class _Element:
    """PostgreSQL's number of the elements' type, ours, and their encoder."""

    oid: int
    dtype: str
    encode: Encoder


ELEMENTS: Final = ((Text, 25, "U1"), (Double, 701, "f8"), (SmallInteger, 21, "i2"))
"""Column type of an element, PostgreSQL's number of it, and the type of an array without any."""

HEAD: Final = 20
HEAD_OF_NONE: Final = 12
"""An array without elements has no dimension, and so neither size nor lower bound."""


def array_encoder(kind: ARRAY[Any]) -> Encoder | None:
    """The encoder of a column whose values are arrays; None where there is none.

    As in columns of single values, NaN is a NULL element, so are '' of fixed-width texts and None.
    """
    encode = encoder_of(kind.item_type)
    for handled, oid, dtype in ELEMENTS:
        if isinstance(kind.item_type, handled) and encode is not None:
            return partial(_encode_arrays, element=_Element(oid, dtype, encode))
    return None


def _encode_arrays(values: NDArray[Any], element: _Element) -> tuple[Bytes, Lengths]:
    """(rows, width) with the elements of all arrays encoded in one go."""
    counts = np.array([len(each) for each in values], dtype=np.int64)
    payload, length = element.encode(np.concatenate([np.zeros(0, element.dtype), *values]))
    ends = np.concatenate([[0], np.cumsum(4 + np.maximum(length, 0))])
    last = np.cumsum(counts)
    size = ends[last] - ends[last - counts]
    arrays = np.zeros((len(values), HEAD + size.max(initial=0)), dtype=np.uint8)
    arrays[:, :HEAD] = _heads(counts, element.oid)
    arrays[:, HEAD:][np.arange(arrays.shape[1] - HEAD) < size[:, None]] = _stream(payload, length)
    return arrays, np.where(counts > 0, HEAD + size, HEAD_OF_NONE)


def _stream(payload: Bytes, length: Lengths) -> Bytes:
    """Each element behind its length, one after the other."""
    elements = np.hstack([big_endian(length, ">i4"), payload])
    if (length == payload.shape[1]).all():
        return elements.ravel()
    return elements[np.arange(elements.shape[1]) < 4 + np.maximum(length, 0)[:, None]]


def _heads(counts: Lengths, oid: int) -> Bytes:
    """Dimensions, whether there may be NULLs, the element's type; then size and lower bound."""
    filled = counts > 0
    head = np.column_stack([filled, filled, np.full(len(counts), oid), counts, filled])
    return big_endian(head.ravel(), ">i4").reshape(len(counts), HEAD)
