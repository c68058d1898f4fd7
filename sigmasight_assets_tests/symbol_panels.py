"""Small price panels for the tests of the symbol layer, real ones included."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core.sessions import as_dates, between
from sigmasight_assets.core.shapes.panel import Columns, PricePanel

REAL_PRICES = Path(__file__).parents[2] / "shared" / "market_data" / "us_daily_prices.parquet"
SPY_BETAS = {
    "SPY": 1.0, "TLT": -0.1, "VTV": 0.7, "VUG": 1.2, "MTUM": 1.1, "QUAL": 0.9, "IWM": 1.2,
    "USMV": 0.6,
}  # fmt: skip
PROXY_NAMES = tuple(SPY_BETAS)
SESSIONS = as_dates(between(date(2024, 1, 2), date(2025, 6, 30)))
LAST = SESSIONS[-1]

needs_real_prices = pytest.mark.skipif(
    not REAL_PRICES.exists(), reason=f"the real prices are not at {REAL_PRICES}"
)


def panel_of(prices: pd.DataFrame, closes: pd.DataFrame | None = None) -> PricePanel:
    """A panel of sessions down and symbols across; close = adj_close unless given."""
    ordered = prices.sort_index(axis=1)
    adjusted = ordered.to_numpy(dtype=np.float64)
    close = adjusted if closes is None else closes[ordered.columns].to_numpy(dtype=np.float64)
    days = ordered.index.to_numpy().astype("datetime64[D]")
    return PricePanel(tuple(ordered.columns), days, close, adjusted)


def synthetic_prices(stocks: int = 12, seed: int = 7) -> pd.DataFrame:
    """Adjusted closes of the eight proxies and of S000, S001, ... over SESSIONS, none absent."""
    rng = np.random.default_rng(seed)
    n = len(SESSIONS)
    market = rng.normal(0.0004, 0.010, n)
    returns = {
        name: beta * market + (rng.normal(0.0, 0.004, n) if name != "SPY" else 0.0)
        for name, beta in SPY_BETAS.items()
    }
    loadings = rng.normal(0.0, 0.5, (stocks, len(PROXY_NAMES)))
    proxies = np.column_stack(list(returns.values()))
    for i, loading in enumerate(loadings):
        returns[f"S{i:03}"] = market + proxies @ loading + rng.normal(0.0, 0.015, n)
    frame = pd.DataFrame(returns, index=pd.DatetimeIndex(SESSIONS))
    return 50.0 * (1.0 + frame).cumprod()


def real_prices(symbols: list[str] | None = None) -> pd.DataFrame:
    """Real adjusted closes, widened to float64; prices that are not positive are absent."""
    wanted = [("symbol", "in", symbols)] if symbols else None
    rows = pd.read_parquet(REAL_PRICES, filters=wanted)
    rows["symbol"] = rows["symbol"].astype(str)
    prices = rows.pivot(index="date", columns="symbol", values="adj_close").astype("float64")
    prices.index = pd.DatetimeIndex(prices.index)
    return prices.where(prices > 0).sort_index(axis=1)


def without(prices: pd.DataFrame, symbol: str, *places: int | slice) -> pd.DataFrame:
    """The same prices with a symbol's absent at some positions."""
    holed = prices.copy()
    for place in places:
        holed.iloc[place, holed.columns.get_loc(symbol)] = np.nan
    return holed


def row_of(columns: Columns, symbol: str) -> dict[str, object]:
    """One symbol's row of a table's columns."""
    found = np.flatnonzero(columns["symbol"] == symbol)
    assert len(found) == 1, f"{symbol} has {len(found)} rows"
    return {name: values[found[0]] for name, values in columns.items()}


def rows_of(columns: Columns, symbols: list[str]) -> dict[str, object]:
    """The exact bits of some symbols' rows, by column; text as text, whatever its stored width."""
    chosen = np.isin(columns["symbol"], symbols)
    return {
        name: values[chosen].tolist() if values.dtype.kind in "UO" else values[chosen].tobytes()
        for name, values in columns.items()
    }
