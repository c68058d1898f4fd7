"""Daily prices out of a folder of per-symbol CSV files, as Yahoo exports them."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from sigmasight_assets.core.errors import PriceFileUnreadable
from sigmasight_assets.core.market.bars import VALUE_FIELDS, Columns, join
from sigmasight_assets.core.market.price_columns import FileContents, match_columns
from sigmasight_assets.core.market.source import RejectedBar
from sigmasight_assets.core.symbols import canonical

# Stricter than float() and date.fromisoformat(), which take 1_000, full-width digits, inf and
# week dates. Some exports write the day as its midnight.
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([ t]00:00:00(z|[+-][0-9]{2}:[0-9]{2})?)?")
_UNKNOWN: Final = frozenset({"", "null", "nan", "n/a"})


class _Unreadable(Exception):
    """A row cannot be read; the argument is the reason word."""


class CsvPrices:
    """A folder with one `<SYMBOL>.csv` per symbol: Date and any of the value columns.

    A row with a cell that cannot be read is refused, the others are kept.

    Raises:
        PriceFileUnreadable: if the folder has no CSV file.
    """

    def __init__(self, path: Path) -> None:
        self._files: dict[str, list[Path]] = {}
        for file in sorted(path.iterdir()):
            if file.suffix.lower() == ".csv" and not file.name.startswith("."):
                self._files.setdefault(canonical(file.stem), []).append(file)
        if not self._files:
            raise PriceFileUnreadable(f"{path}: the folder has no .csv file")

    def symbols(self) -> frozenset[str]:
        """Every symbol that a file is named after, in its stored form."""
        return frozenset(self._files)

    def read(self, wanted: Collection[str], first: date, last: date) -> FileContents:
        """The bars of the symbols from first to last, unscreened.

        A row whose date cannot be read is refused under the date `first`.

        Raises:
            PriceFileUnreadable: if a file cannot be read or its header names no prices.
        """
        read = {symbol: _SymbolRead(symbol) for symbol in wanted if symbol in self._files}
        for symbol, so_far in read.items():
            for path in self._files[symbol]:
                so_far.add(path, first, last)
        return FileContents(
            join({symbol: so_far.columns() for symbol, so_far in read.items()}),
            [bar for so_far in read.values() for bar in so_far.rejected],
            frozenset(name for name in wanted if not _has(read, name, "close")),
            frozenset(name for name in wanted if not _has(read, name, "adj_close")),
        )


@dataclass
class _SymbolRead:
    """One symbol's rows inside the range, and the fields that have a value in any row."""

    symbol: str
    days: list[date] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    rejected: list[RejectedBar] = field(default_factory=list)
    valued: set[str] = field(default_factory=set)

    def add(self, path: Path, first: date, last: date) -> None:
        """Read one file; its rows outside the range only tell which fields have values."""
        for cells, complete in _rows(path):
            day = first
            try:
                day = _day(cells.get("date", ""))
                self.valued |= {name for name, cell in cells.items() if cell not in _UNKNOWN}
                if first <= day <= last:
                    self.values.append(_values(cells, complete))
                    self.days.append(day)
            except _Unreadable as error:
                self.rejected.append(RejectedBar(self.symbol, day, str(error)))

    def columns(self) -> Columns:
        """The rows as arrays."""
        table = np.array(self.values, dtype=np.float64).reshape(-1, len(VALUE_FIELDS))
        values = {name: table[:, place] for place, name in enumerate(VALUE_FIELDS)}
        return {"date": np.array(self.days, dtype="datetime64[D]"), **values}


def _has(read: Mapping[str, _SymbolRead], symbol: str, name: str) -> bool:
    return symbol in read and name in read[symbol].valued


def _rows(path: Path) -> Iterator[tuple[dict[str, str], bool]]:
    """Each row as field -> cell in lower case, and whether it is as long as the header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            fields = {name: field for field, name in match_columns(path, header, ("date",)).items()}
            for line in lines:
                cells = {
                    fields[name]: cell.strip().lower()
                    for name, cell in zip(header, line, strict=False)
                    if name in fields
                }
                if line:
                    yield cells, len(line) == len(header)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PriceFileUnreadable(f"{path}: not a readable CSV file: {error}") from error


def _day(cell: str) -> date:
    match = _DAY.fullmatch(cell)
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError:
        raise _Unreadable("unreadable_date") from None


def _values(cells: Mapping[str, str], complete: bool) -> list[float]:
    if not complete:
        raise _Unreadable("unreadable_row")
    return [_number(cells.get(name, "")) for name in VALUE_FIELDS]


def _number(cell: str) -> float:
    if cell in _UNKNOWN:
        return math.nan
    if not _NUMBER.fullmatch(cell):
        raise _Unreadable("unreadable_number")
    return float(cell)
