"""Prices that a person has: one Parquet file, or a folder of CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from sigmasight_assets.core.errors import PriceFileUnreadable
from sigmasight_assets.core.market.csv_prices import CsvPrices
from sigmasight_assets.core.market.parquet_prices import ParquetPrices
from sigmasight_assets.core.market.price_columns import FileContents
from sigmasight_assets.core.market.screening import outcomes, screen, sorted_rejections
from sigmasight_assets.core.market.source import PriceAnswer, PriceBars
from sigmasight_assets.core.symbols import canonical, sorted_symbols


class FilesSource:
    """Daily bars from `path`: a Parquet file in long form, or a folder of `<SYMBOL>.csv`.

    Nothing is read before the first question, and nothing is kept between two: the file may be
    replaced while the source lives.
    """

    name = "files"
    metered = False
    symbols_per_fetch = 2_000

    def __init__(self, path: Path) -> None:
        self.path = path

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        """Bars of the symbols for the sessions from first to last, both included.

        Symbols are asked for, and answered, in any spelling of their stored form. A symbol with
        one of close and adj_close in the whole file gets both from it (methodology, section 1).

        Raises:
            PriceFileUnreadable: naming the file and what is wrong with it.
        """
        asked = sorted_symbols(canonical(symbol) for symbol in symbols)
        contents = self._open().read(asked, first, last)
        bars, refused = screen(_on_one_basis(contents))
        rejected = sorted_rejections([*contents.rejected, *refused])
        answered = outcomes(asked, bars, rejected)
        single = contents.without_close ^ contents.without_adj_close
        return PriceAnswer(self.name, bars, answered, rejected, single)

    def listed_symbols(self) -> tuple[str, ...]:
        """Every symbol of the file or folder, sorted.

        Raises:
            PriceFileUnreadable: naming the file and what is wrong with it.
        """
        return sorted_symbols(self._open().symbols())

    def _open(self) -> ParquetPrices | CsvPrices:
        try:
            self.path.stat()
            return CsvPrices(self.path) if self.path.is_dir() else ParquetPrices(self.path)
        except OSError as error:
            raise PriceFileUnreadable(f"{self.path}: {error.strerror}") from error


def _on_one_basis(contents: FileContents) -> PriceBars:
    """The bars with both series filled from the one there is, symbol by symbol."""
    bars = contents.bars
    no_close = np.array([s in contents.without_close for s in bars.symbols], dtype=bool)
    no_adj_close = np.array([s in contents.without_adj_close for s in bars.symbols], dtype=bool)
    if no_close.all():
        return replace(bars, close=bars.adj_close)
    if no_adj_close.all():
        return replace(bars, adj_close=bars.close)
    close = np.where(no_close[bars.symbol], bars.adj_close, bars.close)
    adj_close = np.where(no_adj_close[bars.symbol], bars.close, bars.adj_close)
    return replace(bars, close=close, adj_close=adj_close)
