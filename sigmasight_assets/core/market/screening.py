"""Which bars are refused, and why (methodology, section 1: prices, suspicious prices).

Refused here means impossible. What is only improbable is kept, and flagged in `warnings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.bars import PRICE_FIELDS, VALUE_FIELDS, take
from sigmasight_assets.core.market.source import Outcome, PriceBars, RejectedBar

Bools = NDArray[np.bool_]

DUPLICATE: Final = "duplicate"


def screen(bars: PriceBars) -> tuple[PriceBars, tuple[RejectedBar, ...]]:
    """Good bars sorted by symbol and date, and the refused ones with a reason word each.

    Takes bars in any order, with `symbols` in any order. NaN is unknown and no fault, as long
    as close or adj_close is there. The first reason that applies is given, in the order of
    `_faults`: not_a_session, no_price, non_finite_price, zero_price, negative_price,
    high_below_low, bad_volume. Among the bars that pass, equal ones of one symbol and date are
    one bar; contradictory ones are all refused as duplicate, since none is more credible.
    """
    bars = _sorted(bars)
    good = np.ones(len(bars), dtype=bool)
    rejected: list[RejectedBar] = []
    for reason, faulty in _faults(bars):
        refused = good & faulty
        if refused.any():
            rejected += _listed(bars, refused, reason)
            good &= ~faulty
    if rejected:
        bars = take(bars, good)
    bars, contradictory = _without_duplicates(bars)
    return bars, sorted_rejections([*rejected, *contradictory])


def outcomes(
    asked: Iterable[str], bars: PriceBars, rejected: Iterable[RejectedBar]
) -> dict[str, Outcome]:
    """What became of each symbol asked for, from the screened bars and the refused ones."""
    priced = {bars.symbols[number] for number in np.unique(bars.symbol).tolist()}
    refused = {bar.symbol for bar in rejected}

    def outcome(symbol: str) -> Outcome:
        if symbol in priced:
            return Outcome.ROWS
        return Outcome.REJECTED if symbol in refused else Outcome.NO_DATA

    return {symbol: outcome(symbol) for symbol in asked}


def sorted_rejections(rejected: Iterable[RejectedBar]) -> tuple[RejectedBar, ...]:
    """Refused bars sorted by symbol, date and reason."""
    return tuple(sorted(rejected, key=lambda bar: (bar.symbol, bar.date, bar.reason)))


def _faults(bars: PriceBars) -> Iterator[tuple[str, Bools]]:
    """Reason words with the bars they apply to, in order of precedence."""
    # Bars of a one-series source hold the same array twice; once is enough.
    prices = list({id(column): column for column in _columns(bars, PRICE_FIELDS)}.values())
    days = sessions.all_sessions().astype(np.int64)
    # The table method is linear; the default would sort millions of dates.
    yield "not_a_session", ~np.isin(bars.date.astype(np.int64), days, kind="table")
    yield "no_price", np.isnan(bars.close) & np.isnan(bars.adj_close)
    yield "non_finite_price", _any(np.isinf(price) for price in prices)
    yield "zero_price", _any(price == 0 for price in prices)
    yield "negative_price", _any(price < 0 for price in prices)
    yield "high_below_low", bars.high < bars.low
    yield "bad_volume", (bars.volume < 0) | np.isinf(bars.volume)


def _columns(bars: PriceBars, names: Iterable[str]) -> list[NDArray[np.float64]]:
    return [getattr(bars, name) for name in names]


def _any(masks: Iterator[Bools]) -> Bools:
    return reduce(np.logical_or, masks)


def _listed(bars: PriceBars, refused: Bools, reason: str) -> list[RejectedBar]:
    names = [bars.symbols[number] for number in bars.symbol[refused].tolist()]
    days = sessions.as_dates(bars.date[refused])
    return [RejectedBar(name, day, reason) for name, day in zip(names, days, strict=True)]


def _key(bars: PriceBars) -> NDArray[np.int64]:
    """An integer that sorts as (symbol, date) does."""
    key: NDArray[np.int64] = (bars.symbol.astype(np.int64) << 32) + bars.date.astype(np.int64)
    return key


def _sorted(bars: PriceBars) -> PriceBars:
    """The same bars with `symbols` sorted and distinct, sorted by symbol and date."""
    names = tuple(sorted(set(bars.symbols)))
    if names != bars.symbols:
        numbers = {name: number for number, name in enumerate(names)}
        renumbered = np.array([numbers[name] for name in bars.symbols], dtype=np.int32)
        values: dict[str, Any] = {name: getattr(bars, name) for name in VALUE_FIELDS}
        bars = PriceBars(names, renumbered[bars.symbol], bars.date, **values)
    key = _key(bars)
    if np.all(key[1:] >= key[:-1]):
        return bars
    return take(bars, np.argsort(key, kind="stable"))


def _without_duplicates(bars: PriceBars) -> tuple[PriceBars, list[RejectedBar]]:
    """Equal bars of one symbol and date made one, contradictory ones refused; input sorted."""
    key = _key(bars)
    repeats = np.concatenate([[False], key[1:] == key[:-1]])
    if not repeats.any():
        return bars, []
    before = np.flatnonzero(repeats) - 1
    differs = np.zeros(len(bars), dtype=bool)
    for column in _columns(bars, VALUE_FIELDS):
        one, other = column[before], column[before + 1]
        differs[before + 1] |= (one != other) & ~(np.isnan(one) & np.isnan(other))
    contradictory = np.isin(key, key[differs])
    good = ~repeats & ~contradictory
    return take(bars, good), _listed(bars, contradictory, DUPLICATE)
