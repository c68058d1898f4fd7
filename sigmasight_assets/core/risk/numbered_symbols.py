"""The symbols of a book as numbers: strings are compared once, not on every session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sigmasight_assets.core.shapes.book import Ints, Lots, Texts
from sigmasight_assets.core.shapes.panel import locate


@dataclass(frozen=True)
class NumberedSymbols:
    """Symbols and underlyings of N lots by their place among the distinct ones.

    names: (U,) object array of str, sorted and distinct. symbol, underlying: (N,) index into
    names. column, underlying_column: (N,) index into the panel's symbols, -1 if absent.
    """

    names: Texts
    symbol: Ints
    underlying: Ints
    column: Ints
    underlying_column: Ints


def number_symbols(lots: Lots, panel_symbols: tuple[str, ...]) -> NumberedSymbols:
    """Number the symbols of lots in alphabetical order and find them in a panel."""
    texts: Texts = np.concatenate([lots.symbol.astype(object), lots.underlying.astype(object)])
    number, names = pd.factorize(texts, sort=True)
    symbol, underlying = np.split(number.astype(np.int64), 2)
    column = locate(panel_symbols, names)
    return NumberedSymbols(names, symbol, underlying, column[symbol], column[underlying])
