"""The portfolio layer the textbook way: one portfolio after another, with pandas.

For each it reads lots, prices and betas, computes with frames, and writes rows with executemany.
It makes no accounts of past sessions, no forecasts and no clusters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psycopg import Connection

from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS

TABLE = """
    CREATE TEMPORARY TABLE results_by_loop (portfolio_id uuid, name text, value float8, body jsonb)
"""
LOTS = "SELECT symbol, quantity::float8 FROM positions WHERE portfolio_id = %s"
PRICES = """
    SELECT date, symbol, adj_close::float8 FROM market_data_cache
    WHERE symbol = ANY(%s) AND date BETWEEN %s AND %s
"""
BETAS = f"""
    SELECT symbol, {", ".join((*BETA_COLUMNS, *JOINT_COLUMNS))} FROM symbol_factor_exposures
    WHERE symbol = ANY(%s) AND calculation_date = %s
"""
WRITE = "INSERT INTO results_by_loop VALUES (%s, %s, %s, %s)"


def each_portfolio(
    connection: Connection,
    chosen: Sequence[str],
    first: date,
    session: date,
    moves: NDArray[np.float64],
) -> None:
    """moves: (K, 8), what each scenario does to the factor proxies."""
    connection.execute(TABLE)
    for portfolio in chosen:
        lots = pd.DataFrame(connection.execute(LOTS, (portfolio,)), columns=["symbol", "quantity"])
        quantity = lots.groupby("symbol")["quantity"].sum()
        symbols = list(quantity.index)
        rows = connection.execute(PRICES, (symbols, first, session)).fetchall()
        prices = pd.DataFrame(rows, columns=["date", "symbol", "price"]).pivot(
            index="date", columns="symbol", values="price"
        )
        betas = pd.DataFrame(
            connection.execute(BETAS, (symbols, session)).fetchall(),
            columns=["symbol", *BETA_COLUMNS, *JOINT_COLUMNS],
        ).set_index("symbol")
        figures, correlation = _figures(quantity, prices, betas.loc[symbols], moves)
        results = [
            *((portfolio, name, value, None) for name, value in figures.items()),
            (portfolio, "correlations", None, json.dumps(correlation)),
        ]
        with connection.cursor() as cursor:
            cursor.executemany(WRITE, results)
        connection.commit()


def _figures(
    quantity: pd.Series[float],
    prices: pd.DataFrame,
    betas: pd.DataFrame,
    moves: NDArray[np.float64],
) -> tuple[dict[str, float], list[float | None]]:
    """Figures by name, and the upper triangle of the correlation matrix."""
    value = quantity * prices.iloc[-1]
    weight, share = value / value.sum(), value.abs() / value.abs().sum()
    returns = prices.pct_change(fill_method=None)
    past = (returns * weight).sum(axis=1)
    upper = np.triu_indices(len(value), 1)
    rho = returns.tail(90).apply(np.log1p).corr(min_periods=30).to_numpy()[upper]
    pairs = np.outer(share, share)[upper]
    modelled = (betas[list(JOINT_COLUMNS)].to_numpy() @ moves.T).clip(-1.0)
    stress = pd.DataFrame(modelled, value.index).mul(value, axis=0).sum()
    figures = {
        **{name: float((betas[name] * weight).sum()) for name in BETA_COLUMNS},
        **{f"scenario {number}": float(pnl) for number, pnl in stress.items()},
        "realized_volatility_21d": past.tail(21).std(ddof=0) * np.sqrt(252),
        "realized_volatility_63d": past.tail(63).std(ddof=0) * np.sqrt(252),
        "hhi": 10_000 * (share**2).sum(),
        "overall_correlation": (np.abs(rho) * pairs).sum() / pairs.sum(),
    }
    return figures, [None if np.isnan(value) else value for value in rho.tolist()]
