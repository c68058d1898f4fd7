"""Rows of symbol_daily_metrics: price, returns, volatility, profile (methodology, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.risk.returns import blocks, simple_returns, window
from sigmasight_assets.core.shapes.factors import CompanyProfiles
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats, PricePanel, locate

SESSIONS_PER_YEAR: Final = 252
CURRENT_PRICE_WINDOW: Final = 20
OLDEST_REFERENCE: Final = 5
"""How many sessions before the reference session its price may be."""

FACTOR_POINTS: Final = {
    "full_history": 20.0,
    "limited_history": 10.0,
    "insufficient_history": 0.0,
}


_NO_TEXT: Final = np.empty(0, dtype="U1")
NO_PROFILES: Final = CompanyProfiles((), _NO_TEXT, _NO_TEXT, _NO_TEXT, np.empty(0), np.empty(0))


def symbol_daily_metrics(
    panel: PricePanel,
    session: date,
    factor_rows: Columns,
    profiles: CompanyProfiles | None = None,
    returns: Floats | None = None,
) -> Columns:
    """The table's rows for the symbols of `factor_rows`, in their order.

    factor_rows: `symbol` and `quality_flag` of symbol_factor_exposures at the same session.
    profiles: what is to be copied; without any, their columns are absent.
    returns: (T, S) `simple_returns(panel.adj_close)`, for callers that ask for many sessions.
    Returns and volatilities are NaN where a price they need is missing.

    Raises:
        KeyError: if the panel does not hold the session or a symbol.
    """
    row = panel.row(session)
    symbols = np.asarray(factor_rows["symbol"], dtype=str)
    here = locate(panel.symbols, symbols)
    if (here < 0).any():
        raise KeyError(f"symbols {symbols[here < 0].tolist()} are not in the panel")
    if returns is None:
        returns = simple_returns(panel.adj_close)
    recent_closes = window(panel.close, row, CURRENT_PRICE_WINDOW)[:, here]
    horizons = _horizon_returns(panel, session, returns, here)
    copied, has_profile = _profile_columns(profiles or NO_PROFILES, symbols)
    return {
        "symbol": symbols,
        "metrics_date": np.full(len(symbols), session, dtype="datetime64[D]"),
        "current_price": _last_known(recent_closes),
        **horizons,
        "realized_volatility_21d": _realized_volatility(window(returns, row, 21)[:, here]),
        "realized_volatility_63d": _realized_volatility(window(returns, row, 63)[:, here]),
        **copied,
        "data_quality_score": _data_quality_score(
            recent_closes[-1], horizons, has_profile, factor_rows["quality_flag"]
        ),
    }


def _horizon_returns(
    panel: PricePanel, session: date, returns: Floats, here: NDArray[np.int64]
) -> dict[str, Floats]:
    """Total return to the session: from t-1 exactly, and from each reference session."""
    row = panel.row(session)
    latest = panel.adj_close[row, here]
    columns = {"return_1d": returns[row, here]}
    for name, day in _reference_days(session).items():
        reference = int(np.searchsorted(panel.sessions, day, side="right")) - 1
        candidates = window(panel.adj_close, reference, OLDEST_REFERENCE + 1)[:, here]
        columns[name] = simple_returns(np.stack([_last_known(candidates), latest]))[1]
    return columns


def _reference_days(session: date) -> dict[str, np.datetime64]:
    """The calendar day each return starts from: the session on or before it is the reference.

    A month without that day ends earlier: 31 March less one month is the last of February.
    """
    month = np.datetime64(session, "M")
    into_month = np.datetime64(session, "D") - month.astype("datetime64[D]")

    def months_earlier(months: int) -> np.datetime64:
        first = (month - months).astype("datetime64[D]")
        last = (month - months + 1).astype("datetime64[D]") - 1
        return min(first + into_month, last)

    return {
        "return_1m": months_earlier(1),
        "return_3m": months_earlier(3),
        "return_1y": months_earlier(12),
        "return_mtd": month.astype("datetime64[D]") - 1,
        "return_ytd": month.astype("datetime64[Y]").astype("datetime64[D]") - 1,
    }


def _last_known(prices: Floats) -> Floats:
    """The last price of each column that is not NaN, NaN if there is none. (n, S) -> (S,)."""
    found = np.full(prices.shape[1], np.nan)
    for session_prices in prices:
        found = np.where(np.isfinite(session_prices), session_prices, found)
    return found


def _realized_volatility(returns: Floats) -> Floats:
    """Annualised standard deviation (ddof 0) of (n, S) returns, (S,); NaN unless all n known."""
    daily = np.concatenate([np.empty(0), *(block.std(axis=0) for block in blocks(returns))])
    annualised: Floats = daily[: returns.shape[1]] * np.sqrt(SESSIONS_PER_YEAR)
    return annualised


def _profile_columns(
    profiles: CompanyProfiles, symbols: NDArray[np.str_]
) -> tuple[dict[str, NDArray[Any]], Bools]:
    """The copied columns, absent where there is no profile, and whether any of them is known.

    A profile of which nothing was copied counts as none: a later recomputation starts from what
    was copied and has to find the same score.
    """
    found = locate(profiles.symbols, symbols)
    has_row, has_profile = found >= 0, np.zeros(len(symbols), dtype=bool)
    columns: dict[str, NDArray[Any]] = {}
    for name in ("market_cap", "pe_ratio"):
        columns[name] = np.full(len(symbols), np.nan)
        columns[name][has_row] = getattr(profiles, name)[found[has_row]]
        has_profile |= np.isfinite(columns[name])
    for name in ("company_name", "sector", "industry"):
        values = np.asarray(getattr(profiles, name), dtype=str)
        columns[name] = np.full(len(symbols), "", dtype=values.dtype)
        columns[name][has_row] = values[found[has_row]]
        has_profile |= columns[name] != ""
    return columns, has_profile


def _data_quality_score(
    close: Floats,
    horizons: Mapping[str, Floats],
    has_profile: Bools,
    quality_flag: NDArray[Any],
) -> Floats:
    """0-100: 30 a close on the session, 30 returns, 20 a profile, 20 factors. Shape (S,)."""
    known = np.array([np.isfinite(values) for values in horizons.values()])
    price = 30.0 * np.isfinite(close)
    factors = np.zeros(len(close))
    for flag, points in FACTOR_POINTS.items():
        factors[quality_flag == flag] = points
    score: Floats = price + 30.0 * known.mean(axis=0) + 20.0 * has_profile + factors
    return score
