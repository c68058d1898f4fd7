"""Which prices of a snapshot are old or absent (methodology, section 4, Price on t)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.risk.valuation import BookValue, PricedBook
from sigmasight_assets.core.sessions import all_sessions
from sigmasight_assets.core.shapes.book import Days
from sigmasight_assets.core.shapes.panel import Bools


def missing_symbols(priced: PricedBook, today: BookValue) -> NDArray[Any]:
    """[{"symbol", "reason"}] of each portfolio, sorted by symbol, distinct; (P,) object array.

    reason: "stale" or "at_cost", the latter where lots of one symbol have both. An option that
    expired on t without a recent close to settle at is listed on t.
    """
    lots, symbols = priced.lots, priced.lots.symbols
    is_open = today.valuation.is_open
    expired = (lots.exit_session == today.session) & (lots.inception < today.session)
    at_cost = (is_open & today.prices.at_cost) | (expired & lots.settled_at_cost)
    stale = (is_open & today.prices.stale) | (expired & lots.settled_stale)
    found: list[dict[str, str]] = [{} for _ in range(len(priced.inception))]
    for reason, flagged in (("stale", stale), ("at_cost", at_cost)):
        for lot in np.flatnonzero(flagged):
            found[priced.book.lots.portfolio[lot]][symbols.names[symbols.symbol[lot]]] = reason
    documents = np.empty(len(found), dtype=object)
    for p, reasons in enumerate(found):
        documents[p] = [{"symbol": name, "reason": reasons[name]} for name in sorted(reasons)]
    return documents


def price_dates(priced: PricedBook, today: BookValue) -> Days:
    """The newest session among the closes each portfolio's open lots use, NaT for none. (P,)."""
    used: Bools = today.valuation.is_open & (today.prices.age >= 0)
    newest = np.full(len(priced.inception), -1, dtype=np.int64)
    session = today.session - today.prices.age[used]
    np.maximum.at(newest, priced.book.lots.portfolio[used], session)
    return np.where(newest >= 0, all_sessions()[newest], np.datetime64("NaT"))
