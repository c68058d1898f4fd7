"""The synthetic market: common factors, and each symbol's price path on them.

Every draw is a fixed function of a name and a session: the Philox block number k of the stream
keyed by the name belongs to session k after the epoch. Only exactly rounded operations (+ - x /
and square root) follow, in one order, so that every machine gets the same bits. This is why the
shocks are built from sums of uniforms and not drawn by a library's Student-t, which goes through
logarithms and rejection: their last bits differ between machines.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.bars import Floats
from sigmasight_assets.core.market.synthetic_universe import FACTORS, GROUPS, Traits

EPOCH: Final = date(2022, 1, 3)
"""The first session that has prices."""

ANCHOR: Final = date(2025, 7, 1)
"""The session at which a symbol costs the price in its traits."""

MEDIAN_GROWTH: Final = 0.04
"""A year's growth of the median of every price; as much as the options' interest rate."""

_SESSIONS_A_YEAR: Final = 252
_LANES: Final = 16
_NORMAL_LANES: Final = 12

# One session in twenty is wild, with thrice the volatility: a kurtosis of about 7.6, that of a
# Student-t with 5.3 degrees of freedom.
_WILD_SHARE: Final = 0.05
_WILD_SCALE: Final = 3.0

# GARCH(1,1) of the market factor; its long-run variance is that of FACTORS.
_REACTION: Final = 0.05
_MEMORY: Final = 0.92
_MARKET_BOUND: Final = 0.12

# Never a ratio that price_warnings flags: nothing here needs a split to explain it.
_RETURN_BOUNDS: Final = (-0.4, 0.6)
_LOWEST_PRICE: Final = 0.01


@dataclass(frozen=True)
class Market:
    """Daily returns of the common factors for the n sessions from the epoch on.

    sessions: (n,) datetime64[D]. factors: name (of FACTORS or GROUPS) -> (n,) returns.
    """

    sessions: sessions.Sessions
    factors: Mapping[str, Floats]


@dataclass(frozen=True)
class Path:
    """One symbol's days for the n sessions from the epoch on.

    close: (n,) USD. previous: (n,) the close before. lanes: (n, 3) numbers in [0, 1) that are
    not used by the close, for what happens within the day.
    """

    close: Floats
    previous: Floats
    lanes: Floats


def market_until(last: date) -> Market:
    """The common factors until the session `last` or the anchor, whichever is later."""
    days = sessions.between(EPOCH, max(last, ANCHOR))
    annual = {**FACTORS, **GROUPS}
    factors = {
        name: _daily(volatility) * shocks(lanes(f"factor {name}", len(days)))
        for name, volatility in annual.items()
    }
    factors["beta"] = _clustered(shocks(lanes("factor beta", len(days))), _daily(FACTORS["beta"]))
    return Market(days, factors)


def path_of(traits: Traits, market: Market) -> Path:
    """A symbol's path: drift, loadings on the common factors in their order, and its own part."""
    drawn = lanes(f"symbol {traits.symbol}", len(market.sessions))
    variance = traits.volatility() * traits.volatility()
    returns = _daily(traits.residual) * shocks(drawn)
    returns += (MEDIAN_GROWTH + variance / 2) / _SESSIONS_A_YEAR
    for name, loading in traits.loadings.items():
        returns += loading * market.factors[name]
    returns += traits.group_loading * market.factors[traits.group]
    level = np.cumprod(np.concatenate([[1.0], 1 + np.clip(returns, *_RETURN_BOUNDS)]))
    anchored = level[1 + int(np.searchsorted(market.sessions, np.datetime64(ANCHOR)))]
    price = np.maximum(traits.price * (level / anchored), _LOWEST_PRICE)
    return Path(price[1:], price[:-1], drawn[:, _NORMAL_LANES + 1 :] / 65536)


def lanes(stream: str, count: int) -> NDArray[np.uint16]:
    """(count, 16) uniform 16-bit numbers; row k is the same however many rows are asked for."""
    key = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=16).digest(), "little")
    words = np.random.Philox(key=key).random_raw(_LANES // 4 * count)
    return words.astype("<u8").view("<u2").reshape(count, _LANES)


def shocks(drawn: NDArray[np.uint16]) -> Floats:
    """(n,) fat-tailed numbers of mean 0 and variance 1 from the first thirteen lanes.

    The sum of twelve uniforms is close to a normal; the thirteenth makes some sessions wild.
    """
    total = drawn[:, :_NORMAL_LANES].sum(axis=1, dtype=np.int64)
    normal = (total - _NORMAL_LANES * 32767.5) / 65536
    calm = 1 / math.sqrt(1 + _WILD_SHARE * (_WILD_SCALE * _WILD_SCALE - 1))
    wild = drawn[:, _NORMAL_LANES] < _WILD_SHARE * 65536
    drawn_shocks: Floats = normal * np.where(wild, calm * _WILD_SCALE, calm)
    return drawn_shocks


def _daily(annual: float) -> float:
    return annual / math.sqrt(_SESSIONS_A_YEAR)


def _clustered(drawn: Floats, long_run: float) -> Floats:
    """Returns whose variance remembers the sessions before: (n,) from (n,) unit shocks."""
    returns = np.empty_like(drawn)
    variance = long_run * long_run
    floor = (1 - _REACTION - _MEMORY) * variance
    for session, shock in enumerate(drawn.tolist()):
        moved = min(max(math.sqrt(variance) * shock, -_MARKET_BOUND), _MARKET_BOUND)
        returns[session] = moved
        variance = floor + _REACTION * moved * moved + _MEMORY * variance
    return returns
