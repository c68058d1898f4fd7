"""Betas against statsmodels and scikit-learn, and what a missing price does to them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from sigmasight_assets.core.db.tables import symbol_factor_exposures as table
from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS
from sigmasight_assets.core.risk.symbol_factor_exposures import belongs, symbol_factor_exposures
from sigmasight_assets.core.shapes.panel import Columns
from sigmasight_assets_tests.oracles_symbols import SymbolOracle
from sigmasight_assets_tests.symbol_panels import (
    LAST,
    PROXY_NAMES,
    needs_real_prices,
    panel_of,
    real_prices,
    row_of,
    synthetic_prices,
    without,
)

PRICES = synthetic_prices()
GROUPS = ("market", "ir", "style", "spread", "joint")


def exposures(prices: pd.DataFrame, session: date = LAST) -> Columns:
    return symbol_factor_exposures(panel_of(prices), session)


def assert_equals_oracle(columns: Columns, prices: pd.DataFrame, session: date) -> None:
    oracle = SymbolOracle(prices, session)
    for symbol in columns["symbol"].tolist():
        expected, actual = oracle.row(symbol), row_of(columns, symbol)
        for name, value in expected.items():
            context = f"{symbol} {name} on {session}"
            if isinstance(value, float):
                assert actual[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (
                    context
                )
            else:
                assert actual[name] == value, context


def test_the_rows_have_exactly_the_columns_of_the_table():
    assert set(exposures(PRICES)) == {column.name for column in table.columns}


def test_every_figure_equals_statsmodels_and_scikit_learn_with_gaps_in_symbols_and_proxies():
    rng = np.random.default_rng(3)
    holed = PRICES.mask(rng.random(PRICES.shape) < 0.03)
    holed.loc[pd.Timestamp(LAST), list(PROXY_NAMES)] = PRICES.loc[pd.Timestamp(LAST)]
    holed.iloc[:-50, holed.columns.get_loc("S001")] = np.nan
    holed.iloc[:-75, holed.columns.get_loc("S002")] = np.nan
    holed.iloc[-12:, holed.columns.get_loc("S003")] = np.nan
    assert_equals_oracle(exposures(holed), holed, LAST)


@needs_real_prices
def test_every_figure_of_200_real_symbols_equals_statsmodels_and_scikit_learn():
    prices = real_prices()
    prices = prices[[*PROXY_NAMES, *_telling_symbols(prices)]].sort_index(axis=1)
    panel = panel_of(prices)
    for position in (-1, -40, -150):
        session = prices.index[position].date()
        columns = symbol_factor_exposures(panel, session)
        assert_equals_oracle(columns, prices, session)


def _telling_symbols(prices: pd.DataFrame) -> list[str]:
    """192 symbols: every gappy and delisted one that fits, short histories, and whole ones."""
    known = prices.notna().to_numpy()
    count, first = known.sum(axis=0), known.argmax(axis=0)
    after_last = known[::-1].argmax(axis=0)
    gappy = (count < len(known) - first - after_last) | (after_last > 0)
    short, whole = ~gappy & (first > 0), ~gappy & (first == 0)
    rng = np.random.default_rng(11)
    chosen = [np.flatnonzero(gappy)[:40]]
    chosen += [rng.choice(np.flatnonzero(short), 80, replace=False)]
    chosen += [rng.choice(np.flatnonzero(whole), 192 - 80 - len(chosen[0]), replace=False)]
    return [name for name in prices.columns[np.concatenate(chosen)] if name not in PROXY_NAMES]


def test_spy_and_tlt_are_themselves_in_the_joint_model():
    columns = exposures(PRICES)
    for symbol, expected in (("SPY", np.eye(8)[0]), ("TLT", np.eye(8)[1])):
        row = row_of(columns, symbol)
        actual = np.array([row[name] for name in JOINT_COLUMNS])
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-9)
        assert row["residual_volatility"] == pytest.approx(0.0, abs=1e-12)
        assert row["joint_r_squared"] == pytest.approx(1.0, abs=1e-12)
    assert row_of(columns, "SPY")["market_beta"] == pytest.approx(1.0, abs=1e-12)
    assert row_of(columns, "TLT")["ir_beta"] == pytest.approx(1.0, abs=1e-12)


def test_a_symbol_without_a_price_on_t_keeps_its_factors():
    holed = without(PRICES, "S000", -1)
    row = row_of(exposures(holed), "S000")
    assert row["observations_90"] == 89
    assert all(row[f"{group}_reason"] == "" for group in GROUPS)
    assert np.isfinite([row[name] for name in (*BETA_COLUMNS, *JOINT_COLUMNS)]).all()


def test_a_symbol_belongs_while_it_has_a_close_in_the_last_20_sessions():
    holed = without(without(PRICES, "S000", slice(-19, None)), "S001", slice(-20, None))
    panel = panel_of(holed)
    by_symbol = dict(zip(panel.symbols, belongs(panel, LAST).tolist(), strict=True))
    assert by_symbol.pop("S001") is False
    assert all(by_symbol.values())
    assert "S000" in exposures(holed)["symbol"]
    assert "S001" not in exposures(holed)["symbol"]


@pytest.mark.parametrize(
    ("proxy", "missing"),
    [
        ("SPY", {"market", "spread", "joint"}),
        ("TLT", {"ir", "joint"}),
        ("USMV", {"style", "joint"}),
        ("MTUM", {"style", "spread", "joint"}),
        ("VTV", {"style", "spread", "joint"}),
    ],
)
def test_a_missing_benchmark_price_on_t_withholds_exactly_the_factors_that_need_it(proxy, missing):
    columns = exposures(without(PRICES, proxy, -1))
    for group in GROUPS:
        expected = "no_benchmark" if group in missing else ""
        assert set(columns[f"{group}_reason"]) == {expected}, group
    assert np.isnan(columns["joint_market"]).all()


def test_spreads_that_can_be_computed_are_kept_beside_one_that_cannot():
    row = row_of(exposures(without(PRICES, "MTUM", -1)), "S000")
    assert row["spread_reason"] == "no_benchmark"
    assert np.isnan(row["momentum_spread"])
    assert np.isnan(row["momentum_spread_r_squared"])
    others = [row[name] for name in ("growth_value_spread", "size_spread", "quality_spread")]
    assert np.isfinite(others).all()


def test_an_earlier_hole_in_a_benchmark_only_shortens_the_samples():
    row = row_of(exposures(without(PRICES, "SPY", -10)), "S000")
    assert (row["observations_90"], row["observations_180"]) == (88, 178)
    assert all(row[f"{group}_reason"] == "" for group in GROUPS)


def test_without_proxies_in_the_panel_every_group_says_no_benchmark():
    columns = exposures(PRICES.drop(columns=list(PROXY_NAMES)))
    assert len(columns["symbol"]) == 12
    assert all(set(columns[f"{group}_reason"]) == {"no_benchmark"} for group in GROUPS)
    assert set(columns["observations_180"]) == {0}
    assert set(columns["quality_flag"]) == {"insufficient_history"}


@pytest.mark.parametrize(
    ("bars", "flag", "short_reason", "long_reason"),
    [
        (1, "insufficient_history", "no_price", "no_price"),
        (2, "insufficient_history", "insufficient_history", "insufficient_history"),
        (30, "insufficient_history", "insufficient_history", "insufficient_history"),
        (31, "limited_history", "", "insufficient_history"),
        (60, "limited_history", "", "insufficient_history"),
        (61, "limited_history", "", ""),
        (86, "limited_history", "", ""),
        (87, "full_history", "", ""),
        (90, "full_history", "", ""),
    ],
)
def test_a_new_listing_earns_its_factors_as_returns_accumulate(
    bars, flag, short_reason, long_reason
):
    row = row_of(exposures(without(PRICES, "S000", slice(0, -bars))), "S000")
    assert row["observations_90"] == bars - 1
    assert row["quality_flag"] == flag
    assert [row[f"{group}_reason"] for group in GROUPS] == [short_reason] * 3 + [long_reason] * 2
    assert np.isfinite(row["market_beta"]) == (short_reason == "")
    assert np.isfinite(row["joint_market"]) == (long_reason == "")


def test_no_returns_in_the_90_sessions_is_no_price_and_does_not_touch_the_longer_window():
    """Sparse quotes: every other session in the last 95, so never two prices in a row."""
    row = row_of(exposures(without(PRICES, "S000", slice(-95, None, 2))), "S000")
    assert row["market_reason"] == row["ir_reason"] == row["style_reason"] == "no_price"
    assert row["joint_reason"] == row["spread_reason"] == ""
    assert (row["observations_90"], row["observations_180"]) == (0, 85)


@pytest.mark.parametrize("growth", [0.0, 0.0007], ids=["constant price", "constant return"])
def test_returns_that_do_not_vary_have_betas_of_zero_and_no_r_squared(growth):
    flat = PRICES.assign(S000=12.34 * (1.0 + growth) ** np.arange(len(PRICES)))
    row = row_of(exposures(flat), "S000")
    assert [row[name] for name in BETA_COLUMNS] == pytest.approx([0.0] * 12, abs=1e-12)
    assert row["residual_volatility"] == pytest.approx(0.0, abs=1e-12)
    assert all(np.isnan(value) for name, value in row.items() if name.endswith("r_squared"))
    assert all(row[f"{group}_reason"] == "" for group in GROUPS)


def test_a_benchmark_that_does_not_move_in_a_sample_is_no_benchmark_for_that_symbol():
    """TLT stands still for the last 70 sessions, which is all that S000 has seen."""
    still = without(PRICES, "S000", slice(0, -70))
    still.iloc[-70:, still.columns.get_loc("TLT")] = 91.7
    columns = exposures(still)
    assert row_of(columns, "S000")["ir_reason"] == "no_benchmark"
    assert row_of(columns, "S000")["joint_reason"] == "no_benchmark"
    assert row_of(columns, "S000")["market_reason"] == ""
    assert np.isnan(row_of(columns, "S000")["ir_beta"])
    assert row_of(columns, "S001")["ir_reason"] == row_of(columns, "S001")["joint_reason"] == ""


def test_two_benchmarks_that_move_as_one_leave_the_joint_betas_undetermined():
    columns = exposures(PRICES.assign(TLT=2.0 * PRICES["SPY"]))
    assert set(columns["joint_reason"]) == {"no_benchmark"}
    assert np.isnan(columns["joint_market"]).all()


def test_a_market_that_never_moves_is_no_benchmark():
    columns = exposures(PRICES.assign(SPY=500.0))
    assert set(columns["market_reason"]) == set(columns["joint_reason"]) == {"no_benchmark"}
    assert set(columns["ir_reason"]) == {""}


def test_extreme_betas_are_clipped_and_say_so():
    spy = PRICES["SPY"].pct_change(fill_method=None).fillna(0.0)
    columns = exposures(PRICES.assign(S000=(1 + 7 * spy).cumprod(), S001=(1 - 12 * spy).cumprod()))
    seven, minus_twelve = row_of(columns, "S000"), row_of(columns, "S001")
    assert (seven["market_beta"], minus_twelve["market_beta"]) == (5.0, -5.0)
    assert seven["joint_market"] == pytest.approx(7.0, abs=1e-9)
    assert minus_twelve["joint_market"] == -10.0
    assert seven["capped"]
    assert minus_twelve["capped"]
    assert seven["market_r_squared"] == pytest.approx(1.0, abs=1e-12)
    assert not row_of(columns, "SPY")["capped"]


def test_a_beta_that_is_withheld_is_not_capped():
    spy = PRICES["SPY"].pct_change(fill_method=None).fillna(0.0)
    listed = without(PRICES.assign(S000=(1 + 7 * spy).cumprod()), "S000", slice(0, -25))
    row = row_of(exposures(listed), "S000")
    assert row["market_reason"] == "insufficient_history"
    assert not row["capped"]


def test_provider_betas_are_copied_by_symbol():
    panel = panel_of(without(PRICES, "S000", slice(-30, None)))
    given = np.arange(len(panel.symbols), dtype=np.float64)
    columns = symbol_factor_exposures(panel, LAST, given)
    assert row_of(columns, "S005")["provider_beta"] == panel.symbols.index("S005")
    assert np.isnan(exposures(PRICES)["provider_beta"]).all()
