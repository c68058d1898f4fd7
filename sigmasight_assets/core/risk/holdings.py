"""Open lots of existing portfolios, and PUBLIC lots netted per symbol (methodology, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmasight_assets.core.risk.portfolio_sums import netted_sums
from sigmasight_assets.core.shapes.book import Book, Ints, Texts, Valuation
from sigmasight_assets.core.shapes.panel import Bools, Floats


@dataclass(frozen=True)
class Holdings:
    """What portfolios hold of each PUBLIC symbol, sorted by (portfolio, symbol); H of them.

    portfolio: (H,) index into Portfolios. symbol: (H,) str.
    net_value: (H,) USD, signed; exactly 0 where the lots cancel.
    """

    portfolio: Ints
    symbol: Texts
    net_value: Floats


def open_lots(book: Book, valuation: Valuation) -> Bools:
    """Which lots are open and belong to a portfolio that exists at the session. Shape (N,)."""
    return valuation.is_open & valuation.exists[book.lots.portfolio]


def open_public_lots(book: Book, valuation: Valuation) -> Ints:
    """Indices of the open PUBLIC lots, in (portfolio, position id) order. Shape (L,)."""
    return np.flatnonzero(open_lots(book, valuation) & book.lots.is_public)


def public_holdings(book: Book, valuation: Valuation) -> Holdings:
    """Open PUBLIC lots netted per portfolio and symbol; a symbol whose lots cancel is kept, at 0.

    Lots are summed in order of position id, so a portfolio's values do not depend on the others.
    """
    lot = open_public_lots(book, valuation)
    names, name = np.unique(book.lots.symbol[lot].astype(str), return_inverse=True)
    width = max(len(names), 1)
    keys, pair = np.unique(book.lots.portfolio[lot] * width + name, return_inverse=True)
    net = netted_sums(pair, valuation.market_value[lot], len(keys))
    portfolio, symbol = np.divmod(keys, width)
    return Holdings(portfolio, names[symbol], net)


def coverage_pct(covered: Floats, whole: Floats, otherwise: float) -> Floats:
    """covered / whole on a scale of 0-100; `otherwise` where the whole is 0."""
    share = np.full(covered.shape, otherwise / 100)
    np.divide(covered, whole, out=share, where=whole > 0)
    # Scaled after the division, so that all of something is exactly 100.
    return 100 * share
