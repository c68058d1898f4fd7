"""Factor rows bit for bit: what may share a run, and what may not matter."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from sigmasight_assets.core.risk.returns import simple_returns
from sigmasight_assets.core.risk.symbol_factor_exposures import symbol_factor_exposures
from sigmasight_assets.core.shapes.panel import Columns
from sigmasight_assets_tests.symbol_panels import (
    LAST,
    PROXY_NAMES,
    SESSIONS,
    panel_of,
    rows_of,
    synthetic_prices,
    without,
)

PRICES = synthetic_prices()


def exposures(prices: pd.DataFrame, session: date = LAST) -> Columns:
    return symbol_factor_exposures(panel_of(prices), session)


def test_a_gap_of_one_symbol_changes_no_bit_of_another():
    others = [name for name in PRICES.columns if name != "S000"]
    holed = without(PRICES, "S000", slice(-60, -20), -3)
    assert rows_of(exposures(holed), others) == rows_of(exposures(PRICES), others)


def test_prices_after_t_change_nothing_at_t():
    session = SESSIONS[-31]
    rng = np.random.default_rng(5)
    altered = PRICES.copy()
    altered.iloc[-30:] *= rng.uniform(0.5, 1.5, (30, PRICES.shape[1]))
    names = list(PRICES.columns)
    assert rows_of(exposures(altered, session), names) == rows_of(exposures(PRICES, session), names)
    assert rows_of(exposures(PRICES.iloc[:-30], session), names) == rows_of(
        exposures(PRICES, session), names
    )


def test_results_do_not_depend_on_how_much_older_history_the_panel_holds():
    names = list(PRICES.columns)
    assert rows_of(exposures(PRICES.iloc[-281:]), names) == rows_of(
        exposures(PRICES.iloc[-351:]), names
    )


def test_a_panel_shorter_than_the_window_is_history_that_is_absent():
    absent = PRICES.copy()
    absent.iloc[:-100] = np.nan
    names = list(PRICES.columns)
    assert rows_of(exposures(PRICES.iloc[-100:]), names) == rows_of(exposures(absent), names)


def test_precomputed_returns_give_the_same_bits():
    panel = panel_of(PRICES)
    given = symbol_factor_exposures(panel, LAST, returns=simple_returns(panel.adj_close))
    names = list(PRICES.columns)
    assert rows_of(given, names) == rows_of(exposures(PRICES), names)


def test_no_bit_depends_on_which_symbols_share_the_run_or_in_what_order():
    many = synthetic_prices(stocks=1100).mask(
        np.random.default_rng(9).random((len(SESSIONS), 1108)) < 0.02
    )
    many[list(PROXY_NAMES)] = synthetic_prices(stocks=1100)[list(PROXY_NAMES)]
    together = exposures(many)
    for name in ("S000", "S503", "S504", "S511", "S512", "S777", "S1099"):
        alone = exposures(many[[*PROXY_NAMES, name]])
        assert rows_of(alone, [name]) == rows_of(together, [name]), name
    stocks = [name for name in many.columns if name not in PROXY_NAMES]
    shuffled = np.random.default_rng(2).permutation(stocks).tolist()
    renamed = many.rename(columns=dict(zip(stocks, shuffled, strict=True)))
    permuted = exposures(renamed)
    for old, new in zip(stocks[::10], shuffled[::10], strict=True):
        expected, actual = rows_of(together, [old]), rows_of(permuted, [new])
        del expected["symbol"], actual["symbol"]
        assert actual == expected, old
