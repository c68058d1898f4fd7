"""The price used for each lot on a session (methodology, section 4, Price on t).

PUBLIC and OPTIONS: the stored close of t, else the last earlier one. PRIVATE: the latest stated
value dated on or before t. Without either, the effective entry price ("at cost").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.last_closes import STALE_AFTER, LastCloses
from sigmasight_assets.core.risk.lots import EffectiveLots
from sigmasight_assets.core.risk.splits import SPAN, day_number
from sigmasight_assets.core.sessions import all_sessions
from sigmasight_assets.core.shapes.book import Book, Ints
from sigmasight_assets.core.shapes.panel import Bools, Floats


@dataclass(frozen=True)
class PositionPrices:
    """Prices used for N lots, each on a session of its own, whether the lot is open or not.

    price: (N,) USD per share or contract unit, never NaN. market_value: (N,) USD, signed.
    age: (N,) sessions since the close used, -1 where no close was used. stale: (N,) the close is
    more than 5 sessions old. at_cost: (N,) never priced.
    """

    price: Floats
    market_value: Floats
    age: Ints
    stale: Bools
    at_cost: Bools


def position_prices(
    book: Book, lots: EffectiveLots, closes: LastCloses, session: Ints
) -> PositionPrices:
    """The price used for every lot on its session. session: (N,) calendar positions."""
    close, age = closes.at(np.where(book.lots.is_private, -1, lots.symbols.column), session)
    stated = _stated_values(book, session)
    price = np.where(age >= 0, close, np.where(np.isnan(stated), lots.entry_price, np.nan))
    valued = np.isnan(price)
    price[valued] = stated[valued] / lots.units[valued]
    return PositionPrices(
        price=price,
        market_value=np.where(valued, stated, lots.units * price),
        age=age,
        stale=age > STALE_AFTER,
        at_cost=(age < 0) & ~valued,
    )


def _stated_values(book: Book, session: Ints) -> Floats:
    """The latest value stated for each PRIVATE lot on or before its session, NaN without one."""
    lots, valuations = book.lots, book.valuations
    value = np.full(len(lots), np.nan)
    private = np.flatnonzero(lots.is_private)
    key = valuations.lot * SPAN + day_number(valuations.date)
    wanted = private * SPAN + day_number(all_sessions()[session[private]])
    latest = np.searchsorted(key, wanted, side="right") - 1
    within = np.flatnonzero(latest >= 0)
    stated = within[valuations.lot[latest[within]] == private[within]]
    value[private[stated]] = valuations.market_value[latest[stated]]
    return value
