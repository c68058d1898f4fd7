"""Dividends that lots are paid, or pay when short (methodology, section 4, Dividends)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.lots import EffectiveLots
from sigmasight_assets.core.risk.splits import SPAN
from sigmasight_assets.core.sessions import session_number
from sigmasight_assets.core.shapes.book import Book, Ints, Texts
from sigmasight_assets.core.shapes.panel import Floats, locate


@dataclass(frozen=True)
class DividendPayments:
    """K payments after inception, sorted by lot, then ex-date.

    portfolio: (K,) index into Portfolios. session: (K,) calendar position of the ex-date.
    amount: (K,) USD, negative where a short pays.
    """

    portfolio: Ints
    session: Ints
    amount: Floats


def dividend_payments(book: Book, lots: EffectiveLots) -> DividendPayments:
    """Every dividend of every PUBLIC lot: the amount x the effective quantity held on s-1.

    s is the first session on or after the ex-date. The lot was held on s-1 when
    entry_session < s <= exit_session, and s counts when it is after inception.
    """
    symbol, session, dividend = _dividends(book, lots.symbols.names)
    key = symbol * SPAN + session
    after = np.maximum(lots.inception, lots.entry_session)
    first = np.searchsorted(key, lots.symbols.symbol * SPAN + after, side="right")
    stop = np.searchsorted(key, lots.symbols.symbol * SPAN + lots.exit_session, side="right")
    count = np.where(book.lots.is_public, np.maximum(stop - first, 0), 0)
    lot = np.repeat(np.arange(len(count)), count)
    nth = np.arange(len(lot)) - np.repeat(np.cumsum(count) - count, count)
    payment = first[lot] + nth
    return DividendPayments(
        portfolio=book.lots.portfolio[lot],
        session=session[payment],
        amount=dividend[payment] * lots.quantity[lot],
    )


def _dividends(book: Book, names: Texts) -> tuple[Ints, Ints, Floats]:
    """The dividends among the actions: symbol as numbered in `names`, session, USD per share."""
    actions = book.actions
    symbol = locate(tuple(names), actions.symbol)
    rows = np.flatnonzero((symbol >= 0) & np.isfinite(actions.dividend))
    return symbol[rows], session_number(actions.ex_date[rows]), actions.dividend[rows]
