"""Counts and concentration of what is open, symbols with their lots netted (methodology 4, 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.portfolio_sums import netted_sums, portfolio_sums
from sigmasight_assets.core.risk.valuation import BookValue, PricedBook
from sigmasight_assets.core.shapes.book import Ints
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats


@dataclass(frozen=True)
class NettedPositions:
    """One row per portfolio and symbol with an open lot, sorted by (portfolio, symbol).

    portfolio: index into Portfolios. quantity: split-adjusted units, signed. market_value: USD,
    signed. is_option, is_private: some lot of it is.
    """

    portfolio: Ints
    quantity: Floats
    market_value: Floats
    is_option: Bools
    is_private: Bools


def netted_positions(priced: PricedBook, today: BookValue) -> NettedPositions:
    """The open lots of every portfolio, netted by symbol."""
    book, lots = priced.book, priced.lots
    opened = np.flatnonzero(today.valuation.is_open)
    names = max(len(lots.symbols.names), 1)
    key, row = np.unique(
        book.lots.portfolio[opened] * names + lots.symbols.symbol[opened], return_inverse=True
    )
    return NettedPositions(
        portfolio=key // names,
        quantity=netted_sums(row, lots.quantity[opened], len(key)),
        market_value=netted_sums(row, today.valuation.market_value[opened], len(key)),
        is_option=np.bincount(row, book.lots.is_option[opened], len(key)) > 0,
        is_private=np.bincount(row, book.lots.is_private[opened], len(key)) > 0,
    )


def counts(netted: NettedPositions, size: int) -> Columns:
    """How many symbols are held, long, short, as options and privately. Shape (P,) each."""

    def count(which: Bools) -> Ints:
        return np.bincount(netted.portfolio[which], minlength=size)

    return {
        "num_positions": np.bincount(netted.portfolio, minlength=size),
        "num_long_positions": count(netted.quantity > 0),
        "num_short_positions": count(netted.quantity < 0),
        "num_option_positions": count(netted.is_option),
        "num_private_positions": count(netted.is_private),
    }


def concentration(netted: NettedPositions, size: int) -> Mapping[str, Floats]:
    """hhi (0-10000), effective_num_positions, top_3 and top_10 (fractions of gross). (P,) each.

    Weights are |netted market value| / their sum; NaN where nothing is open or the sum is 0.
    """
    portfolio, value = netted.portfolio, np.abs(netted.market_value)
    everything = np.ones(len(value), dtype=np.bool_)
    gross = portfolio_sums(portfolio, value, everything, size)
    known = gross > 0
    weight = value / np.where(known, gross, 1.0)[portfolio]
    hhi = 10_000 * portfolio_sums(portfolio, weight * weight, everything, size)
    hhi = np.where(known, hhi, np.nan)
    largest_first = np.lexsort((-weight, portfolio))
    rank = np.arange(len(weight)) - np.searchsorted(portfolio, portfolio)

    def top(n: int) -> Floats:
        held = portfolio_sums(portfolio, weight[largest_first], rank < n, size)
        return np.where(known, held, np.nan)

    return {
        "hhi": hhi,
        "effective_num_positions": 10_000 / hhi,
        "top_3_concentration": top(3),
        "top_10_concentration": top(10),
    }
