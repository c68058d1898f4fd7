"""Rows as the bytes that COPY takes: made while something else is being written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Column, Double, Numeric, Table

from sigmasight_assets.core.db.binary_copy import encode, value_type
from sigmasight_assets.core.db.binary_values import LARGEST_AMOUNT
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats

NOT_A_NUMBER: Final = "not a number"
OUT_OF_RANGE: Final = "more than can be stored"


@dataclass(frozen=True)
class EncodedRows:
    """Rows of one table. columns: in the order of the stream. chunks: of the stream."""

    columns: tuple[str, ...]
    count: int
    chunks: tuple[bytes, ...]


def encode_rows(table: Table, columns: Columns) -> EncodedRows:
    """Encode rows of a table.

    Raises:
        ValueError: if arrays differ in length or a value cannot be stored.
    """
    count = len(next(iter(columns.values())))
    chunks = tuple(encode(table, columns)) if count else ()
    return EncodedRows(tuple(columns), count, chunks)


def refused_rows(table: Table, columns: Columns) -> dict[int, str]:
    """The rows that the table would refuse for a number, with a sentence that says which.

    A number is refused if it is infinite, if it is NaN where something has to be said, and if
    money is 10^14 USD or more.
    """
    refused: dict[int, str] = {}
    for name, values in columns.items():
        column = table.c[name]
        kind = value_type(column)
        if isinstance(kind, (Double, Numeric)):
            for row in np.flatnonzero(_refused(kind, column, values)):
                fault = NOT_A_NUMBER if np.isnan(values[row]) else OUT_OF_RANGE
                refused.setdefault(int(row), f"{table.name}.{name} is {values[row]:g}: {fault}")
    return refused


def _refused(kind: object, column: Column[Any], values: Floats) -> Bools:
    limit = LARGEST_AMOUNT if isinstance(kind, Numeric) else np.inf
    absent = np.isnan(values) if not column.nullable else np.zeros(len(values), dtype=np.bool_)
    refused: Bools = absent | (np.abs(values) >= limit)
    return refused
