"""How the eight factor proxies move together (methodology, sections 3 and 8)."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np

from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.risk.regressions import design, regress
from sigmasight_assets.core.risk.returns import of_proxies, simple_returns, window
from sigmasight_assets.core.shapes.factors import FactorCovariance
from sigmasight_assets.core.shapes.panel import Bools, Columns, Floats, PricePanel

SLOPE_WINDOW: Final = 180
COVARIANCE_WINDOW: Final = 252
MINIMUM: Final = 60
DECAY: Final = 0.97


def market_slopes(panel: PricePanel, session: date, returns: Floats | None = None) -> Floats:
    """b_f of the six style proxies PROXIES[2:]: OLS slope on SPY with intercept (section 3).

    Over those of the 180 sessions ending at `session` on which both have a return. Shape (6,);
    NaN with fewer than 60 of them or where SPY does not vary. returns: (T, S) simple returns of
    the panel, where a caller has them already.

    Raises:
        KeyError: if the panel does not hold the session.
    """
    proxies = _proxy_returns(panel, session, SLOPE_WINDOW, returns)
    (fit,) = regress([design(proxies[:, :1], alpha=[0.0], alpha_per_observation=[0.0])], proxies)
    return np.where(fit.observations >= MINIMUM, fit.coefficients[0], np.nan)[2:]


def factor_covariance(
    panel: PricePanel, session: date, returns: Floats | None = None
) -> FactorCovariance:
    """Daily covariance and correlation of the proxies at a session (section 8).

    Over those of the 252 sessions ending at `session` on which all eight have a return: weights
    0.97^(sessions before it) scaled to sum 1, no mean subtracted. Both matrices are NaN with fewer
    than 60 such sessions, or if a proxy never moved in them; `observations` is stated anyway.

    Raises:
        KeyError: if the panel does not hold the session.
    """
    proxies = _proxy_returns(panel, session, COVARIANCE_WINDOW, returns)
    complete: Bools = np.asarray(np.isfinite(proxies).all(axis=1))
    observations = int(complete.sum())
    weights = DECAY ** np.flatnonzero(complete[::-1])[::-1]
    weighted = proxies[complete] * np.sqrt(weights / weights.sum())[:, None]
    covariance = np.einsum("ni,nj->ij", weighted, weighted)
    variances = np.diag(covariance)
    if observations < MINIMUM or not variances.all():
        covariance = np.full(covariance.shape, np.nan)
        correlation = covariance
    else:
        correlation = covariance / np.sqrt(np.outer(variances, variances))
    slopes = market_slopes(panel, session, returns)
    return FactorCovariance(covariance, correlation, observations, slopes)


def _proxy_returns(panel: PricePanel, session: date, n: int, returns: Floats | None) -> Floats:
    """Returns (n, 8) of the proxies over the n sessions ending at `session`."""
    if returns is None:
        prices = window(panel.adj_close, panel.row(session), n + 1)
        return simple_returns(of_proxies(panel, prices))[1:]
    return of_proxies(panel, window(returns, panel.row(session), n))


def factor_covariances(estimate: FactorCovariance, session: date) -> Columns:
    """Rows of the table factor_covariances; none where the covariance is NaN."""
    return _pairs("covariance", estimate.covariance, estimate.observations, session)


def factor_correlations(estimate: FactorCovariance, session: date) -> Columns:
    """Rows of the table factor_correlations; none where the correlation is NaN."""
    return _pairs("correlation", estimate.correlation, estimate.observations, session)


def _pairs(name: str, matrix: Floats, observations: int, session: date) -> Columns:
    """One row per pair with factor_1 <= factor_2, in that order."""
    names = np.array(PROXIES)
    order = np.argsort(names)
    first, second = (order[half] for half in np.triu_indices(len(names)))
    values = matrix[first, second]
    known = np.isfinite(values)
    return {
        "factor_1": names[first][known],
        "factor_2": names[second][known],
        "calculation_date": np.full(known.sum(), session, dtype="datetime64[D]"),
        name: values[known],
        "observations": np.full(known.sum(), observations, dtype=np.int64),
    }


def factor_market_slopes(estimate: FactorCovariance, session: date) -> Columns:
    """The six rows of the table factor_market_slopes, with the reason of a missing slope."""
    names = np.array(PROXIES[2:])
    order = np.argsort(names)
    slopes = estimate.market_slopes[order]
    return {
        "factor": names[order],
        "calculation_date": np.full(len(names), session, dtype="datetime64[D]"),
        "slope": slopes,
        "reason": np.where(np.isfinite(slopes), "", "insufficient_history"),
    }
