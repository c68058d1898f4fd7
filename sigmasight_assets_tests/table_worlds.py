"""Worlds for the real tables: the portfolios of `worlds` in a market that factors move.

To the ledger's worlds come the eight factor proxies, symbols with every kind of history, prices
with their dividends taken out, companies with sectors, and what was entered and later deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets_tests.ledger_inputs import Dividend, Market, Portfolio
from sigmasight_assets_tests.table_people import (
    Closes,
    Days,
    deleted_copy,
    enlarged,
    with_deleted,
)
from sigmasight_assets_tests.worlds import LOOK_BACK, PUBLIC, Draw, World, exact, make_world

PROXIES = ("SPY", "TLT", "VTV", "VUG", "MTUM", "QUAL", "IWM", "USMV")
MARKET_SLOPES = (1.0, -0.25, 0.8, 1.2, 1.05, 0.95, 1.25, 0.65)
BETAS = {
    "BOLD": 3.0,
    "BOLDER": 8.0,
    "FALLER": -1.5,
    "YOUNG": 1.3,
    "MATURE": 0.7,
    "RIPE": 1.1,
    "EARLY": 0.9,
}
TWINS = {"OILA": "OILB", "KINA": "KINB", "PATCHA": "PATCHB"}
SINGLE_SERIES = "BBB"


@dataclass(frozen=True)
class Company:
    """What a provider says about a symbol; beta None = nothing."""

    symbol: str
    sector: str | None
    quote_type: str | None
    beta: float | None


@dataclass(frozen=True)
class TableWorld:
    """What goes into the tables, and what of it a ledger is told.

    days: the sessions with prices; window: those to compute. entered: portfolios as their owners
    entered them; portfolios: what is left of them once the deleted rows are gone. market holds
    the dividends that are paid; dividends all that are recorded. adj_close: by symbol and
    session, absent where unknown.
    """

    days: Days
    window: Days
    market: Market
    adj_close: Mapping[str, Mapping[date, float]]
    dividends: tuple[Dividend, ...]
    companies: tuple[Company, ...]
    entered: tuple[Portfolio, ...]
    portfolios: tuple[Portfolio, ...]


def make_table_world(
    seed: int, portfolios: int, sessions: int, young_proxy: bool = False
) -> TableWorld:
    """The world of a seed. young_proxy: USMV has its first 60 returns on the third session."""
    draw = np.random.default_rng([seed, 4])
    world = make_world(seed, portfolios, sessions)
    days = tuple(world.panel.sessions.astype(object).tolist())
    factors = _factor_returns(draw, len(days))
    extra = _extra_closes(draw, factors)
    if young_proxy:
        extra["USMV"][: LOOK_BACK + 2 - 60] = np.nan
    extra["TLT"][LOOK_BACK + sessions // 2] = np.nan
    extra["SPY"][LOOK_BACK + sessions // 2 + 2] = np.nan
    closes = _tilted(draw, world, factors) | extra
    dividends = world.market.dividends + _extra_dividends(draw, days)
    paid = tuple(each for each in dividends if each.symbol != SINGLE_SERIES)
    market = replace(world.market, prices=_decimals(closes, days), dividends=paid)
    people = [
        enlarged(draw, number, one, extra, world.window)
        for number, one in enumerate(world.portfolios)
    ]
    entered = [with_deleted(draw, number, one, world.window) for number, one in enumerate(people)]
    deleted = [deleted_copy(people[-1], world.window[3])]
    return TableWorld(
        days,
        world.window,
        market,
        _adjusted(draw, closes, paid, days),
        dividends,
        tuple(_company(number, symbol) for number, symbol in enumerate((*PUBLIC, *extra))),
        tuple(entered + deleted),
        tuple(people),
    )


# The market


def _factor_returns(draw: Draw, n: int) -> NDArray[np.float64]:
    """Daily returns of the eight proxies, shape (n, 8); volatility comes in waves."""
    waves = np.exp(0.5 * np.sin(np.arange(n) / 15))[:, None]
    market = draw.normal(0.0003, 0.009, (n, 1)) * waves
    own = draw.normal(0, [0, 0.007, 0.003, 0.003, 0.004, 0.002, 0.005, 0.003], (n, 8))
    return np.asarray(market * np.array(MARKET_SLOPES) + own * waves)


def _tilted(draw: Draw, world: World, factors: NDArray[np.float64]) -> Closes:
    """The closes of a world, each PUBLIC symbol's moved by factors as well; gaps stay."""
    found = {}
    for column, symbol in enumerate(world.panel.symbols):
        loads = draw.normal([0.8, 0, 0, 0, 0, 0, 0, 0], 0.3) if symbol in PUBLIC else np.zeros(8)
        found[symbol] = world.panel.close[:, column] * _path(factors @ loads)
    return found


