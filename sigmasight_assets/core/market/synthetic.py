"""A made-up market that looks like one: prices for any symbol, without a network or a file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core.market.bars import Columns, Floats, join
from sigmasight_assets.core.market.black_scholes import option_price
from sigmasight_assets.core.market.screening import outcomes
from sigmasight_assets.core.market.source import PriceAnswer
from sigmasight_assets.core.market.synthetic_market import Market, Path, market_until, path_of
from sigmasight_assets.core.market.synthetic_universe import Traits, known_symbols, traits
from sigmasight_assets.core.symbols import (
    MAX_LENGTH,
    InvestmentClass,
    OptionContract,
    canonical,
    classify,
    option_contract,
    sorted_symbols,
)

RATE: Final = 0.04
"""Interest rate in option prices, continuously compounded."""

_TICKER: Final = re.compile(rf"[A-Z0-9^][A-Z0-9^=-]{{0,{MAX_LENGTH - 1}}}")
_LOWEST_OPTION_PRICE: Final = 0.01
_DECIMALS: Final = 4


class SyntheticSource:
    """Daily bars that depend on nothing but symbol and session.

    Any range, set or order of symbols gives the same bits. Every PUBLIC symbol that is
    well formed has bars from 2022-01-03 on; an option has a close until its expiration; a
    PRIVATE symbol has no data. There are no splits or dividends, so adj_close is close.
    """

    name = "synthetic"
    metered = False
    symbols_per_fetch = 2_000

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        """Bars of the symbols for the sessions from first to last, both included."""
        asked = sorted_symbols(canonical(symbol) for symbol in symbols)
        market = market_until(last)
        bounds = np.array([first, last], dtype="datetime64[D]")
        start = int(np.searchsorted(market.sessions, bounds[0]))
        stop = int(np.searchsorted(market.sessions, bounds[1], side="right"))
        parts = {symbol: _columns(symbol, market, slice(start, stop)) for symbol in asked}
        bars = join({symbol: columns for symbol, columns in parts.items() if columns})
        return PriceAnswer(self.name, bars, outcomes(asked, bars, ()))

    def listed_symbols(self) -> tuple[str, ...]:
        """A sample universe: proxies, benchmarks, well-known stocks, ETFs and funds."""
        return sorted_symbols(known_symbols())


def _columns(symbol: str, market: Market, rows: slice) -> Columns:
    """The symbol's columns for some rows of the market; none if it has no price."""
    contract = option_contract(symbol)
    if contract is not None:
        return _option(contract, market, rows)
    if classify(symbol) is InvestmentClass.PRIVATE or not _TICKER.fullmatch(symbol):
        return {}
    known = traits(symbol)
    path = path_of(known, market)
    columns = _fund(path) if known.kind == "fund" else _traded(known, path)
    return {
        "date": market.sessions[rows],
        **{name: column[rows] for name, column in columns.items()},
    }


def _fund(path: Path) -> Mapping[str, Floats]:
    """A fund is priced once a day."""
    close = np.round(path.close, _DECIMALS)
    prices = dict.fromkeys(("open", "high", "low", "close", "adj_close"), close)
    return {**prices, "volume": np.zeros_like(close)}


def _traded(known: Traits, path: Path) -> Mapping[str, Floats]:
    """Open between the two closes, extremes beyond both, more volume on days that move."""
    usual = known.volatility() / math.sqrt(252)
    opened = path.previous + (path.close - path.previous) * path.lanes[:, 0]
    high = np.maximum(opened, path.close) * (1 + usual * path.lanes[:, 1])
    low = np.minimum(opened, path.close) * (1 - usual * path.lanes[:, 2])
    moved = np.minimum(np.abs(path.close / path.previous - 1) / usual, 4.0)
    close = np.round(path.close, _DECIMALS)
    return {
        "open": np.round(opened, _DECIMALS),
        "high": np.round(high, _DECIMALS),
        "low": np.round(low, _DECIMALS),
        "close": close,
        "adj_close": close,
        "volume": np.floor(known.volume * (0.5 + moved) * (0.5 + path.lanes[:, 1])),
    }


def _option(contract: OptionContract, market: Market, rows: slice) -> Columns:
    """Black-Scholes closes on the underlying's close, until the contract expires.

    Rounded, so that a last bit of exp and log, which differ between machines, does not show.
    """
    underlying = traits(canonical(contract.root))
    days = market.sessions[rows]
    days = days[days <= np.datetime64(contract.expiration)]
    spot = np.round(path_of(underlying, market).close, _DECIMALS)[rows][: len(days)]
    years = (np.datetime64(contract.expiration) - days).astype(np.float64) / 365
    price = option_price(
        spot, contract.strike, years, underlying.volatility(), RATE, contract.is_call
    )
    close = np.round(np.maximum(price, _LOWEST_OPTION_PRICE), _DECIMALS)
    return {"date": days, "close": close, "adj_close": close}
