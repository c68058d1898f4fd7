"""Rows for any computed table, made from its columns: what they say is one version number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from psycopg import Connection
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    Double,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from sigmasight_assets.core.db.binary_copy import value_type
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.db.write.slices import Slice, Subset
from sigmasight_assets.core.shapes.panel import Columns

PORTFOLIO_IDS = tuple(sorted(str(uuid5(NAMESPACE_URL, f"example {n}")) for n in range(3)))


def example_rows(table: Table, session: date, version: int, rows: int = 3) -> Columns:
    """Rows of a session whose every number, text and document is the version."""
    return {
        column.name: _column(column, session, version, rows)
        for column in table.columns
        if column.server_default is None
    }


def layer_slices(
    layer: Layer, session: date, version: int, portfolio_ids: Sequence[str] | None = None
) -> list[Slice]:
    """A slice of each table of a layer; only those of portfolios when some are named."""
    named = [metadata.tables[name] for name in sorted(LAYER_TABLES[layer])]
    if portfolio_ids is None:
        return [Slice(table, example_rows(table, session, version)) for table in named]
    place = [PORTFOLIO_IDS.index(each) for each in portfolio_ids]
    return [
        Slice(
            table,
            {name: values[place] for name, values in example_rows(table, session, version).items()},
            Subset("portfolio_id", portfolio_ids),
        )
        for table in named
        if "portfolio_id" in table.c
    ]


def versions(connection: Connection, layer: Layer, session: date) -> set[Any]:
    """The versions that the tables of a layer say, in one statement."""
    parts = []
    for name in sorted(LAYER_TABLES[layer]):
        table = metadata.tables[name]
        (day,) = (key.name for key in table.primary_key.columns if isinstance(key.type, Date))
        said = next(told for told in map(_told, table.columns) if told)
        parts.append(f"SELECT {said} AS said FROM {name} WHERE {day} = '{session}'")
    rows = connection.execute(f"SELECT DISTINCT said FROM ({' UNION ALL '.join(parts)}) AS each")
    return {None if said is None else int(said) for (said,) in rows}


def _told(column: Column[Any]) -> str | None:
    """The version as SQL reads it from a column, if it can."""
    kind = value_type(column)
    if isinstance(kind, JSONB):
        return f"({column.name} ->> 0)::numeric"
    if isinstance(kind, ARRAY) and isinstance(kind.item_type, Double):
        return f"{column.name}[1]::numeric"
    return f"{column.name}::numeric" if isinstance(kind, (Double, Numeric)) else None


def _column(column: Column[Any], session: date, version: int, rows: int) -> np.ndarray:
    kind = value_type(column)
    if isinstance(kind, JSONB):
        documents = np.empty(rows, dtype=object)
        documents[:] = [[version]] * rows
        return documents
    if isinstance(kind, ARRAY):
        arrays = np.empty(rows, dtype=object)
        arrays[:] = [_column(Column("of", kind.item_type), session, version, 1)] * rows
        return arrays
    for handled, value in (
        (Uuid, PORTFOLIO_IDS),
        (Date, [np.datetime64(session)]),
        (Boolean, [True]),
        (Integer, [version]),
        (SmallInteger, [version]),
        (Numeric, [float(version)]),
        (Double, [float(version)]),
    ):
        if isinstance(kind, handled):
            return np.resize(value, rows)
    keys = [f"K{n:04d}" for n in range(rows)]
    return np.array(keys if column.primary_key else [f"version {version}"] * rows)
