"""European option prices (Black and Scholes, 1973)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def option_price(
    spot: Floats, strike: float, years: Floats, volatility: float, rate: float, is_call: bool
) -> Floats:
    """Price in USD of one European option on a stock without dividends, per share.

        d1 = (ln(S/K) + (r + v^2/2) T) / (v sqrt T),  d2 = d1 - v sqrt T
        call = S N(d1) - K e^(-rT) N(d2),             put = K e^(-rT) N(-d2) - S N(-d1)

    spot, years: (n,), USD and years to expiration, years >= 0. strike: USD > 0. volatility,
    rate: annual decimals, volatility > 0, rate continuously compounded. At expiration the price
    is the intrinsic value. A NaN spot gives NaN.
    """
    side = 1.0 if is_call else -1.0
    spread = volatility * np.sqrt(years)
    present = strike * np.exp(-rate * years)
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = np.log(spot / present) / spread + spread / 2
    price = side * (spot * ndtr(side * d1) - present * ndtr(side * (d1 - spread)))
    alive: Floats = np.where(years > 0, price, np.maximum(side * (spot - strike), 0.0))
    return alive
