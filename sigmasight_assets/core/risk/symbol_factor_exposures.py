"""Rows of symbol_factor_exposures: the betas of one session (methodology, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.risk.factor_models import PreparedModel, prepare_models
from sigmasight_assets.core.risk.regressions import Fit, regress
from sigmasight_assets.core.risk.returns import of_proxies, simple_returns, window
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats, PricePanel

BELONGS_WINDOW: Final = 20
LONGEST_WINDOW: Final = 180
SESSIONS_PER_YEAR: Final = 252
FULL_HISTORY: Final = 86
LIMITED_HISTORY: Final = 30
REASON_GROUPS: Final = ("market", "ir", "style", "spread", "joint")

Texts = NDArray[np.str_]


def belongs(panel: PricePanel, session: date) -> Bools:
    """Whether each symbol belongs to the session: a close in the 20 sessions up to it, (S,)."""
    recent = window(panel.close, panel.row(session), BELONGS_WINDOW)
    return np.asarray(np.isfinite(recent).any(axis=0))


def symbol_factor_exposures(
    panel: PricePanel,
    session: date,
    provider_beta: Floats | None = None,
    returns: Floats | None = None,
) -> Columns:
    """The table's rows for the symbols that belong to the session, sorted by symbol.

    panel: PUBLIC symbols only; proxies it does not hold count as without a price.
    provider_beta: (S,) over the panel's symbols, NaN = unknown.
    returns: (T, S) `simple_returns(panel.adj_close)`, for callers that ask for many sessions.
    A group that could not be computed is NaN with its reason; a stored reason is '' otherwise.

    Raises:
        KeyError: if the panel does not hold the session.
    """
    if returns is None:
        returns = simple_returns(panel.adj_close)
    here = np.flatnonzero(belongs(panel, session))
    own = window(returns, panel.row(session), LONGEST_WINDOW)
    market = of_proxies(panel, own)[:, 0]
    own = own[:, here]
    prepared = prepare_models(panel, session, returns)
    fits = regress([each.design for each in prepared], own)
    betas = np.full(len(panel.symbols), np.nan) if provider_beta is None else provider_beta
    observations = {n: _shared_returns(own[-n:], market[-n:]) for n in (90, 180)}
    return {
        "symbol": np.asarray(panel.symbols, dtype=str)[here],
        "calculation_date": np.full(len(here), session, dtype="datetime64[D]"),
        **_regression_columns(prepared, fits, own),
        "provider_beta": betas[here],
        "observations_90": observations[90],
        "observations_180": observations[180],
        "quality_flag": _quality_flag(observations[90]),
    }


def _regression_columns(
    prepared: Sequence[PreparedModel], fits: Sequence[Fit], own: Floats
) -> dict[str, NDArray[Any]]:
    """Coefficients, r_squared, residual_volatility, capped and the reasons of every model."""
    columns: dict[str, NDArray[Any]] = {}
    reasons = {name: np.full(own.shape[1], "", dtype="U20") for name in REASON_GROUPS}
    capped = np.zeros(own.shape[1], dtype=bool)
    for each, fit in zip(prepared, fits, strict=True):
        model = each.model
        reason = _reason(each, fit, own)
        known = reason == ""
        for name, values in zip(model.columns, fit.coefficients, strict=True):
            capped |= known & (np.abs(values) > model.limit)
            columns[name] = np.where(known, np.clip(values, -model.limit, model.limit), np.nan)
        columns[model.r_squared_column] = np.where(known, fit.r_squared, np.nan)
        if model.group == "joint":
            mean = fit.residual_sum / np.maximum(fit.observations, 1.0)
            volatility = np.sqrt(SESSIONS_PER_YEAR * mean)
            columns["residual_volatility"] = np.where(known, volatility, np.nan)
        first = reasons[model.group]
        reasons[model.group] = np.where(first == "", reason, first)
    columns["capped"] = capped
    return columns | {f"{name}_reason": reason for name, reason in reasons.items()}


def _reason(each: PreparedModel, fit: Fit, own: Floats) -> Texts:
    """Why a model could not be computed for each symbol, (S,); '' where it was."""
    if not each.priced:
        return np.full(own.shape[1], "no_benchmark")
    return np.select(
        [
            ~np.isfinite(own[-each.model.window :]).any(axis=0),
            fit.observations < each.model.minimum,
            np.isnan(fit.coefficients).any(axis=0),
        ],
        ["no_price", "insufficient_history", "no_benchmark"],
        "",
    )


def _shared_returns(own: Floats, market: Floats) -> NDArray[np.int64]:
    """Sessions on which each symbol and SPY both have a return, (S,)."""
    shared = np.isfinite(own) & np.isfinite(market)[:, None]
    return np.asarray(shared.sum(axis=0, dtype=np.int64))


def _quality_flag(observations: NDArray[np.int64]) -> Texts:
    return np.select(
        [observations >= FULL_HISTORY, observations >= LIMITED_HISTORY],
        ["full_history", "limited_history"],
        "insufficient_history",
    )
