"""Returns between consecutive sessions only, and windows that end at a session."""

from __future__ import annotations

import numpy as np
import pytest

from sigmasight_assets.core.risk.returns import (
    BLOCK,
    blocks,
    log_returns,
    of_proxies,
    simple_returns,
    window,
)
from sigmasight_assets_tests.symbol_panels import PROXY_NAMES, panel_of, synthetic_prices

NAN = np.nan
PRICES = np.array([[100.0, NAN], [110.0, 50.0], [NAN, 40.0], [99.0, 40.0], [198.0, 60.0]])


def test_a_simple_return_is_the_price_ratio_less_one():
    expected = [[NAN, NAN], [0.1, NAN], [NAN, -0.2], [NAN, 0.0], [1.0, 0.5]]
    np.testing.assert_allclose(simple_returns(PRICES), expected, rtol=1e-14)


def test_a_log_return_is_the_logarithm_of_the_price_ratio():
    logs = log_returns(PRICES)
    assert logs[4] == pytest.approx([0.6931471805599453, 0.4054651081081644], rel=1e-14)
    assert np.array_equal(np.isnan(logs), np.isnan(simple_returns(PRICES)))


def test_no_return_joins_prices_across_a_gap():
    returns = simple_returns(PRICES)
    assert np.isnan(returns[2, 0])
    assert np.isnan(returns[3, 0])


def test_unusable_prices_give_no_return_and_never_an_infinity():
    column = np.array([[1.0], [0.0], [2.0], [-1.0], [1e-300], [1e300], [3.0]])
    for function in (simple_returns, log_returns):
        assert np.isnan(function(column)).sum() == 6
        assert np.isfinite(function(column)[6, 0])


def test_a_panel_without_sessions_has_no_returns():
    assert simple_returns(np.empty((0, 3))).shape == (0, 3)


def test_a_window_ends_at_its_row():
    np.testing.assert_array_equal(window(PRICES, 4, 2), PRICES[3:5])
    np.testing.assert_array_equal(window(PRICES, 2, 3), PRICES[0:3])


def test_a_window_that_starts_before_the_panel_is_filled_with_absent_sessions():
    long = window(PRICES, 1, 5)
    assert long.shape == (5, 2)
    assert np.isnan(long[:3]).all()
    np.testing.assert_array_equal(long[3:], PRICES[:2])


def test_a_window_that_ends_before_the_panel_is_all_absent():
    assert np.isnan(window(PRICES, -1, 3)).all()
    assert window(PRICES, -1, 3).shape == (3, 2)


def test_proxies_come_in_one_order_and_an_absent_one_is_nan():
    prices = synthetic_prices().drop(columns="QUAL")
    panel = panel_of(prices)
    proxies = of_proxies(panel, panel.adj_close)
    for place, name in enumerate(PROXY_NAMES):
        if name == "QUAL":
            assert np.isnan(proxies[:, place]).all()
        else:
            np.testing.assert_array_equal(proxies[:, place], prices[name].to_numpy())


def test_blocks_have_one_width_and_hold_every_column_in_order():
    matrix = np.arange(3.0 * (BLOCK + 5)).reshape(3, -1)
    parts = list(blocks(matrix))
    assert [part.shape for part in parts] == [(3, BLOCK), (3, BLOCK)]
    np.testing.assert_array_equal(np.hstack(parts)[:, : BLOCK + 5], matrix)
    assert np.isnan(parts[1][:, 5:]).all()
