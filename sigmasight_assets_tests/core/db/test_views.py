"""The long forms say exactly what the wide and packed rows say."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.tables import correlation_matrices, symbol_factor_exposures
from sigmasight_assets.core.db.write.slices import Slice, write_session
from sigmasight_assets_tests.builders import claim, day
from sigmasight_assets_tests.core.db.example_rows import PORTFOLIO_IDS, example_rows

SESSION = day("2025-07-01")

# Written out by hand from the methodology, section 3.
LONG_FORM = {
    "Market Beta (90D)": ("market_beta", "market_r_squared", "observations_90", "ols", 90),
    "IR Beta": ("ir_beta", "ir_r_squared", "observations_90", "ols", 90),
    "Momentum": ("momentum_beta", "style_r_squared", "observations_90", "ridge", 90),
    "Value": ("value_beta", "style_r_squared", "observations_90", "ridge", 90),
    "Growth": ("growth_beta", "style_r_squared", "observations_90", "ridge", 90),
    "Size": ("size_beta", "style_r_squared", "observations_90", "ridge", 90),
    "Quality": ("quality_beta", "style_r_squared", "observations_90", "ridge", 90),
    "Low Volatility": ("low_volatility_beta", "style_r_squared", "observations_90", "ridge", 90),
    "Growth-Value Spread": (
        "growth_value_spread",
        "growth_value_spread_r_squared",
        "observations_180",
        "spread",
        180,
    ),
    "Momentum Spread": (
        "momentum_spread",
        "momentum_spread_r_squared",
        "observations_180",
        "spread",
        180,
    ),
    "Size Spread": ("size_spread", "size_spread_r_squared", "observations_180", "spread", 180),
    "Quality Spread": (
        "quality_spread",
        "quality_spread_r_squared",
        "observations_180",
        "spread",
        180,
    ),
    "Provider Beta (1Y)": ("provider_beta", None, None, "provider", None),
}


def test_each_beta_appears_under_its_factor_with_its_own_fit(database: Database) -> None:
    rows = dict(example_rows(symbol_factor_exposures, SESSION, 1, rows=2))
    numbers = [name for name, values in rows.items() if values.dtype.kind in "fi"]
    for place, name in enumerate(numbers):
        first = place + 1
        rows[name] = np.array([first, 100 + first], dtype=rows[name].dtype)
    rows["quality_beta"] = np.array([np.nan, 5.0])
    rows["quality_flag"] = np.array(["full_history", "limited_history"])
    held = claim(database, Layer.SYMBOLS, [SESSION], "a")
    write_session(database, held, SESSION, [Slice(symbol_factor_exposures, rows)])
    with database.connection() as connection:
        found = connection.execute(
            "SELECT symbol, factor_name, calculation_date, beta_value, r_squared, observations, "
            "quality_flag, calculation_method, regression_window_days "
            "FROM symbol_factor_exposures_by_factor"
        ).fetchall()

    def at(name: str | None, row: int) -> float | None:
        value = None if name is None else rows[name][row].item()
        return None if value is None or np.isnan(value) else value

    assert sorted(found) == sorted(
        (symbol, factor, SESSION, at(beta, row), at(fit, row), at(count, row), flag, method, window)
        for row, (symbol, flag) in enumerate(
            (("K0000", "full_history"), ("K0001", "limited_history"))
        )
        for factor, (beta, fit, count, method, window) in LONG_FORM.items()
    )


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 9])
def test_each_pair_has_its_own_correlation(database: Database, size: int) -> None:
    symbols = [f"S{n}" for n in range(size)]
    pairs = list(combinations(symbols, 2))
    values = [None if k % 5 == 3 else round(0.9 - 0.01 * k, 2) for k in range(len(pairs))]
    counts = [60 + k for k in range(len(pairs))]
    other = [[f"T{n}" for n in range(3)], [0.5, None, -0.5], [90, 0, 70]]

    def documents(*items: object) -> np.ndarray:
        column = np.empty(len(items), dtype=object)
        column[:] = list(items)
        return column

    rows = {
        "portfolio_id": np.array(PORTFOLIO_IDS[:2]),
        "calculation_date": np.full(2, np.datetime64(SESSION)),
        "symbols": documents(symbols, other[0]),
        "correlations": documents(values, other[1]),
        "observations": documents(counts, other[2]),
    }
    held = claim(database, Layer.PORTFOLIOS, [SESSION], "a")
    write_session(database, held, SESSION, [Slice(correlation_matrices, rows)])
    with database.connection() as connection:
        found = connection.execute(
            "SELECT portfolio_id::text, calculation_date, symbol_1, symbol_2, correlation_value, "
            "data_points FROM pairwise_correlations ORDER BY 1, 3, 4"
        ).fetchall()
    expected = [
        (PORTFOLIO_IDS[0], SESSION, one, two, value, count)
        for (one, two), value, count in zip(pairs, values, counts, strict=True)
    ]
    expected += [
        (PORTFOLIO_IDS[1], SESSION, "T0", "T1", 0.5, 90),
        (PORTFOLIO_IDS[1], SESSION, "T0", "T2", None, 0),
        (PORTFOLIO_IDS[1], SESSION, "T1", "T2", -0.5, 70),
    ]
    assert found == sorted(expected, key=lambda row: (row[0], row[2], row[3]))