def _extra_closes(draw: Draw, factors: NDArray[np.float64]) -> Closes:
    n, size = len(factors), len(factors) - LOOK_BACK
    found = {proxy: 100 * _path(factors[:, k]) for k, proxy in enumerate(PROXIES)}
    for symbol, beta in BETAS.items():
        found[symbol] = 60 * _path(beta * factors[:, 0] + draw.normal(0, 0.012, n))
    for first, second in TWINS.items():
        shared = draw.normal(0, 0.02, n)
        for symbol in (first, second):
            found[symbol] = 80 * _path(factors[:, 0] + shared + draw.normal(0, 0.005, n))
    found["FLAT"] = np.full(n, 25.0)
    found["YOUNG"][: LOOK_BACK + size // 3 - 30] = np.nan
    found["MATURE"][: LOOK_BACK + size // 3 + 5 - 60] = np.nan
    found["RIPE"][: LOOK_BACK - 100] = np.nan
    found["EARLY"][LOOK_BACK - 35 :] = np.nan
    for symbol in ("PATCHA", "PATCHB"):
        found[symbol][draw.random(n) < 0.2] = np.nan
    return found


def _path(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.cumprod(1 + np.clip(returns, -0.4, 0.6)))


def _extra_dividends(draw: Draw, days: Days) -> tuple[Dividend, ...]:
    """Paid all along the look-back, so that total returns differ from changes of the close."""
    return tuple(
        Dividend(symbol, days[position], exact(draw.uniform(0.2, 1.5), 4))
        for symbol in ("SPY", "TLT", "VTV", "BOLD", "OILA", "PATCHA")
        for position in range(int(draw.integers(1, 60)), len(days), 61)
    )


def _decimals(closes: Closes, days: Days) -> dict[str, dict[date, Decimal]]:
    return {
        symbol: {day: Decimal(repr(price)) for day, price in _known(column, days).items()}
        for symbol, column in closes.items()
    }


def _known(column: NDArray[np.float64], days: Days) -> dict[date, float]:
    pairs = zip(days, column.tolist(), strict=True)
    return {day: price for day, price in pairs if not np.isnan(price)}


def _adjusted(
    draw: Draw, closes: Closes, dividends: tuple[Dividend, ...], days: Days
) -> dict[str, dict[date, float]]:
    """Closes less what was paid after them; of GAPS now and then only the close is known."""
    found = {}
    for symbol, column in closes.items():
        factor = np.ones(len(days))
        for paid in dividends:
            before = np.array([day < paid.ex_date for day in days])
            priced = np.flatnonzero(before & ~np.isnan(column))
            if paid.symbol == symbol and len(priced):
                factor[before] *= 1 - min(float(paid.amount) / column[priced[-1]], 0.5)
        if symbol == "GAPS":
            factor[draw.random(len(days)) < 0.05] = np.nan
        found[symbol] = _known(column * factor, days)
    return found


def _company(number: int, symbol: str) -> Company:
    """Twins share a sector or do not; some symbols have no sector, no beta or neither."""
    sectors = ("Financial Services", "Consumer Cyclical", "Basic Materials", "Technology", None)
    sector = {"OILA": "Energy", "OILB": "Energy"}.get(symbol, sectors[number % 5])
    kind = "ETF" if symbol in PROXIES else (None if number % 7 == 0 else "EQUITY")
    return Company(symbol, sector, kind, None if number % 4 == 0 else 0.5 + number / 20)
