"""What a ledger is kept from: portfolios as their owners recorded them, and the market.

Plain values in Decimal and `date`; nothing here knows how they are stored or computed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Valuation:
    """What the owner says a whole PRIVATE position is worth, signed, from a day on."""

    date: date
    market_value: Decimal


@dataclass(frozen=True)
class Position:
    """One lot as its owner recorded it. investment_class: PUBLIC, OPTIONS or PRIVATE."""

    id: str
    symbol: str
    investment_class: str
    quantity: Decimal
    entry_price: Decimal
    entry_date: date
    recorded_on: date
    exit_price: Decimal | None = None
    exit_date: date | None = None
    exit_recorded_on: date | None = None
    underlying: str = ""
    strike: Decimal = Decimal(0)
    expiration: date = date.max
    is_call: bool = False
    valuations: tuple[Valuation, ...] = ()

    def stated_value(self, session: date) -> Decimal | None:
        if self.investment_class != "PRIVATE":
            return None
        known = [value for value in self.valuations if value.date <= session]
        return max(known, key=lambda value: value.date).market_value if known else None


@dataclass(frozen=True)
class Flow:
    """A contribution (+) or withdrawal (-)."""

    date: date
    amount: Decimal


@dataclass(frozen=True)
class Split:
    """ratio: new shares per old."""

    symbol: str
    ex_date: date
    ratio: Decimal


@dataclass(frozen=True)
class Dividend:
    """amount: USD per share as the shares are counted today."""

    symbol: str
    ex_date: date
    amount: Decimal


@dataclass(frozen=True)
class Portfolio:
    id: str
    inception: date
    starting_equity: Decimal
    positions: tuple[Position, ...] = ()
    flows: tuple[Flow, ...] = ()


@dataclass(frozen=True)
class Market:
    """sessions: ascending, from the start of every look-back to beyond the last session asked."""

    sessions: tuple[date, ...]
    prices: Mapping[str, Mapping[date, Decimal]]
    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()
