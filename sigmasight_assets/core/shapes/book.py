"""What people own, as arrays: the inputs of every portfolio calculation.

Money arrives as float64 USD; it is rounded once, to 6 decimals, when results are stored.
Every array of lots is sorted by (portfolio, position id), and sums over lots run in that order,
so a result does not depend on which portfolios share the run.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.shapes.panel import Bools, Floats

Ints = NDArray[np.int64]
Days = NDArray[np.datetime64]
Texts = NDArray[Any]


@dataclass(frozen=True)
class Portfolios:
    """P portfolios, sorted by id.

    id: (P,) str. inception: (P,) datetime64[D], a session. starting_equity: (P,) USD.
    """

    id: Texts
    inception: Days
    starting_equity: Floats

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Lots:
    """N position rows, each a lot, sorted by (portfolio, position_id). Deleted rows are absent.

    portfolio: index into Portfolios. position_id, symbol: str.
    is_public, is_option, is_private: exactly one is true for each lot.
    multiplier: 100 for options, else 1. quantity: signed, short is negative.
    entry_price, exit_price: USD per share or contract unit, exit NaN while open.
    entry_date, exit_date: datetime64[D], any day; exit NaT while open.
    recorded_on, exit_recorded_on: the day those figures were recorded (splits with an ex-date
    after it apply); exit NaT while open, and where the exit was recorded with the entry.
    underlying: str, '' unless an option. strike: USD, NaN unless an option.
    expiration: datetime64[D], NaT unless an option. is_call: bool, False unless a call.
    """

    portfolio: Ints
    position_id: Texts
    symbol: Texts
    is_public: Bools
    is_option: Bools
    is_private: Bools
    multiplier: Floats
    quantity: Floats
    entry_price: Floats
    entry_date: Days
    exit_price: Floats
    exit_date: Days
    recorded_on: Days
    exit_recorded_on: Days
    underlying: Texts
    strike: Floats
    expiration: Days
    is_call: Bools

    def __len__(self) -> int:
        return len(self.portfolio)


@dataclass(frozen=True)
class Valuations:
    """Dated manual values of PRIVATE lots, sorted by (lot, date).

    lot: index into Lots. date: datetime64[D]. market_value: USD of the whole lot, signed.
    """

    lot: Ints
    date: Days
    market_value: Floats


@dataclass(frozen=True)
class CapitalFlows:
    """Contributions (+) and withdrawals (-), in (portfolio, id) order.

    portfolio: index into Portfolios. date: datetime64[D], any day. amount: USD, signed.
    """

    portfolio: Ints
    date: Days
    amount: Floats


@dataclass(frozen=True)
class CorporateActions:
    """Splits and dividends of the symbols held, sorted by (symbol, ex_date).

    Only actions with an ex-date not after the symbol's last stored session, and no dividends of
    symbols whose close is their adj_close (it already contains them).
    symbol: str. ex_date: datetime64[D]. split_ratio: new shares per old, NaN for a dividend.
    dividend: USD per (split-adjusted) share, NaN for a split.
    """

    symbol: Texts
    ex_date: Days
    split_ratio: Floats
    dividend: Floats


@dataclass(frozen=True)
class Book:
    """Everything that people state about their portfolios."""

    portfolios: Portfolios
    lots: Lots
    valuations: Valuations
    flows: CapitalFlows
    actions: CorporateActions

    def of_portfolios(self, first: int, last: int) -> Book:
        """The book of the portfolios from index `first` up to, and without, `last`."""
        lots = np.searchsorted(self.lots.portfolio, [first, last])
        values = np.searchsorted(self.valuations.lot, lots)
        flows = np.searchsorted(self.flows.portfolio, [first, last])
        own = _rows(self.lots, *lots)
        stated = _rows(self.valuations, *values)
        paid = _rows(self.flows, *flows)
        return Book(
            _rows(self.portfolios, first, last),
            replace(own, portfolio=own.portfolio - first),
            replace(stated, lot=stated.lot - lots[0]),
            replace(paid, portfolio=paid.portfolio - first),
            self.actions,
        )


@dataclass(frozen=True)
class Valuation:
    """The book at the prices of one session: what exposures, correlations and stress start from.

    Per lot, shape (N,): is_open; market_value (USD, signed, 0 for a lot that is not open);
    price (USD, NaN where not open). Per portfolio, shape (P,): exists (inception not after the
    session), net_asset_value (USD; NaN where it does not exist).
    """

    is_open: Bools
    market_value: Floats
    price: Floats
    exists: Bools
    net_asset_value: Floats


_Rows = TypeVar("_Rows", Portfolios, Lots, Valuations, CapitalFlows)


def _rows(shape: _Rows, first: int, last: int) -> _Rows:
    """Consecutive rows of a shape whose every field is an array."""
    return type(shape)(
        **{each.name: getattr(shape, each.name)[first:last] for each in fields(shape)}
    )
