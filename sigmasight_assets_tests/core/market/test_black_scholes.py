"""Option prices against a textbook, an integral over the lognormal density, and parity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import lognorm

from sigmasight_assets.core.market.black_scholes import option_price


def price(spot, strike, years, volatility, rate, is_call):
    spots, times = np.array([spot], dtype=float), np.array([years], dtype=float)
    return float(option_price(spots, strike, times, volatility, rate, is_call)[0])


def test_hulls_worked_example():
    # Hull, Options, Futures and Other Derivatives: S 42, K 40, r 10 %, v 20 %, six months.
    assert price(42, 40, 0.5, 0.2, 0.1, is_call=True) == pytest.approx(4.76, abs=0.005)
    assert price(42, 40, 0.5, 0.2, 0.1, is_call=False) == pytest.approx(0.81, abs=0.005)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize(
    ("strike", "years", "volatility"),
    [(100, 1.0, 0.25), (80, 0.5, 0.4), (130, 1.5, 0.15), (101, 1 / 365, 0.3)],
)
def test_a_price_is_the_discounted_mean_payoff(strike, years, volatility, is_call):
    spot, rate = 100.0, 0.04
    width = volatility * np.sqrt(years)
    final = lognorm(width, scale=spot * np.exp((rate - volatility**2 / 2) * years))
    low, high = (strike, final.ppf(1 - 1e-15)) if is_call else (final.ppf(1e-15), strike)
    mean, _ = quad(lambda value: abs(value - strike) * final.pdf(value), low, high, limit=500)
    expected = np.exp(-rate * years) * mean
    assert price(spot, strike, years, volatility, rate, is_call) == pytest.approx(
        expected, abs=1e-6
    )


def test_a_call_less_its_put_is_the_share_less_the_discounted_strike():
    spot = np.linspace(20, 400, 39)
    years = np.linspace(0.01, 3, 39)
    call = option_price(spot, 150.0, years, 0.35, 0.04, is_call=True)
    put = option_price(spot, 150.0, years, 0.35, 0.04, is_call=False)
    assert call - put == pytest.approx(spot - 150 * np.exp(-0.04 * years), abs=1e-10)


@pytest.mark.parametrize(
    ("spot", "call", "put"), [(90.0, 0.0, 10.0), (100.0, 0.0, 0.0), (112.5, 12.5, 0.0)]
)
def test_at_expiration_only_the_intrinsic_value_is_left(spot, call, put):
    assert price(spot, 100, 0, 0.3, 0.04, is_call=True) == call
    assert price(spot, 100, 0, 0.3, 0.04, is_call=False) == put


def test_an_unknown_spot_has_an_unknown_price():
    assert np.isnan(price(np.nan, 100, 1, 0.3, 0.04, is_call=True))
    assert np.isnan(price(np.nan, 100, 0, 0.3, 0.04, is_call=True))
