"""Daily prices out of one Parquet file."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sigmasight_assets.core.errors import PriceFileUnreadable
from sigmasight_assets.core.market.bars import VALUE_FIELDS, Floats, make_bars
from sigmasight_assets.core.market.price_columns import FileContents, match_columns
from sigmasight_assets.core.market.source import RejectedBar
from sigmasight_assets.core.symbols import canonical


class ParquetPrices:
    """One Parquet file of bars in long form: symbol, date and any of the value columns.

    Symbols are text, whatever they spell; rows without one belong to nobody.

    Raises:
        PriceFileUnreadable: if the path is no Parquet file or its columns are not prices.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._schema = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            raise PriceFileUnreadable(f"{path}: not a readable Parquet file") from error
        self._columns = match_columns(path, self._schema.names, ("symbol", "date"))
        self._check_types()

    def symbols(self) -> frozenset[str]:
        """Every symbol of the file, in its stored form."""
        return self._symbols_where(None)

    def read(self, wanted: Collection[str], first: date, last: date) -> FileContents:
        """The bars of the symbols from first to last, unscreened, in the file's order.

        Prices are widened to float64, never printed. A row without a date is refused under the
        date `first`.
        """
        table = self._read([*self._columns], self._dated(first, last))
        symbols, number = _coded(table.column("symbol"))
        days = table.column("date").cast(pa.date32(), safe=False).to_numpy()
        asked = np.isin(np.array(symbols, dtype=str), np.array([*wanted], dtype=str))[number]
        rejected = [
            RejectedBar(symbols[code], first, "unreadable_date")
            for code in number[asked & np.isnat(days)].tolist()
        ]
        keep = asked & (days >= np.datetime64(first)) & (days <= np.datetime64(last))
        values = {
            field: _floats(table.column(field))[keep]
            for field in VALUE_FIELDS
            if field in self._columns
        }
        bars = make_bars(symbols, number[keep], days[keep], **values)
        without = [self._without(field, frozenset(wanted)) for field in ("close", "adj_close")]
        return FileContents(bars, rejected, *without)

    def _without(self, field: str, wanted: frozenset[str]) -> frozenset[str]:
        """Symbols without a value of `close` or `adj_close` on any date of the file."""
        if field not in self._columns:
            return wanted
        return wanted - self._symbols_where(~self._field(field).is_null(nan_is_null=True))

    def _field(self, field: str) -> Any:  # noqa: ANN401  (pyarrow is untyped)
        return pc.field(self._columns[field])

    def _check_types(self) -> None:
        """Refuse columns whose type cannot be what their name says."""
        for field, name in self._columns.items():
            held = self._schema.field(name).type
            if not _SUITS.get(field, _is_number)(held):
                raise PriceFileUnreadable(f"{self.path}: column {name!r} holds {held}")

    def _dated(self, first: date, last: date) -> Any:  # noqa: ANN401
        """Row filter for the dates, a day wider: instants carry time zones. Exact cut later."""
        held = self._schema.field(self._columns["date"]).type
        day = timedelta(days=1)
        start, stop = (pa.scalar(bound).cast(held) for bound in (first - day, last + day))
        column = self._field("date")
        return ((column >= start) & (column <= stop)) | column.is_null()

    def _symbols_where(self, rows: Any) -> frozenset[str]:  # noqa: ANN401
        names = self._read(["symbol"], rows).column("symbol").unique()
        return frozenset(canonical(name) for name in names.to_pylist()) - {""}

    def _read(self, fields: list[str], rows: Any) -> pa.Table:  # noqa: ANN401
        """The fields of the rows that have a symbol, symbols dictionary-encoded."""
        named = self._field("symbol").is_valid()
        try:
            return pq.read_table(
                self.path,
                columns=[self._columns[field] for field in fields],
                filters=named if rows is None else named & rows,
                read_dictionary=[self._columns["symbol"]],
            ).rename_columns(fields)
        except (OSError, pa.ArrowException) as error:
            raise PriceFileUnreadable(f"{self.path}: damaged: {_one_line(error)}") from error


def _is_text(held: pa.DataType) -> bool:
    types = pa.types
    kind = held.value_type if types.is_dictionary(held) else held
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_day(held: pa.DataType) -> bool:
    return bool(pa.types.is_date(held) or pa.types.is_timestamp(held))


def _is_number(held: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_floating(held) or types.is_integer(held) or types.is_decimal(held))


_SUITS = {"symbol": _is_text, "date": _is_day}


def _coded(column: pa.ChunkedArray) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Stored forms of the symbols, and each row's index into them."""
    coded = column.combine_chunks()
    symbols = tuple(canonical(name) for name in coded.dictionary.to_pylist())
    return symbols, coded.indices.to_numpy()


def _floats(column: pa.ChunkedArray) -> Floats:
    """float64 values, NaN where the file has none."""
    widened: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return widened


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
