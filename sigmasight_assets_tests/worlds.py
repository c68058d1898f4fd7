"""Seeded invented worlds: the same portfolios and market as ledger inputs and as arrays.

Every number is drawn as a float with a short text and carried into Decimal by that text, so both
sides start from the same figures. Prices, splits and P&L are not meant to look like a market:
they are meant to meet every rule of the accounting, alone and together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core import sessions as nyse
from sigmasight_assets.core.shapes import book as arrays
from sigmasight_assets.core.shapes.panel import PricePanel
from sigmasight_assets_tests.book_arrays import book_of
from sigmasight_assets_tests.ledger_inputs import (
    Dividend,
    Flow,
    Market,
    Portfolio,
    Position,
    Split,
    Valuation,
)

LOOK_BACK = 280
BEYOND = 15
ORDINARY = ("AAA", "BBB", "CCC", "DDD")
SPLITTING = ("FOUR", "HALF", "TENTH", "TWICE")
TROUBLED = ("GAPS", "HALTED", "DELISTED", "LISTED", "FORGOTTEN", "EMPTY", "ABSENT")
PRIVATE = ("PRIV_FUND", "PRIV_LOAN", "PRIV_LAND")
PUBLIC = ORDINARY + SPLITTING + TROUBLED
CONTRACTS = 16

Draw = np.random.Generator
Days = tuple[date, ...]


@dataclass(frozen=True)
class Contract:
    """A listed option of a world."""

    symbol: str
    underlying: str
    strike: Decimal
    expiration: date
    is_call: bool


@dataclass(frozen=True)
class World:
    """window: the sessions to ask about, from the earliest inception to the end of the panel."""

    window: Days
    market: Market
    portfolios: tuple[Portfolio, ...]
    book: arrays.Book
    panel: PricePanel


def make_world(seed: int, portfolios: int = 30, sessions: int = 60) -> World:
    """A world of its seed; its window begins in a November, among the year-end holidays."""
    draw = np.random.default_rng(seed)
    first = nyse.on_or_after(date(int(draw.integers(2012, 2025)), 11, int(draw.integers(1, 20))))
    start, stop = nyse.offset(first, -LOOK_BACK), nyse.offset(first, sessions - 1)
    days = tuple(nyse.as_dates(nyse.between(start, stop)))
    calendar = tuple(nyse.as_dates(nyse.between(start, nyse.offset(stop, BEYOND))))
    window = days[LOOK_BACK:]
    splits = _splits(draw, days)
    close = {symbol: _closes(draw, symbol, days) for symbol in PUBLIC if symbol != "ABSENT"}
    contracts = [_contract(draw, number, close, days) for number in range(CONTRACTS)]
    close |= {
        contract.symbol: _option_closes(draw, number, contract, days)
        for number, contract in enumerate(contracts)
        if number != 0
    }
    market = Market(calendar, _prices(close, days), splits, _dividends(draw, close, days))
    people = tuple(
        _portfolio(draw, number, contracts, market, window) for number in range(portfolios)
    )
    return World(window, market, people, book_of(people, market), _panel(close, days))


def exact(value: float, places: int) -> Decimal:
    """The rounded number as a Decimal of the same text."""
    return Decimal(repr(round(float(value), places)))


# The market


def _closes(draw: Draw, symbol: str, days: Days) -> NDArray[np.float64]:
    """One symbol's closes, shape (T,), NaN where it has none; every other one of full length."""
    n, size = len(days), len(days) - LOOK_BACK
    close = draw.uniform(5, 400) * np.exp(np.cumsum(draw.normal(0, 0.02, n)))
    close = np.round(close, 2) if draw.random() < 0.5 else close
    cut = LOOK_BACK + int(draw.integers(size // 4, size // 2 + 1))
    hole = {
        "GAPS": draw.random(n) < 0.25,
        "HALTED": (np.arange(n) >= cut) & (np.arange(n) < cut + max(8, size // 4)),
        "DELISTED": np.arange(n) > cut,
        "LISTED": np.arange(n) < cut,
        "FORGOTTEN": np.arange(n) > size // 3,
        "EMPTY": np.ones(n, dtype=bool),
    }
    return np.where(hole.get(symbol, np.zeros(n, dtype=bool)), np.nan, close)


def _splits(draw: Draw, days: Days) -> tuple[Split, ...]:
    def on(low: float, high: float) -> date:
        size = len(days) - LOOK_BACK
        return days[LOOK_BACK + int(draw.integers(int(low * size), max(int(high * size), 1)))]

    return (
        Split("FOUR", on(0.3, 0.8), Decimal(4)),
        Split("HALF", on(0.2, 0.9), Decimal("0.5")),
        Split("TENTH", on(0.1, 0.7), Decimal("0.1")),
        Split("TWICE", days[LOOK_BACK - 10], Decimal("1.5")),
        Split("TWICE", on(0.4, 0.9), Decimal(3)),
    )


def _dividends(
    draw: Draw, close: dict[str, NDArray[np.float64]], days: Days
) -> tuple[Dividend, ...]:
    """Ex-dates on sessions and between them, none after the symbol's last close."""
    found = []
    for symbol in ("AAA", "BBB", "FOUR", "TENTH", "GAPS", "HALTED", "DELISTED"):
        last = days[int(np.flatnonzero(~np.isnan(close[symbol]))[-1])]
        for _ in range(4):
            day = _day(draw, days[LOOK_BACK] - timedelta(5), last)
            found.append(Dividend(symbol, day, exact(draw.uniform(0.01, 3), 4)))
    unique = {(dividend.symbol, dividend.ex_date): dividend for dividend in found}
    return tuple(unique.values())


def _contract(
    draw: Draw, number: int, close: dict[str, NDArray[np.float64]], days: Days
) -> Contract:
    """Expirations before, inside and after the window, on every day of the week."""
    names = ("AAA", "FOUR", "ABSENT", "HALTED", "GAPS", "TENTH", "TWICE", "ABSENT")
    underlying = names[number % len(names)]
    expiration = _day(draw, days[LOOK_BACK] + timedelta(8), days[-1] + timedelta(40))
    if number % 3 == 0:
        expiration += timedelta(5 - expiration.weekday())
    near = np.nanmedian(close[underlying]) if underlying in close else 50.0
    strike = exact(max(near * draw.uniform(0.7, 1.4), 1), 1)
    is_call = bool(draw.random() < 0.5)
    side = "C" if is_call else "P"
    text = f"{underlying}{expiration:%y%m%d}{side}{int(strike * 1000):08d}"
    return Contract(text, underlying, strike, expiration, is_call)


def _option_closes(draw: Draw, number: int, contract: Contract, days: Days) -> NDArray[np.float64]:
    """Closes up to expiration with gaps; some contracts stop trading early or never trade."""
    n = len(days)
    close = np.round(draw.uniform(0.2, 20) * np.exp(np.cumsum(draw.normal(0, 0.05, n))) + 0.01, 2)
    close[np.array([day > contract.expiration for day in days])] = np.nan
    close[draw.random(n) < 0.2] = np.nan
    if number % 5 == 1:
        close[LOOK_BACK + 3 :] = np.nan
    return np.full(n, np.nan) if number == CONTRACTS - 1 else close


def _prices(close: dict[str, NDArray[np.float64]], days: Days) -> dict[str, dict[date, Decimal]]:
    return {
        symbol: {
            day: Decimal(repr(float(price)))
            for day, price in zip(days, column, strict=True)
            if not np.isnan(price)
        }
        for symbol, column in close.items()
    }


def _panel(close: dict[str, NDArray[np.float64]], days: Days) -> PricePanel:
    symbols = tuple(sorted(close))
    table = np.stack([close[symbol] for symbol in symbols], axis=1)
    return PricePanel(symbols, np.array(days, dtype="datetime64[D]"), table, table * 0.97)


# The people


def _day(draw: Draw, first: date, last: date) -> date:
    """Any day from first to last, weekends and holidays included."""
    return first + timedelta(int(draw.integers(0, max((last - first).days, 0) + 1)))


def _portfolio(
    draw: Draw, number: int, contracts: list[Contract], market: Market, window: Days
) -> Portfolio:
    """The first two hold nothing; the others a few symbols in many lots, every sixth many."""
    name = f"P{number:04d}"
    inception = window[int(draw.integers(0, len(window) // 2))] if number else window[0]
    equity = Decimal(0) if number == 2 else exact(draw.uniform(1e4, 1e6), 2)
    flows = () if number == 0 else _flows(draw, float(equity), window)
    held = PUBLIC if number % 6 == 5 else tuple(draw.choice(PUBLIC, size=4, replace=False))
    counts = draw.integers((3, 0, 0), (2 * len(held), 6, 3)) if number > 1 else (0, 0, 0)
    lots: list[Position] = []
    for _ in range(counts[0]):
        lots += _public(draw, str(draw.choice(held)), market, window)
    for _ in range(counts[1]):
        lots += _option(draw, contracts[int(draw.integers(0, CONTRACTS))], window)
    for _ in range(counts[2]):
        lots += _private(draw, window)
    if lots and number % 3 == 0:
        lots[0] = replace(_kept(lots[0]), entry_date=inception)
    if lots and number % 4 == 0:
        lots.append(_opposite(lots[0]))
    keys = draw.permutation(len(lots))
    named = [replace(lot, id=f"{name}-{key:03d}") for lot, key in zip(lots, keys, strict=True)]
    return Portfolio(name, inception, equity, tuple(named), flows)


def _flows(draw: Draw, equity: float, window: Days) -> tuple[Flow, ...]:
    """A few contributions and withdrawals; now and then more is taken out than there is."""
    size = max(equity, 1e5) * draw.uniform(0.05, 0.5, int(draw.integers(0, 5)))
    if draw.random() < 0.15:
        size = np.append(size, 2.5 * max(equity, 1e5))
    sign = np.where(draw.random(len(size)) < 0.5, 1, -1)
    first = window[0] - timedelta(10)
    return tuple(Flow(_day(draw, first, window[-1]), exact(one, 2)) for one in sign * size)


def _dated(draw: Draw, first: date, last: date, lot: Position) -> Position:
    """The lot with an entry before, at or after inception, and perhaps an owner's exit."""
    early = timedelta(20 if draw.random() < 0.9 else 4000)
    entry = _day(draw, first - early, last)
    recorded = entry + timedelta(int(draw.integers(0, 40)))
    lot = replace(lot, entry_date=entry, recorded_on=recorded)
    if draw.random() < 0.55:
        return lot
    stay = 0 if draw.random() < 0.3 else int(draw.integers(0, 40))
    price = exact(float(lot.entry_price) * draw.uniform(0.6, 1.5), 4)
    stated = entry + timedelta(stay + int(draw.integers(0, 15)))
    later = stated if draw.random() < 0.8 else None
    leave = entry + timedelta(stay)
    return replace(lot, exit_date=leave, exit_price=price, exit_recorded_on=later)


def _quantity(draw: Draw) -> Decimal:
    sign = 1 if draw.random() < 0.65 else -1
    return sign * exact(draw.uniform(1, 500), int(draw.choice([0, 0, 2, 6])))


def _public(draw: Draw, symbol: str, market: Market, window: Days) -> list[Position]:
    known = list(market.prices.get(symbol, {}).values()) or [Decimal(40)]
    price = exact(float(known[len(known) // 2]) * draw.uniform(0.7, 1.4), 4)
    lot = Position("", symbol, "PUBLIC", _quantity(draw), price, window[0], window[0])
    return _sold_in_part(draw, _dated(draw, window[0], window[-1], lot))


def _option(draw: Draw, contract: Contract, window: Days) -> list[Position]:
    count = int(draw.integers(1, 12)) * (1 if draw.random() < 0.5 else -1)
    price = exact(max(draw.uniform(-2, 25), 0), 2)
    lot = Position(
        "",
        contract.symbol,
        "OPTIONS",
        Decimal(count),
        price,
        window[0],
        window[0],
        underlying=contract.underlying,
        strike=contract.strike,
        expiration=contract.expiration,
        is_call=contract.is_call,
    )
    last = min(window[-1], contract.expiration + timedelta(4))
    return _sold_in_part(draw, _dated(draw, window[0], last, lot))


def _private(draw: Draw, window: Days) -> list[Position]:
    symbol = str(draw.choice(PRIVATE))
    quantity, price = _quantity(draw), exact(draw.uniform(10, 500), 2)
    lot = Position("", symbol, "PRIVATE", quantity, price, window[0], window[0])
    days = {_day(draw, window[0] - timedelta(15), window[-1]) for _ in range(draw.integers(0, 4))}
    worth = float(quantity * price)
    values = [Valuation(day, exact(worth * draw.uniform(0.5, 2), 2)) for day in sorted(days)]
    return _sold_in_part(
        draw, replace(_dated(draw, window[0], window[-1], lot), valuations=tuple(values))
    )


def _sold_in_part(draw: Draw, lot: Position) -> list[Position]:
    """The lot, or the two lots that a partial exit leaves: the part sold and the rest."""
    if lot.exit_date is None or draw.random() < 0.5:
        return [lot]
    share = Decimal(int(draw.integers(1, 100))) / 100
    return [_part(lot, share), _part(_kept(lot), 1 - share)]


def _kept(lot: Position) -> Position:
    return replace(lot, exit_date=None, exit_price=None, exit_recorded_on=None)


def _part(lot: Position, share: Decimal) -> Position:
    """A share of a lot, its valuations pro rata."""
    values = tuple(Valuation(v.date, v.market_value * share) for v in lot.valuations)
    return replace(lot, quantity=lot.quantity * share, valuations=values)


def _opposite(lot: Position) -> Position:
    """The same lot with the sign turned: netted it is nothing."""
    values = tuple(Valuation(v.date, -v.market_value) for v in lot.valuations)
    return replace(lot, quantity=-lot.quantity, valuations=values)
