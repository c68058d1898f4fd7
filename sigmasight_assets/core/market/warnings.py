"""Prices that are kept but look wrong: jumps and frozen closes (methodology, section 1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats, PricePanel, locate

LOWEST_RATIO: Final = 0.55
HIGHEST_RATIO: Final = 1.8
FROZEN_CLOSES: Final = 10


def price_warnings(
    panel: PricePanel, first: date, last: date, splits: Collection[tuple[str, date]] = ()
) -> Columns:
    """Rows of price_warnings for the sessions from first to last, sorted by symbol and date.

    jump: close_t / close_{t-1} <= 0.55 or >= 1.8, both closes there, and no recorded split with
    an ex-date in (t-1, t]; value is the ratio. frozen: the ten closes ending at t are all there
    and equal; value is 10. A longer standstill is flagged on each further session, still with
    10: counting on would make a row depend on how far back the panel reaches.

    splits: (symbol, ex-date) of every recorded split. The panel holds the nine sessions before
    `first`, NaN where a symbol has no close; NaN is never equal to anything and never jumps.

    Raises:
        NotASession: if `first` is none.
        KeyError: if the panel lacks one of the sessions that are looked at.
    """
    start, stop = panel.row(sessions.offset(first, 1 - FROZEN_CLOSES)), panel.row(last) + 1
    close = panel.close[start:stop]
    with np.errstate(over="ignore"):
        ratio = (close[1:] / close[:-1])[FROZEN_CLOSES - 2 :]
    days = panel.sessions[start:stop][FROZEN_CLOSES - 1 :]
    jumped = (ratio <= LOWEST_RATIO) | (ratio >= HIGHEST_RATIO)
    jumped &= ~_split(panel.symbols, days, splits)
    frozen = _frozen(close)
    symbol, session = np.nonzero((jumped | frozen).T)
    is_jump = jumped[session, symbol]
    return {
        "symbol": np.array(panel.symbols, dtype=object)[symbol],
        "date": days[session],
        "warning_type": np.where(is_jump, "jump", "frozen").astype(object),
        "value": np.where(is_jump, ratio[session, symbol], float(FROZEN_CLOSES)),
    }


def _frozen(close: Floats) -> Bools:
    """Whether the ten closes ending at each row are equal; from the tenth row on."""
    equal = close[1:] == close[:-1]
    count = len(close) - FROZEN_CLOSES + 1
    frozen = np.ones((count, close.shape[1]), dtype=bool)
    for lag in range(FROZEN_CLOSES - 1):
        frozen &= equal[lag : lag + count]
    return frozen


def _split(
    symbols: tuple[str, ...],
    days: sessions.Sessions,
    splits: Collection[tuple[str, date]],
) -> Bools:
    """Whether a split takes effect on each (session, symbol)."""
    effective = np.zeros((len(days), len(symbols)), dtype=bool)
    if splits:
        names, dates = zip(*splits, strict=True)
        column = locate(symbols, np.array(names, dtype=str))
        # An ex-date on a closed day takes effect at the next session.
        row = sessions.session_number(np.array(dates, dtype="datetime64[D]"))
        row = row - sessions.session_number(days[:1])
        known = (column >= 0) & (row >= 0) & (row < len(days))
        effective[row[known], column[known]] = True
    return effective
