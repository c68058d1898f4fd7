"""What each symbol of the synthetic market is like: its price, loadings and residual.

The well-known symbols are in synthetic_universe.csv. Whatever a symbol lacks there, down to
everything, is drawn from its name.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from sigmasight_assets.core.sectors import SECTORS

GROUPS: Final = {
    "Bonds": 0.01,
    "Broad Market": 0.0,
    "Commodities": 0.14,
    "Communication Services": 0.09,
    "Consumer Discretionary": 0.09,
    "Consumer Staples": 0.09,
    "Energy": 0.16,
    "Financials": 0.10,
    "Gold": 0.15,
    "Healthcare": 0.10,
    "Industrials": 0.07,
    "International": 0.08,
    "Materials": 0.09,
    "Real Estate": 0.10,
    "Semiconductors": 0.17,
    "Technology": 0.09,
    "Utilities": 0.11,
}
"""Annual volatility of what the members of a group share beyond market, rates and styles."""

FACTORS: Final = {
    "beta": 0.16,
    "rates": 0.14,
    "value": 0.07,
    "growth": 0.04,
    "momentum": 0.08,
    "quality": 0.04,
    "size": 0.10,
    "low_volatility": 0.06,
}
"""Loading -> annual volatility of its factor: SPY, TLT and six styles in excess of the market."""

_RANGES: Final = {
    "beta": (0.4, 1.8),
    "rates": (-0.1, 0.1),
    "value": (-0.4, 0.4),
    "growth": (-0.4, 0.4),
    "momentum": (-0.3, 0.3),
    "quality": (-0.4, 0.4),
    "size": (-0.1, 0.6),
    "low_volatility": (-0.4, 0.4),
    "group_loading": (0.7, 1.3),
    "residual": (0.15, 0.45),
}


@dataclass(frozen=True)
class Traits:
    """How one symbol behaves.

    kind: stock, etf or fund (a fund has one price a day). price: USD at the anchor session.
    loadings: keyed as FACTORS. group_loading: on the factor of its group. residual: annual
    volatility of its own. volume: shares on an ordinary day.
    """

    symbol: str
    kind: str
    group: str
    price: float
    loadings: Mapping[str, float]
    group_loading: float
    residual: float
    volume: float

    def volatility(self) -> float:
        """Long-run annual volatility: all its independent parts together."""
        parts = [self.loadings[name] * volatility for name, volatility in FACTORS.items()]
        variance = 0.0
        # Not sum(): from Python 3.12 on it compensates, and would give other last bits.
        for part in (*parts, self.group_loading * GROUPS[self.group], self.residual):
            variance += part * part
        return math.sqrt(variance)


@cache
def known_symbols() -> Mapping[str, Mapping[str, str]]:
    """Symbol -> its row of synthetic_universe.csv; an empty cell is left to the name."""
    table = files(__package__).joinpath("synthetic_universe.csv").read_text(encoding="utf-8")
    return {row["symbol"]: row for row in csv.DictReader(table.splitlines())}


def traits(symbol: str) -> Traits:
    """The traits of any symbol, known or not."""
    row = known_symbols().get(symbol, {})

    def number(name: str) -> float:
        low, high = _RANGES[name]
        return float(row.get(name) or low + (high - low) * _chance(symbol, name))

    dear, busy = _chance(symbol, "price"), _chance(symbol, "volume")
    by_name = SECTORS[int(len(SECTORS) * _chance(symbol, "group"))]
    return Traits(
        symbol=symbol,
        kind=row.get("kind") or "stock",
        group=row.get("group") or by_name,
        price=float(row.get("price") or round(10 + 390 * dear * dear, 2)),
        loadings={name: number(name) for name in FACTORS},
        group_loading=number("group_loading"),
        residual=number("residual"),
        volume=float(round(2e5 + 2e7 * busy * busy * busy)),
    )


def _chance(symbol: str, trait: str) -> float:
    """A number in [0, 1) that this symbol and trait always have."""
    digest = hashlib.blake2b(f"{trait} of {symbol}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
