"""Small books and price panels, written down as a person would, for the accounting tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from sigmasight_assets.core import sessions as nyse
from sigmasight_assets.core.risk.portfolio_snapshots import portfolio_snapshots
from sigmasight_assets.core.shapes.book import (
    Book,
    CapitalFlows,
    CorporateActions,
    Lots,
    Portfolios,
    Valuations,
)
from sigmasight_assets.core.shapes.factors import Profiles, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns, PricePanel

HISTORY = 290
"""Sessions that a panel holds before the first price written down."""

NOTHING_KNOWN = SymbolFactors((), np.empty((0, 12)), np.empty((0, 8)), np.empty(0))
NO_PROFILES = Profiles((), np.empty(0, dtype=object), np.empty(0, dtype=object))

Action = tuple[str, str, float]
"""Symbol, ex-date, and the split's ratio or the dividend per share."""


@dataclass(frozen=True)
class Lot:
    symbol: str
    quantity: float
    entry_price: float
    entry_date: str
    exit_price: float = np.nan
    exit_date: str = "NaT"
    kind: str = "PUBLIC"
    recorded_on: str = ""
    exit_recorded_on: str = "NaT"
    underlying: str = ""
    strike: float = np.nan
    expiration: str = "NaT"
    is_call: bool = False
    values: Mapping[str, float] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True)
class Owner:
    """A portfolio; lots without an id are numbered in the order given."""

    equity: float
    inception: str
    lots: Sequence[Lot] = ()
    flows: Sequence[tuple[str, float]] = ()
    id: str = "p"


def option(
    symbol: str, quantity: float, price: float, entered: str, *, is_call: bool, strike: float,
    expiration: str, underlying: str = "STOCK", **exit_terms: float | str,
) -> Lot:  # fmt: skip
    return Lot(
        symbol, quantity, price, entered, kind="OPTIONS", underlying=underlying, strike=strike,
        expiration=expiration, is_call=is_call, **exit_terms,  # type: ignore[arg-type]
    )  # fmt: skip


def private(
    symbol: str, quantity: float, price: float, entered: str, values: Mapping[str, float]
) -> Lot:
    return Lot(symbol, quantity, price, entered, kind="PRIVATE", values=values)


def make_book(
    *owners: Owner, splits: Sequence[Action] = (), dividends: Sequence[Action] = ()
) -> Book:
    ordered = sorted(owners, key=lambda owner: owner.id)
    rows = sorted(
        (
            (index, lot.id or f"{number:06d}", lot)
            for index, owner in enumerate(ordered)
            for number, lot in enumerate(owner.lots)
        ),
        key=lambda row: row[:2],
    )
    lots = [row[2] for row in rows]
    return Book(
        Portfolios(
            np.array([owner.id for owner in ordered], dtype=object),
            _days([owner.inception for owner in ordered]),
            np.array([owner.equity for owner in ordered], dtype=float),
        ),
        _lots(lots, [row[0] for row in rows], [row[1] for row in rows]),
        _valuations(lots),
        _flows(ordered),
        _actions(splits, dividends),
    )


def make_panel(prices: Mapping[str, Mapping[str, float]], last: str = "") -> PricePanel:
    """Closes by symbol and day, from 290 sessions before the first day to the last one."""
    written = sorted({text for closes in prices.values() for text in closes} | ({last} - {""}))
    days = nyse.between(
        nyse.offset(date.fromisoformat(written[0]), -HISTORY), date.fromisoformat(written[-1])
    )
    symbols = tuple(sorted(prices))
    close = np.full((len(days), len(symbols)), np.nan)
    for column, symbol in enumerate(symbols):
        for text, price in prices[symbol].items():
            close[np.searchsorted(days, np.datetime64(text)), column] = price
    return PricePanel(symbols, days, close, close.copy())


def rows_on(
    book: Book, panel: PricePanel, session: str,
    factors: SymbolFactors = NOTHING_KNOWN, profiles: Profiles = NO_PROFILES,
) -> Columns:  # fmt: skip
    return portfolio_snapshots(book, panel, date.fromisoformat(session), factors, profiles)


def only_row(columns: Columns) -> dict[str, object]:
    """The one row as plain values."""
    assert all(len(values) == 1 for values in columns.values())
    return {name: values[0] for name, values in columns.items()}


def _days(texts: Sequence[str]) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def _lots(lots: Sequence[Lot], portfolio: Sequence[int], ids: Sequence[str]) -> Lots:
    def floats(name: str) -> np.ndarray:
        return np.array([getattr(lot, name) for lot in lots], dtype=float)

    def texts(name: str) -> np.ndarray:
        return np.array([getattr(lot, name) for lot in lots], dtype=object)

    kind = np.array([lot.kind for lot in lots], dtype="U8")
    return Lots(
        portfolio=np.array(portfolio, dtype=np.int64),
        position_id=np.array(ids, dtype=object),
        symbol=texts("symbol"),
        is_public=kind == "PUBLIC",
        is_option=kind == "OPTIONS",
        is_private=kind == "PRIVATE",
        multiplier=np.where(kind == "OPTIONS", 100.0, 1.0),
        quantity=floats("quantity"),
        entry_price=floats("entry_price"),
        entry_date=_days([lot.entry_date for lot in lots]),
        exit_price=floats("exit_price"),
        exit_date=_days([lot.exit_date for lot in lots]),
        recorded_on=_days([lot.recorded_on or lot.entry_date for lot in lots]),
        exit_recorded_on=_days([lot.exit_recorded_on for lot in lots]),
        underlying=texts("underlying"),
        strike=floats("strike"),
        expiration=_days([lot.expiration for lot in lots]),
        is_call=np.array([lot.is_call for lot in lots], dtype=bool),
    )


def _valuations(lots: Sequence[Lot]) -> Valuations:
    stated = [
        (index, text, lot.values[text])
        for index, lot in enumerate(lots)
        for text in sorted(lot.values)
    ]
    return Valuations(
        np.array([row[0] for row in stated], dtype=np.int64),
        _days([row[1] for row in stated]),
        np.array([row[2] for row in stated], dtype=float),
    )


def _flows(owners: Sequence[Owner]) -> CapitalFlows:
    flows = [(index, *flow) for index, owner in enumerate(owners) for flow in owner.flows]
    return CapitalFlows(
        np.array([row[0] for row in flows], dtype=np.int64),
        _days([row[1] for row in flows]),
        np.array([row[2] for row in flows], dtype=float),
    )


def _actions(splits: Sequence[Action], dividends: Sequence[Action]) -> CorporateActions:
    rows = sorted(
        [(symbol, text, ratio, np.nan) for symbol, text, ratio in splits]
        + [(symbol, text, np.nan, amount) for symbol, text, amount in dividends],
        key=lambda row: row[:2],
    )
    return CorporateActions(
        np.array([row[0] for row in rows], dtype=object),
        _days([row[1] for row in rows]),
        np.array([row[2] for row in rows], dtype=float),
        np.array([row[3] for row in rows], dtype=float),
    )
