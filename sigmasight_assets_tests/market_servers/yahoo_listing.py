"""One symbol as a Yahoo server knows it, and what a company does to it between two nights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close", "adj_close")
FIRST_DAY, LAST_DAY = "1970-01-01", "2079-12-31"


@dataclass(frozen=True)
class Listing:
    """Bars and actions of a symbol. NaN is written as null; an absent adj_close is left out.

    date: in any order, one per bar. splits: (new shares, old shares) by ex-date.
    """

    symbol: str
    date: Days
    close: Floats
    adj_close: Floats | None = None
    open: Floats | None = None
    high: Floats | None = None
    low: Floats | None = None
    volume: Floats | None = None
    currency: str | None = "USD"
    quote_type: str = "EQUITY"
    dividends: Mapping[date, float] = field(default_factory=dict)
    capital_gains: Mapping[date, float] = field(default_factory=dict)
    splits: Mapping[date, tuple[float, float]] = field(default_factory=dict)

    def after_split(self, ex_date: date, new: float, old: float = 1.0) -> Listing:
        """The history restated as if the shares had always been the new ones."""
        ratio, before = new / old, self.date < np.datetime64(ex_date)
        columns = {name: _scaled(getattr(self, name), before, 1 / ratio) for name in PRICES}
        columns["volume"] = _scaled(self.volume, before, ratio)
        paid = {day: amount / ratio if day < ex_date else amount for day, amount in self.paid()}
        splits = {**self.splits, ex_date: (new, old)}
        return replace(self, **columns, dividends=paid, splits=splits)

    def after_dividend(self, ex_date: date, amount: float) -> Listing:
        """The history restated for cash paid: earlier adjusted closes shrink."""
        before = self.date < np.datetime64(ex_date)
        factor = 1 - amount / self.close[before][-1]
        adjusted = _scaled(self.adj_close, before, factor)
        return replace(self, adj_close=adjusted, dividends={**self.dividends, ex_date: amount})

    def without_last_day(self) -> Listing:
        """The newest bar is not there yet."""
        return replace(self, date=self.date[:-1], **self._columns(lambda column: column[:-1]))

    def with_last_day_null(self) -> Listing:
        """The newest bar is there, and says nothing."""
        return replace(self, **self._columns(lambda column: np.append(column[:-1], np.nan)))

    def paid(self) -> list[tuple[date, float]]:
        return sorted(self.dividends.items())

    def _columns(self, changed) -> dict[str, Floats]:
        names = (*PRICES, "volume")
        return {n: changed(getattr(self, n)) for n in names if getattr(self, n) is not None}


def _scaled(column: Floats | None, where: NDArray[np.bool_], factor: float) -> Floats | None:
    return None if column is None else np.where(where, column * factor, column)


def listing(symbol: str, days: Sequence[date | str], close: Sequence[float], **given) -> Listing:
    """A listing of one close per day; adj_close is the close unless given, other columns absent."""
    columns = {name: np.array(given.pop(name), dtype=float) for name in PRICES if name in given}
    if "volume" in given:
        columns["volume"] = np.array(given.pop("volume"), dtype=float)
    closes = np.array(close, dtype=float)
    columns.setdefault("adj_close", closes)
    return Listing(symbol, np.array(days, dtype="datetime64[D]"), closes, **columns, **given)


def listings_from_parquet(
    path: Path, symbols: Sequence[str] | None, first: date, last: date
) -> list[Listing]:
    """Real prices of a file in long form; its one series is the close too."""
    wanted = [("date", ">=", first), ("date", "<=", last)]
    if symbols is not None:
        wanted.append(("symbol", "in", list(symbols)))
    table = pq.read_table(path, columns=["symbol", "date", "adj_close"], filters=wanted)
    named = table["symbol"].cast(pa.string()).combine_chunks().dictionary_encode()
    names, numbers = named.dictionary.to_pylist(), named.indices.to_numpy()
    days = table["date"].to_numpy().astype("datetime64[D]")
    order = np.lexsort((days, numbers))
    numbers, days = numbers[order], days[order]
    closes = table["adj_close"].to_numpy().astype(np.float64)[order]
    ends = np.append(np.flatnonzero(np.diff(numbers)) + 1, len(numbers))
    starts = np.concatenate([[0], ends[:-1]])
    return [
        Listing(names[numbers[start]], days[start:end], closes[start:end], closes[start:end])
        for start, end in zip(starts, ends, strict=True)
    ]


def opening_instants(days: Days) -> NDArray[np.int64]:
    """Seconds of 09:30 New York on each day."""
    return _openings()[days.astype(np.int64)]


@cache
def _openings() -> NDArray[np.int64]:
    """The same for every day of the epoch: one table serves all listings."""
    mornings = pd.date_range(FIRST_DAY, LAST_DAY) + pd.Timedelta(hours=9, minutes=30)
    return mornings.tz_localize("America/New_York").as_unit("s").asi8
