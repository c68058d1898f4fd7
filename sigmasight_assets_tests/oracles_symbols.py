"""The symbol layer a second time: one symbol after another with statsmodels and scikit-learn.

Written from the methodology (sections 1, 3 and 8) and sharing no code with what it checks: prices
are pandas frames indexed by session with a column per symbol, absent prices NaN, and every number
comes from the textbook routine. Slow on purpose.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from statsmodels.api import OLS, add_constant

STYLES = {
    "momentum_beta": "MTUM",
    "value_beta": "VTV",
    "growth_beta": "VUG",
    "size_beta": "IWM",
    "quality_beta": "QUAL",
    "low_volatility_beta": "USMV",
}
SPREADS = {
    "growth_value_spread": ("VUG", "VTV"),
    "momentum_spread": ("MTUM", "SPY"),
    "size_spread": ("IWM", "SPY"),
    "quality_spread": ("QUAL", "SPY"),
}
EXCESS = {
    "joint_value": "VTV",
    "joint_growth": "VUG",
    "joint_momentum": "MTUM",
    "joint_quality": "QUAL",
    "joint_size": "IWM",
    "joint_low_volatility": "USMV",
}
ALL_EIGHT = ["SPY", "TLT", *EXCESS.values()]


def returns_of(prices: pd.DataFrame) -> pd.DataFrame:
    return prices / prices.shift(1) - 1.0


class SymbolOracle:
    """Every factor column of one session; `row(symbol)` is a dict of the table's columns."""

    def __init__(self, prices: pd.DataFrame, session: date) -> None:
        self.prices = prices.loc[: pd.Timestamp(session)]
        self.returns = returns_of(self.prices)
        for proxy in ALL_EIGHT:
            if proxy not in self.returns:
                self.returns[proxy] = np.nan
        self.slopes = {proxy: self._market_slope(proxy) for proxy in EXCESS.values()}

    def _market_slope(self, proxy: str) -> float:
        both = self.returns[["SPY", proxy]].iloc[-180:].dropna()
        if len(both) < 60:
            return np.nan
        return OLS(both[proxy].to_numpy(), add_constant(both["SPY"].to_numpy())).fit().params[1]

    def _unpriced(self, proxies: list[str]) -> bool:
        today = self.prices.iloc[-1]
        return any(proxy not in today or np.isnan(today[proxy]) for proxy in proxies)

    def _reason(self, symbol: str, proxies: list[str], sample: int, n: int, least: int) -> str:
        if self._unpriced(proxies):
            return "no_benchmark"
        if self.returns[symbol].iloc[-n:].notna().sum() == 0:
            return "no_price"
        return "insufficient_history" if sample < least else ""

    def row(self, symbol: str) -> dict[str, object]:
        row: dict[str, object] = {}
        row["market_reason"] = self._one_regressor(row, symbol, "market_beta", ["SPY"])
        row["ir_reason"] = self._one_regressor(row, symbol, "ir_beta", ["TLT"])
        self._styles(row, symbol)
        reasons = [
            self._one_regressor(row, symbol, column, list(legs)) for column, legs in SPREADS.items()
        ]
        row["spread_reason"] = next((reason for reason in reasons if reason), "")
        self._joint(row, symbol)
        for n in (90, 180):
            shared = self.returns[[symbol, "SPY"]].iloc[-n:].notna().all(axis=1)
            row[f"observations_{n}"] = int(shared.sum())
        seen = row["observations_90"]
        row["quality_flag"] = (
            "full_history" if seen >= 86
            else "limited_history" if seen >= 30
            else "insufficient_history"
        )  # fmt: skip
        return self._clipped(row)

    def _one_regressor(self, row, symbol, column, legs) -> str:
        n, least = (180, 60) if column in SPREADS else (90, 30)
        r_squared = f"{column.removesuffix('_beta')}_r_squared"
        x = self.returns[legs[0]] - (self.returns[legs[1]] if legs[1:] else 0.0)
        sample = pd.DataFrame({"y": self.returns[symbol], "x": x}).iloc[-n:].dropna()
        reason = self._reason(symbol, legs, len(sample), n, least)
        row[column] = row[r_squared] = np.nan
        if not reason:
            y = sample["y"].to_numpy()
            fitted = OLS(y, add_constant(sample["x"].to_numpy(), has_constant="raise")).fit()
            row[column] = fitted.params[1]
            row[r_squared] = self._r_squared(y, fitted.resid)
        return reason

    @staticmethod
    def _r_squared(y: np.ndarray, residuals: np.ndarray) -> float:
        if y.max() == y.min():
            return np.nan
        return 1.0 - (residuals**2).sum() / ((y - y.mean()) ** 2).sum()

    def _styles(self, row, symbol) -> None:
        proxies = list(STYLES.values())
        sample = self.returns[proxies].assign(y=self.returns[symbol]).iloc[-90:].dropna()
        row |= dict.fromkeys([*STYLES, "style_r_squared"], np.nan)
        row["style_reason"] = self._reason(symbol, proxies, len(sample), 90, 30)
        if row["style_reason"]:
            return
        y = sample["y"].to_numpy()
        scaler = StandardScaler().fit(sample[proxies].to_numpy())
        z = scaler.transform(sample[proxies].to_numpy())
        ridge = Ridge(alpha=1.0, solver="svd").fit(z, y)
        row |= dict(zip(STYLES, ridge.coef_ / scaler.scale_, strict=True))
        row["style_r_squared"] = self._r_squared(y, y - ridge.predict(z))

    def _joint(self, row, symbol) -> None:
        columns = ["joint_market", "joint_rates", *EXCESS]
        returns = self.returns[ALL_EIGHT].copy()
        for proxy in EXCESS.values():
            returns[proxy] = returns[proxy] - self.slopes[proxy] * returns["SPY"]
        sample = returns.assign(y=self.returns[symbol]).iloc[-180:].dropna()
        row |= dict.fromkeys([*columns, "joint_r_squared", "residual_volatility"], np.nan)
        row["joint_reason"] = self._reason(symbol, ALL_EIGHT, len(sample), 180, 60)
        if row["joint_reason"]:
            return
        # Frisch, Waugh and Lovell: what is not penalised is regressed out of everything else,
        # the ridge runs on what remains, and the unpenalised part explains the rest.
        y = sample["y"].to_numpy()
        free = add_constant(sample[["SPY", "TLT"]].to_numpy(), has_constant="raise")
        scaler = StandardScaler().fit(sample[list(EXCESS.values())].to_numpy())
        z = scaler.transform(sample[list(EXCESS.values())].to_numpy())
        z_left = np.column_stack([OLS(column, free).fit().resid for column in z.T])
        y_left = OLS(y, free).fit().resid
        ridge = Ridge(alpha=0.1 * len(y), solver="svd", fit_intercept=False).fit(z_left, y_left)
        rest = OLS(y - z @ ridge.coef_, free).fit()
        row |= dict(zip(EXCESS, ridge.coef_ / scaler.scale_, strict=True))
        row["joint_market"], row["joint_rates"] = rest.params[1:]
        row["joint_r_squared"] = self._r_squared(y, rest.resid)
        row["residual_volatility"] = np.sqrt(252 * (rest.resid**2).sum() / len(y))

    @staticmethod
    def _clipped(row: dict[str, object]) -> dict[str, object]:
        limits = {
            **dict.fromkeys(["market_beta", "ir_beta", *STYLES, *SPREADS], 5.0),
            **dict.fromkeys(["joint_market", "joint_rates", *EXCESS], 10.0),
        }
        row["capped"] = any(abs(row[name]) > limit for name, limit in limits.items())
        for name, limit in limits.items():
            row[name] = float(np.clip(row[name], -limit, limit))
        return row


def ewma_covariance(prices: pd.DataFrame, session: date) -> tuple[np.ndarray, np.ndarray, int]:
    """Covariance and correlation of the proxies by numpy's weighted routines, and their sample."""
    window = returns_of(prices.loc[: pd.Timestamp(session)])[ALL_EIGHT].iloc[-252:]
    window = window.assign(age=np.arange(len(window))[::-1]).dropna()
    weights = 0.97 ** window["age"].to_numpy()
    outer = [np.outer(row, row) for row in window[ALL_EIGHT].to_numpy()]
    covariance = np.average(outer, axis=0, weights=weights)
    deviations = np.sqrt(np.diag(covariance))
    return covariance, covariance / deviations[:, None] / deviations[None, :], len(window)
