"""The proxies' covariance against weighted textbook routines, and when there is none."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core.db import tables
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.risk.factor_covariances import (
    factor_correlations,
    factor_covariance,
    factor_covariances,
    factor_market_slopes,
    market_slopes,
)
from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.shapes.factors import FactorCovariance
from sigmasight_assets_tests.oracles_symbols import SymbolOracle, ewma_covariance
from sigmasight_assets_tests.symbol_panels import (
    LAST,
    PROXY_NAMES,
    SESSIONS,
    needs_real_prices,
    panel_of,
    real_prices,
    synthetic_prices,
)

PRICES = synthetic_prices(stocks=2)


def estimated(prices: pd.DataFrame, session: date = LAST) -> FactorCovariance:
    return factor_covariance(panel_of(prices), session)


def holed_prices() -> pd.DataFrame:
    return PRICES.mask(np.random.default_rng(4).random(PRICES.shape) < 0.02)


def bits(estimate: FactorCovariance) -> tuple[object, ...]:
    arrays = (estimate.covariance, estimate.correlation, estimate.market_slopes)
    return estimate.observations, *(array.tobytes() for array in arrays)


def assert_equals_oracle(prices: pd.DataFrame, session: date) -> None:
    estimate = estimated(prices, session)
    covariance, correlation, observations = ewma_covariance(prices, session)
    slopes = SymbolOracle(prices, session).slopes
    assert estimate.observations == observations
    np.testing.assert_allclose(estimate.covariance, covariance, rtol=1e-10)
    np.testing.assert_allclose(estimate.correlation, correlation, rtol=1e-10)
    expected = [slopes[proxy] for proxy in PROXIES[2:]]
    np.testing.assert_allclose(estimate.market_slopes, expected, rtol=1e-10)


def test_covariance_and_slopes_equal_the_textbook_routines():
    assert_equals_oracle(PRICES, LAST)


def test_sessions_without_all_eight_returns_are_left_out_and_the_others_keep_their_age():
    holed = holed_prices()
    assert estimated(holed).observations < 200
    assert_equals_oracle(holed, LAST)


@needs_real_prices
def test_covariance_and_slopes_of_the_real_proxies_equal_the_textbook_routines():
    prices = real_prices(list(PROXY_NAMES))
    for position in (-1, -77, -190):
        assert_equals_oracle(prices, prices.index[position].date())


def test_no_mean_is_subtracted():
    """Every proxy gains 1 % a session: the mean square is 0.0001, the variance about a mean 0."""
    rising = 100 * 1.01 ** np.arange(len(PRICES))
    steady = PRICES.assign(**dict.fromkeys(PROXY_NAMES, rising))
    np.testing.assert_allclose(estimated(steady).covariance, np.full((8, 8), 1e-4), rtol=1e-9)


def test_the_matrices_are_symmetric_with_a_diagonal_of_ones_in_the_correlation():
    estimate = estimated(holed_prices())
    np.testing.assert_array_equal(estimate.covariance, estimate.covariance.T)
    np.testing.assert_array_equal(estimate.correlation, estimate.correlation.T)
    np.testing.assert_array_equal(np.diag(estimate.correlation), np.ones(8))


@pytest.mark.parametrize(("returns", "known"), [(59, False), (60, True)])
def test_sixty_sessions_are_the_least(returns, known):
    short = PRICES.copy()
    short.iloc[: -returns - 1, short.columns.get_loc("QUAL")] = np.nan
    estimate = estimated(short)
    assert estimate.observations == returns
    assert np.isfinite(estimate.covariance).all() == known
    assert np.isfinite(estimate.correlation).all() == known
    assert np.isfinite(estimate.market_slopes[PROXIES[2:].index("QUAL")]) == known
    assert np.isfinite(np.delete(estimate.market_slopes, PROXIES[2:].index("QUAL"))).all()


def test_a_proxy_that_never_moved_leaves_no_covariance_to_condition_on():
    estimate = estimated(PRICES.assign(TLT=90.0))
    assert np.isnan(estimate.covariance).all()
    assert np.isnan(estimate.correlation).all()
    assert estimate.observations == 252


def test_without_proxies_there_is_nothing_and_it_says_so():
    estimate = estimated(PRICES[["S000", "S001"]])
    assert estimate.observations == 0
    assert np.isnan(estimate.covariance).all()
    assert np.isnan(estimate.market_slopes).all()
    assert len(factor_covariances(estimate, LAST)["covariance"]) == 0
    assert len(factor_correlations(estimate, LAST)["correlation"]) == 0
    slopes = factor_market_slopes(estimate, LAST)
    assert slopes["reason"].tolist() == ["insufficient_history"] * 6


def test_a_market_whose_return_never_varies_has_no_slopes():
    for steps in (np.zeros(len(PRICES)), np.arange(len(PRICES))):
        steady = PRICES.assign(SPY=500.0 * 1.0003**steps)
        assert np.isnan(market_slopes(panel_of(steady), LAST)).all()


def test_nothing_depends_on_later_prices_other_symbols_or_older_history():
    session = SESSIONS[-21]
    reference = bits(estimated(PRICES, session))
    altered = PRICES.copy()
    altered.iloc[-20:] *= 1.7
    assert bits(estimated(altered, session)) == reference
    assert bits(estimated(PRICES[list(PROXY_NAMES)], session)) == reference
    assert bits(estimated(PRICES.iloc[-20 - 281 :], session)) == reference
    panel = panel_of(PRICES)
    assert bits(factor_covariance(panel, session, simple_returns(panel.adj_close))) == reference


def test_pairs_are_stored_once_in_byte_order_with_the_columns_of_their_tables():
    estimate = estimated(PRICES)
    for rows, name, matrix, table in (
        (
            factor_covariances(estimate, LAST),
            "covariance",
            estimate.covariance,
            tables.factor_covariances,
        ),
        (
            factor_correlations(estimate, LAST),
            "correlation",
            estimate.correlation,
            tables.factor_correlations,
        ),
    ):
        assert set(rows) == {column.name for column in table.columns}
        pairs = list(zip(rows["factor_1"].tolist(), rows["factor_2"].tolist(), strict=True))
        assert len(pairs) == 36
        assert pairs == sorted(pairs)
        assert all(first <= second for first, second in pairs)
        for (first, second), value in zip(pairs, rows[name].tolist(), strict=True):
            assert value == matrix[PROXIES.index(first), PROXIES.index(second)]
        assert set(rows["observations"].tolist()) == {252}
        assert set(rows["calculation_date"].tolist()) == {LAST}


def test_six_slopes_are_stored_and_a_missing_one_has_its_reason():
    short = PRICES.copy()
    short.iloc[:-20, short.columns.get_loc("MTUM")] = np.nan
    estimate = estimated(short)
    rows = factor_market_slopes(estimate, LAST)
    assert set(rows) == {column.name for column in tables.factor_market_slopes.columns}
    assert rows["factor"].tolist() == ["IWM", "MTUM", "QUAL", "USMV", "VTV", "VUG"]
    assert rows["reason"].tolist() == ["", "insufficient_history", "", "", "", ""]
    for factor, slope in zip(rows["factor"].tolist(), rows["slope"].tolist(), strict=True):
        expected = estimate.market_slopes[PROXIES[2:].index(factor)]
        assert slope == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
