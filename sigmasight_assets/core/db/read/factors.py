"""Symbol-layer results as the portfolio layer takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from psycopg import Connection

from sigmasight_assets.core.db.query import fetch_columns
from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS, PROXIES
from sigmasight_assets.core.shapes.factors import FactorCovariance, Profiles, SymbolFactors

FACTORS: Final = f"""
    SELECT symbol, {", ".join(BETA_COLUMNS)}, {", ".join(JOINT_COLUMNS)}, provider_beta
    FROM symbol_factor_exposures
    WHERE calculation_date = %(session)s
      AND (%(symbols)s::text[] IS NULL OR symbol = ANY(%(symbols)s::text[]))
    ORDER BY symbol
"""

PAIRS: Final = """
    SELECT v.factor_1, v.factor_2, v.covariance, c.correlation, v.observations
    FROM factor_covariances v
    JOIN factor_correlations c USING (factor_1, factor_2, calculation_date)
    WHERE v.calculation_date = %(session)s
"""

SLOPES: Final = """
    SELECT factor, slope FROM factor_market_slopes WHERE calculation_date = %(session)s
"""

PROFILES: Final = """
    SELECT symbol, coalesce(sector, ''), coalesce(quote_type, '')
    FROM company_profiles ORDER BY symbol
"""


def symbol_factors(
    connection: Connection, session: date, symbols: Sequence[str] | None = None
) -> SymbolFactors:
    """Betas of the given symbols at a session, or of all; those without any are absent."""
    numbers = (*BETA_COLUMNS, *JOINT_COLUMNS, "provider_beta")
    rows = fetch_columns(
        connection,
        FACTORS,
        {"session": session, "symbols": None if symbols is None else list(symbols)},
        {"symbol": "text", **dict.fromkeys(numbers, "float")},
    )
    return SymbolFactors(
        tuple(rows["symbol"].tolist()),
        np.column_stack([rows[name] for name in BETA_COLUMNS]),
        np.column_stack([rows[name] for name in JOINT_COLUMNS]),
        rows["provider_beta"],
    )


def factor_covariance(connection: Connection, session: date) -> FactorCovariance:
    """How the proxies move together; all NaN when the session has no covariances."""
    size = len(PROXIES)
    covariance = np.full((size, size), np.nan)
    correlation = np.full((size, size), np.nan)
    place = {proxy: number for number, proxy in enumerate(PROXIES)}
    observations = 0
    for first, second, cov, corr, count in connection.execute(PAIRS, {"session": session}):
        i, j = place[first], place[second]
        covariance[i, j] = covariance[j, i] = cov
        correlation[i, j] = correlation[j, i] = corr
        observations = count
    slopes: dict[str, float | None] = dict(
        connection.execute(SLOPES, {"session": session}).fetchall()
    )
    market_slopes = np.array([slopes.get(proxy) for proxy in PROXIES[2:]], dtype=np.float64)
    return FactorCovariance(covariance, correlation, observations, market_slopes)


def profiles(connection: Connection) -> Profiles:
    """Sector and kind of every known company."""
    types = {"symbol": "text", "sector": "text", "quote_type": "text"}
    rows = fetch_columns(connection, PROFILES, {}, types)
    return Profiles(symbols=tuple(rows.pop("symbol").tolist()), **rows)
