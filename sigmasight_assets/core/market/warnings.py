"""Prices that are kept but look wrong (methodology, section 1, suspicious prices)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.source import ActionType, CorporateAction
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats, PricePanel, locate

LOWEST_RATIO: Final = 0.55
HIGHEST_RATIO: Final = 1.8
FROZEN_CLOSES: Final = 10

TOLERATED: Final = 0.05
"""How far the ratio of the ratios may be from what a recorded dividend makes of it."""


def price_warnings(
    panel: PricePanel, first: date, last: date, actions: Collection[CorporateAction] = ()
) -> Columns:
    """Rows of price_warnings for the sessions from first to last, by symbol, date and type.

    frozen: the ten closes ending at t are all there and equal; value is 10. A longer standstill
    is flagged on each further session, still with 10: counting on would make a row depend on how
    far back the panel reaches.

    jump: close_t / close_{t-1} <= 0.55 or >= 1.8, both closes there, and no recorded split with
    an ex-date in (t-1, t]; value is the ratio.

    one_series_split: q, that ratio over the same ratio of adj_close, <= 0.55 or >= 1.8 with all
    four prices there: one of the two series was adjusted, the other was not. A recorded split is
    no excuse, since both series have to know it; a dividend of close to (1 - q) close_{t-1} is.
    value is q.

    A symbol may bear several warnings on one date. The panel holds the nine sessions before
    `first`, NaN where a symbol has no price; NaN is never equal to anything and never jumps. A
    value beyond the largest float64 is given as that.

    Raises:
        NotASession: if `first` is none.
        KeyError: if the panel lacks one of the sessions that are looked at.
    """
    start, stop = panel.row(sessions.offset(first, 1 - FROZEN_CLOSES)), panel.row(last) + 1
    close, adj_close = panel.close[start:stop], panel.adj_close[start:stop]
    days = panel.sessions[start:stop][FROZEN_CLOSES - 1 :]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        jump = _ratios(close)
        one_series_split = jump / _ratios(adj_close)
    splits = [each for each in actions if each.action_type is ActionType.SPLIT]
    dividends = [each for each in actions if each.action_type is ActionType.DIVIDEND]
    paid = _per_session(panel.symbols, days, dividends) / close[FROZEN_CLOSES - 2 : -1]
    flagged = {
        "frozen": _frozen(close),
        "jump": _beyond(jump) & (_per_session(panel.symbols, days, splits) == 0),
        "one_series_split": _beyond(one_series_split)
        & ~(np.abs(one_series_split - (1 - paid)) <= TOLERATED),
    }
    symbol, session, kind = np.nonzero(np.stack([mask.T for mask in flagged.values()], axis=-1))
    frozen = np.full(len(symbol), float(FROZEN_CLOSES))
    values = np.stack([frozen, jump[session, symbol], one_series_split[session, symbol]])
    return {
        "symbol": np.array(panel.symbols, dtype=object)[symbol],
        "date": days[session],
        "warning_type": np.array(list(flagged), dtype=object)[kind],
        "value": np.minimum(np.choose(kind, values), np.finfo(np.float64).max),
    }


def _ratios(prices: Floats) -> Floats:
    """Price over the price of the session before, from the tenth row on; NaN without both."""
    return prices[FROZEN_CLOSES - 1 :] / prices[FROZEN_CLOSES - 2 : -1]


def _beyond(ratio: Floats) -> Bools:
    return (ratio <= LOWEST_RATIO) | (ratio >= HIGHEST_RATIO)


def _frozen(close: Floats) -> Bools:
    """Whether the ten closes ending at each row are equal; from the tenth row on."""
    equal = close[1:] == close[:-1]
    count = len(close) - FROZEN_CLOSES + 1
    frozen = np.ones((count, close.shape[1]), dtype=bool)
    for lag in range(FROZEN_CLOSES - 1):
        frozen &= equal[lag : lag + count]
    return frozen


def _per_session(
    symbols: tuple[str, ...], days: sessions.Sessions, actions: Collection[CorporateAction]
) -> Floats:
    """The sum of the actions' values that take effect on each (session, symbol)."""
    total = np.zeros((len(days), len(symbols)))
    if actions:
        column = locate(symbols, np.array([each.symbol for each in actions], dtype=str))
        # An ex-date on a closed day takes effect at the next session.
        dates = np.array([each.ex_date for each in actions], dtype="datetime64[D]")
        row = sessions.session_number(dates) - sessions.session_number(days[:1])
        known = (column >= 0) & (row >= 0) & (row < len(days))
        values = np.array([each.value for each in actions])
        np.add.at(total, (row[known], column[known]), values[known])
    return total
