"""The synthetic market has the statistics of a market, by ordinary regressions on its prices."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from sigmasight_assets.core.market.source import PriceBars
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.market.synthetic_universe import traits

UNHEARD = [f"QX{number}" for number in range(40)]
FUNDS = ["SPY", "TLT", "VTV", "VUG", "MTUM", "QUAL", "IWM", "USMV", "QQQ", "VTI", "BND", "BIL"]
OTHERS = [
    "GLD",
    "DJP",
    "FXNAX",
    "XLK",
    "XLE",
    "SMH",
    "AAPL",
    "MSFT",
    "NVDA",
    "JPM",
    "XOM",
    "CVX",
    "JNJ",
]


def returns_of(bars: PriceBars) -> pd.DataFrame:
    names = np.array(bars.symbols)[bars.symbol]
    frame = pd.DataFrame({"symbol": names, "date": bars.date, "close": bars.close})
    wide = frame.pivot(index="date", columns="symbol", values="close")
    return wide.pct_change().iloc[1:]


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    symbols = [*FUNDS, *OTHERS, *UNHEARD]
    return returns_of(SyntheticSource().fetch(symbols, date(2022, 1, 3), date(2027, 12, 31)).bars)


def beta(returns: pd.DataFrame, symbol: str, on: str = "SPY") -> float:
    fitted = sm.OLS(returns[symbol], sm.add_constant(returns[on])).fit()
    return float(fitted.params[on])


@pytest.mark.parametrize(
    ("symbol", "low", "high"),
    [
        ("SPY", 0.13, 0.19),
        ("TLT", 0.12, 0.16),
        ("QQQ", 0.17, 0.24),
        ("BND", 0.035, 0.06),
        ("BIL", 0.001, 0.003),
        ("GLD", 0.12, 0.2),
        ("NVDA", 0.35, 0.5),
        ("JNJ", 0.15, 0.23),
    ],
)
def test_volatilities_are_those_of_the_real_thing(returns, symbol, low, high):
    assert low < returns[symbol].std() * np.sqrt(252) < high


@pytest.mark.parametrize(
    "symbol", ["VTV", "VUG", "IWM", "USMV", "QQQ", "AAPL", "NVDA", "JPM", "XOM"]
)
def test_a_beta_over_500_sessions_is_near_its_parameter(returns, symbol):
    window = returns.iloc[-500:]
    assert beta(window, symbol) == pytest.approx(traits(symbol).loadings["beta"], abs=0.2)


def test_betas_of_unheard_of_stocks_are_near_theirs_and_spread_out(returns):
    fitted = np.array([beta(returns, symbol) for symbol in UNHEARD])
    given = np.array([traits(symbol).loadings["beta"] for symbol in UNHEARD])
    assert np.abs(fitted - given).mean() < 0.06
    assert given.min() < 0.7
    assert given.max() > 1.5


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ("SPY", "TLT", -0.15, 0.15),
        ("SPY", "VTI", 0.98, 1.0),
        ("SPY", "QQQ", 0.88, 0.98),
        ("SPY", "IWM", 0.75, 0.93),
        ("SPY", "USMV", 0.75, 0.93),
        ("SPY", "GLD", -0.1, 0.3),
        ("SPY", "DJP", 0.05, 0.4),
        ("TLT", "BND", 0.85, 0.99),
        ("BND", "FXNAX", 0.9, 1.0),
        ("SPY", "BIL", -0.1, 0.1),
        ("XOM", "CVX", 0.55, 0.9),
        ("XOM", "XLE", 0.7, 0.95),
        ("XOM", "MSFT", 0.1, 0.5),
    ],
)
def test_things_that_move_together_do(returns, one, other, low, high):
    assert low < returns[one].corr(returns[other]) < high


def test_value_and_growth_pull_apart_once_the_market_is_taken_out(returns):
    value, growth = (
        sm.OLS(returns[name], sm.add_constant(returns["SPY"])).fit().resid
        for name in ("VTV", "VUG")
    )
    assert value.corr(growth) < -0.4


def test_members_of_a_sector_share_more_than_the_market(returns):
    oil, other, apple = (
        sm.OLS(returns[name], sm.add_constant(returns["SPY"])).fit().resid
        for name in ("XOM", "CVX", "AAPL")
    )
    assert oil.corr(other) > 0.4
    assert abs(oil.corr(apple)) < 0.2


@pytest.mark.parametrize("symbol", ["SPY", "TLT", "AAPL", *UNHEARD[:5]])
def test_tails_are_fatter_than_normal(returns, symbol):
    assert returns[symbol].kurt() + 3 > 4


def test_the_markets_volatility_clusters(returns):
    moves = returns["SPY"].abs()
    assert np.mean([moves.autocorr(lag) for lag in range(1, 11)]) > 0.03
    assert abs(returns["SPY"].autocorr(1)) < 0.06


def test_no_return_looks_like_an_unrecorded_split(returns):
    assert returns.min().min() > -0.45
    assert returns.max().max() < 0.8
