"""Sector weights of portfolios (methodology, section 7, Sectors)."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from sigmasight_assets.core.shapes.book import Ints, Texts
from sigmasight_assets.core.shapes.factors import Profiles
from sigmasight_assets.core.shapes.panel import Floats, locate

ETFS: Final = "ETFs"
UNCLASSIFIED: Final = "Unclassified"

RENAMED: Final = {
    "Financial Services": "Financials",
    "Consumer Cyclical": "Consumer Discretionary",
    "Consumer Defensive": "Consumer Staples",
    "Basic Materials": "Materials",
}
"""The provider's name -> the index providers' name, which benchmark weights use."""


def sector_names(profiles: Profiles, symbols: Texts) -> Texts:
    """The sector of each symbol: "ETFs" for a fund traded as one, "Unclassified" where unknown.

    Shape (len(symbols),), object array of str.
    """
    row = locate(profiles.symbols, symbols)
    names = np.full(len(symbols), UNCLASSIFIED, dtype=object)
    for i in np.flatnonzero(row >= 0):
        if str(profiles.quote_type[row[i]]).upper() == "ETF":
            names[i] = ETFS
        elif profiles.sector[row[i]]:
            names[i] = RENAMED.get(profiles.sector[row[i]], profiles.sector[row[i]])
    return names


def sector_exposure(
    portfolio: Ints, sector: Texts, market_value: Floats, net_asset_value: Floats
) -> Texts:
    """{sector: {"net": x, "gross": y}} of each portfolio, fractions of NAV, sectors sorted.

    portfolio, sector (names), market_value: the open PUBLIC lots, (N,); gross is the sum of |MV|
    over lots. OPTIONS and PRIVATE belong to no sector and are not passed. net_asset_value: (P,).
    None where NAV is not positive, {} where nothing PUBLIC is open. Shape (P,), object array.
    """
    number, names = pd.factorize(sector, sort=True)
    key, row = np.unique(portfolio * len(names) + number, return_inverse=True)
    net = np.bincount(row, market_value, len(key))
    gross = np.bincount(row, np.abs(market_value), len(key))
    documents = np.full(len(net_asset_value), None, dtype=object)
    for owner in np.flatnonzero(net_asset_value > 0):
        documents[owner] = {}
    for i in range(len(key)):
        p, n = divmod(int(key[i]), len(names))
        if documents[p] is not None:
            documents[p][str(names[n])] = {
                "net": float(net[i] / net_asset_value[p]),
                "gross": float(gross[i] / net_asset_value[p]),
            }
    return documents
