"""Options closed in cash at their expiry (methodology, section 4, Options)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.last_closes import STALE_AFTER, LastCloses
from sigmasight_assets.core.risk.numbered_symbols import NumberedSymbols
from sigmasight_assets.core.risk.splits import SplitHistory
from sigmasight_assets.core.sessions import all_sessions, session_number
from sigmasight_assets.core.shapes.book import Ints, Lots
from sigmasight_assets.core.shapes.panel import Bools, Floats


@dataclass(frozen=True)
class Expiries:
    """The K option lots that no owner exited.

    lot: (K,) index into Lots. session: (K,) calendar position of the settlement.
    price: (K,) USD per contract unit; meaningless where the session is outside the panel, which
    no computed session reaches. stale, at_cost: (K,) what the price had to fall back on.
    """

    lot: Ints
    session: Ints
    price: Floats
    stale: Bools
    at_cost: Bools


def settle_expiries(
    lots: Lots,
    symbols: NumberedSymbols,
    entry_session: Ints,
    splits: SplitHistory,
    closes: LastCloses,
) -> Expiries:
    """Settlement of every option without an owner's exit, at intrinsic value.

    The session is the last one on or before the expiration, but not before the entry. The
    underlying's close there (or its last earlier one) is multiplied back by the splits after that
    session: the price at which it traded meets the strike. Without any close of the underlying
    the option's own last close serves (stale), else its entry price (at cost). Only closes up to
    the settlement session are looked at. entry_session: (N,).
    """
    lot = np.flatnonzero(lots.is_option & np.isnat(lots.exit_date) & ~np.isnat(lots.expiration))
    last_day_session = session_number(lots.expiration[lot] + np.timedelta64(1, "D")) - 1
    session = np.maximum(last_day_session, entry_session[lot])
    spot, age = closes.at(symbols.underlying_column[lot], session)
    as_traded = spot * splits.factor_after(symbols.underlying[lot], all_sessions()[session])
    own, own_age = closes.at(symbols.column[lot], session)
    priced, own_priced = age >= 0, own_age >= 0
    fallback = np.where(own_priced, own, lots.entry_price[lot])
    return Expiries(
        lot=lot,
        session=session,
        price=np.where(priced, _intrinsic(lots, lot, as_traded), fallback),
        stale=np.where(priced, age > STALE_AFTER, own_priced),
        at_cost=~priced & ~own_priced,
    )


def _intrinsic(lots: Lots, lot: Ints, spot: Floats) -> Floats:
    """max(S - K, 0) of a call, max(K - S, 0) of a put."""
    above = spot - lots.strike[lot]
    return np.maximum(np.where(lots.is_call[lot], above, -above), 0.0)
