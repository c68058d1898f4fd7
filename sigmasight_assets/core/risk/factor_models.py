"""The regressions of the symbol layer: regressors, windows, penalties (methodology, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

import numpy as np

from sigmasight_assets.core.factors import (
    FACTORS,
    JOINT_COLUMNS,
    PROXIES,
    FactorDefinition,
)
from sigmasight_assets.core.risk.factor_covariances import market_slopes
from sigmasight_assets.core.risk.regressions import Design, design
from sigmasight_assets.core.risk.returns import of_proxies, window
from sigmasight_assets.core.shapes.panel import Floats, PricePanel

MINIMUM_OBSERVATIONS: Final = {90: 30, 180: 60}
STYLE_ALPHA: Final = 1.0
JOINT_ALPHA_PER_OBSERVATION: Final = 0.1


@dataclass(frozen=True)
class Model:
    """One regression and where its results go.

    columns: a coefficient per regressor, clipped to +- limit. group: the reason column's stem.
    regressors: proxies, or differences of two. Penalties per regressor as in `Design`.
    """

    group: str
    columns: tuple[str, ...]
    regressors: tuple[str, ...]
    r_squared_column: str
    window: int
    limit: float
    alpha: tuple[float, ...]
    alpha_per_observation: tuple[float, ...]

    @property
    def minimum(self) -> int:
        """Fewest observations a sample may have."""
        return MINIMUM_OBSERVATIONS[self.window]


def _separate_model(r_squared_column: str, factors: list[FactorDefinition]) -> Model:
    first = factors[0]
    return Model(
        group="ir" if first.factor_type == "macro" else first.factor_type,
        columns=tuple(factor.column_name for factor in factors),
        regressors=tuple(factor.etf_proxy for factor in factors),
        r_squared_column=r_squared_column,
        window=first.regression_window_days or 0,
        limit=5.0,
        alpha=(STYLE_ALPHA if first.calculation_method == "ridge" else 0.0,) * len(factors),
        alpha_per_observation=(0.0,) * len(factors),
    )


JOINT: Final = Model(
    group="joint",
    columns=JOINT_COLUMNS,
    regressors=PROXIES,
    r_squared_column="joint_r_squared",
    window=180,
    limit=10.0,
    alpha=(0.0,) * 8,
    alpha_per_observation=(0.0,) * 2 + (JOINT_ALPHA_PER_OBSERVATION,) * 6,
)

MODELS: Final = (
    *(
        _separate_model(str(column), list(factors))
        for column, factors in groupby(FACTORS, key=lambda factor: factor.r_squared_column)
    ),
    JOINT,
)
"""Factors with one r_squared column are one regression: market, ir, style, four spreads; joint."""


@dataclass(frozen=True)
class PreparedModel:
    """A model at one session. priced: every regressor has a price on the session itself."""

    model: Model
    design: Design
    priced: bool


def prepare_models(panel: PricePanel, session: date, returns: Floats) -> list[PreparedModel]:
    """Every model with its regressors over the sessions ending at `session`, in MODELS' order.

    returns: (T, S) simple returns of the panel.
    """
    row = panel.row(session)
    longest = max(model.window for model in MODELS)
    proxies = of_proxies(panel, window(returns, row, longest))
    priced = np.isfinite(of_proxies(panel, panel.adj_close[row : row + 1])[0])
    slopes = market_slopes(panel, session, returns)
    prepared = []
    for model in MODELS:
        legs = [[PROXIES.index(leg) for leg in name.split("-")] for name in model.regressors]
        recent = proxies[-model.window :]
        regressors = _excess(recent, slopes) if model is JOINT else _differences(recent, legs)
        prepared.append(
            PreparedModel(
                model,
                design(regressors, model.alpha, model.alpha_per_observation),
                bool(priced[[leg for pair in legs for leg in pair]].all()),
            )
        )
    return prepared


def _differences(proxies: Floats, legs: list[list[int]]) -> Floats:
    """A proxy's return, or the first leg's less the second's. (n, 8) -> (n, len(legs))."""
    return np.column_stack(
        [proxies[:, leg[0]] - (proxies[:, leg[1]] if leg[1:] else 0.0) for leg in legs]
    )


def _excess(proxies: Floats, slopes: Floats) -> Floats:
    """SPY, TLT and the six styles in excess of the market, e_f = r_f - b_f r_SPY.

    An unknown b_f counts as 0: it means too few sessions or a motionless SPY, and either of them
    also keeps the model from being computed, with its own reason.
    """
    return np.hstack([proxies[:, :2], proxies[:, 2:] - np.nan_to_num(slopes) * proxies[:, :1]])
