"""Lots as they count: sessions of entry and exit, splits, and options closed at their expiry.

Methodology, section 4: Lots, Dating, Splits, Options. A lot is open on t when
entry_session <= t < exit_session. Nothing here depends on the session being computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.expiries import settle_expiries
from sigmasight_assets.core.risk.last_closes import LastCloses
from sigmasight_assets.core.risk.numbered_symbols import NumberedSymbols, number_symbols
from sigmasight_assets.core.risk.splits import SplitHistory, split_history
from sigmasight_assets.core.sessions import session_number
from sigmasight_assets.core.shapes.book import Book, Days, Ints, Lots
from sigmasight_assets.core.shapes.panel import Bools, Floats


@dataclass(frozen=True)
class EffectiveLots:
    """The lots of a book on the basis of its prices; arrays of shape (N,) unless said otherwise.

    inception, entry_session, exit_session: calendar positions, the exit of an open lot past the
    calendar's end. quantity: signed, split-adjusted. units: quantity x multiplier. entry_price,
    exit_price: USD, split-adjusted, exit NaN where there is none. settled_stale, settled_at_cost:
    expiries without a recent close to settle at.
    """

    symbols: NumberedSymbols
    inception: Ints
    entry_session: Ints
    exit_session: Ints
    quantity: Floats
    units: Floats
    entry_price: Floats
    exit_price: Floats
    settled_stale: Bools
    settled_at_cost: Bools

    def open_on(self, session: Ints | int) -> Bools:
        """Whether each lot is held at the close of a session (one for all, or one per lot)."""
        return (self.entry_session <= session) & (session < self.exit_session)


def effective_lots(book: Book, closes: LastCloses) -> EffectiveLots:
    """The lots of a book, split-adjusted, with expiries settled from the closes of a panel."""
    lots = book.lots
    symbols = number_symbols(lots, closes.panel.symbols)
    splits = split_history(book.actions, symbols.names)
    entry_session, exit_session = session_number(lots.entry_date), session_number(lots.exit_date)
    factor = _splits_since(lots, symbols, splits, lots.recorded_on)
    exit_recorded_on = np.where(
        np.isnat(lots.exit_recorded_on), lots.recorded_on, lots.exit_recorded_on
    )
    exit_price = lots.exit_price / _splits_since(lots, symbols, splits, exit_recorded_on)
    expiries = settle_expiries(lots, symbols, entry_session, splits, closes)
    exit_session[expiries.lot], exit_price[expiries.lot] = expiries.session, expiries.price
    quantity = lots.quantity * factor
    return EffectiveLots(
        symbols=symbols,
        inception=session_number(book.portfolios.inception)[lots.portfolio],
        entry_session=entry_session,
        exit_session=exit_session,
        quantity=quantity,
        units=quantity * lots.multiplier,
        entry_price=lots.entry_price / factor,
        exit_price=exit_price,
        settled_stale=_among_all(expiries.lot, expiries.stale, len(lots)),
        settled_at_cost=_among_all(expiries.lot, expiries.at_cost, len(lots)),
    )


def _splits_since(
    lots: Lots, symbols: NumberedSymbols, splits: SplitHistory, recorded_on: Days
) -> Floats:
    """The product of the splits after each figure was recorded; only shares split."""
    return np.where(lots.is_public, splits.factor_after(symbols.symbol, recorded_on), 1.0)


def _among_all(lot: Ints, flag: Bools, size: int) -> Bools:
    """Flags of some lots as flags of all, false elsewhere."""
    flags = np.zeros(size, dtype=np.bool_)
    flags[lot] = flag
    return flags
