"""Building and cutting `PriceBars`: the array work that every source shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.market.source import PriceAnswer, PriceBars

PRICE_FIELDS: Final = ("open", "high", "low", "close", "adj_close")
VALUE_FIELDS: Final = (*PRICE_FIELDS, "volume")

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]


def unknown(count: int) -> Floats:
    """A read-only column of `count` NaN that occupies one cell."""
    return np.broadcast_to(np.float64(np.nan), (count,))


def make_bars(
    symbols: tuple[str, ...], symbol: NDArray[Any], date: NDArray[Any], **values: Floats
) -> PriceBars:
    """Bars from the columns that a source has; the absent ones are unknown."""
    columns = {name: values.get(name, unknown(len(symbol))) for name in VALUE_FIELDS}
    return PriceBars(symbols, symbol.astype(np.int32, copy=False), date, **columns)


def take(bars: PriceBars, rows: NDArray[Any]) -> PriceBars:
    """The bars of a boolean mask or of row numbers, in that order."""
    columns = {name: getattr(bars, name)[rows] for name in VALUE_FIELDS}
    return PriceBars(bars.symbols, bars.symbol[rows], bars.date[rows], **columns)


def without(answer: PriceAnswer, symbols: Collection[str]) -> PriceAnswer:
    """The answer as if it had not been asked for some symbols."""
    if not symbols:
        return answer
    bars = answer.bars
    stays = np.array([symbol not in symbols for symbol in bars.symbols], dtype=bool)
    kept = stays[bars.symbol] if len(bars) else np.empty(0, dtype=bool)
    actions = answer.actions
    return replace(
        answer,
        bars=take(bars, kept),
        outcomes={name: told for name, told in answer.outcomes.items() if name not in symbols},
        rejected=tuple(bar for bar in answer.rejected if bar.symbol not in symbols),
        actions=None if actions is None else tuple(a for a in actions if a.symbol not in symbols),
    )


def join(parts: Mapping[str, Columns]) -> PriceBars:
    """One set of bars from each symbol's own columns: `date` and any of the values.

    Symbols come out sorted; within a symbol rows keep their order.
    """
    symbols = tuple(sorted(parts))
    counts = [len(parts[symbol]["date"]) for symbol in symbols]
    columns = {
        name: np.concatenate(
            [parts[s].get(name, unknown(n)) for s, n in zip(symbols, counts, strict=True)]
            or [np.empty(0)]
        )
        for name in VALUE_FIELDS
    }
    dates = [parts[symbol]["date"] for symbol in symbols] or [np.empty(0, "datetime64[D]")]
    number = np.repeat(np.arange(len(symbols)), counts)
    return make_bars(symbols, number, np.concatenate(dates), **columns)
