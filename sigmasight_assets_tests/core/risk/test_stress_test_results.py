"""Stress P&L by hand, by the checks of the methodology, and as properties of any book."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from sigmasight_assets.core.db import tables
from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS
from sigmasight_assets.core.risk.factor_covariances import factor_covariance
from sigmasight_assets.core.risk.factor_exposures import factor_exposures
from sigmasight_assets.core.risk.market_risk_scenarios import market_risk_scenarios
from sigmasight_assets.core.risk.scenarios import Scenario, load_scenarios
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity
from sigmasight_assets.core.risk.stress_test_results import stress_test_results
from sigmasight_assets.core.risk.symbol_factor_exposures import symbol_factor_exposures
from sigmasight_assets.core.shapes.factors import FactorCovariance, SymbolFactors
from sigmasight_assets_tests.core.risk.valued_books import (
    SESSION,
    Betas,
    Held,
    Owned,
    bits_of,
    factors_of,
    owned,
    portfolios_drawn,
    random_factors,
    records,
    valued,
)
from sigmasight_assets_tests.symbol_panels import (
    PROXY_NAMES,
    needs_real_prices,
    panel_of,
    real_prices,
    synthetic_prices,
)

SCENARIOS = load_scenarios()
# Independent proxies: what is not shocked is not expected to move, and the slopes are 1.
INDEPENDENT = FactorCovariance(np.eye(8) * 1e-4, np.eye(8), 252, np.ones(6))
UNKNOWN = FactorCovariance(np.full((8, 8), np.nan), np.full((8, 8), np.nan), 40, np.ones(6))

KNOWN = factors_of(
    {
        "A": Betas(
            {"market_beta": 1.5, "ir_beta": 0.2, "size_beta": 0.4, "value_beta": 0.3},
            joint=(1.2, 0.1, 0.5, 0.0, 0.0, 0.0, 0.7, 0.0),
        ),
        "B": Betas({"market_beta": 0.5}),
        "WILD": Betas({"market_beta": 5.0}, joint=(5.0, 0, 0, 0, 0, 0, 0, 0)),
        "STYLE": Betas({"value_beta": 1.0}),
    }
)


def stressed(*owners, factors=KNOWN, covariance=INDEPENDENT, scenarios=SCENARIOS, **settings_):
    book, valuation = valued(*owners)
    exposures = factor_exposures(book, valuation, factors, SESSION)
    return stress_test_results(
        book, valuation, exposures, factors, covariance,
        scenarios=scenarios, session=SESSION, **settings_,
    )  # fmt: skip


def market_risk(*owners, factors=KNOWN, covariance=INDEPENDENT):
    book, valuation = valued(*owners)
    exposures = factor_exposures(book, valuation, factors, SESSION)
    return market_risk_scenarios(book, valuation, exposures, factors, covariance, session=SESSION)


def result(rows, scenario, portfolio="p"):
    found = [
        each
        for each in records(rows)
        if (each["portfolio_id"], each["scenario_id"]) == (portfolio, scenario)
    ]
    assert len(found) == 1
    return found[0]


def scenario(scenario_id, style_shocks="excess", **shocks):
    return Scenario(
        scenario_id=scenario_id,
        name="x",
        description="x",
        category="market",
        severity="base",
        shocks=shocks,
        style_shocks=style_shocks,
        is_active=True,
        display_order=1,
    )


def test_direct_is_exposure_times_shock_and_correlated_goes_through_joint_betas():
    row = result(stressed(owned(1000.0, Held("A", 600.0))), "market_down_10")
    assert row["direct_pnl"] == pytest.approx(600 * 1.5 * -0.10)
    # The styles stand still while the market falls: in excess of it they gain 10 %.
    assert row["correlated_pnl"] == pytest.approx(600 * (1.2 * -0.1 + 0.5 * 0.1 + 0.7 * 0.1))
    assert row["correlation_effect"] == pytest.approx(row["correlated_pnl"] - row["direct_pnl"])
    assert row["coverage_pct"] == 100.0
    assert row["direct_reason"] is row["correlated_reason"] is None
    assert row["floored_symbols"] == row["fallback_symbols"] == []


def test_a_rates_scenario_uses_the_return_of_tlt():
    row = result(stressed(owned(1000.0, Held("A", 600.0))), "rates_up_100bp")
    assert row["direct_pnl"] == pytest.approx(600 * 0.2 * -0.142)
    assert row["correlated_pnl"] == pytest.approx(600 * 0.1 * -0.142)
    rates = RateSensitivity(10.0, 0.0)
    row = result(stressed(owned(1000.0, Held("A", 600.0)), rates=rates), "rates_up_100bp")
    assert row["direct_pnl"] == pytest.approx(600 * 0.2 * -0.10)


def test_several_shocks_add_up_and_a_style_shock_is_in_excess_of_the_market():
    both = scenario("both", Market=-0.20, Size=-0.10)
    row = result(stressed(owned(1000.0, Held("A", 600.0)), scenarios=[both]), "both")
    assert row["direct_pnl"] == pytest.approx(600 * (1.5 * -0.20 + 0.4 * -0.10))
    assert row["correlated_pnl"] == pytest.approx(600 * (1.2 * -0.2 + 0.5 * 0.2 + 0.7 * -0.1))


def test_a_position_without_joint_betas_enters_by_its_market_beta_and_is_listed():
    rows = stressed(owned(1000.0, Held("B", 400.0), Held("B", 100.0), Held("A", 200.0)))
    row = result(rows, "market_down_10")
    modelled = 1.2 * -0.1 + 0.5 * 0.1 + 0.7 * 0.1
    assert row["correlated_pnl"] == pytest.approx(500 * 0.5 * -0.1 + 200 * modelled)
    assert row["fallback_symbols"] == ["B"]
    assert row["coverage_pct"] == 100.0


def test_positions_without_betas_options_and_private_ones_count_zero_and_lower_the_coverage():
    rows = stressed(
        owned(
            2000.0,
            Held("WILD", 400.0),
            Held("STYLE", -200.0),
            Held("GONE", 100.0),
            Held("A260116C00100000", 100.0, "OPTIONS"),
            Held("X_1", 200.0, "PRIVATE"),
            Held("WILD", 900.0, is_open=False),
        )
    )
    row = result(rows, "market_down_10")
    assert row["correlated_pnl"] == pytest.approx(400 * 5 * -0.1)
    assert row["coverage_pct"] == pytest.approx(40.0)


@pytest.mark.parametrize(("value", "pnl"), [(100.0, -100.0), (-100.0, 100.0)])
def test_a_modelled_loss_of_more_than_everything_is_floored_for_long_and_short(value, pnl):
    row = result(stressed(owned(1000.0, Held("WILD", value))), "market_crash_35")
    assert row["correlated_pnl"] == pnl
    assert row["direct_pnl"] == pytest.approx(value * 5 * -0.35)
    assert row["floored_symbols"] == ["WILD"]


def test_a_loss_of_exactly_everything_is_not_flagged_and_gains_are_not_capped():
    exact = [scenario("down", Market=-0.2), scenario("up", Market=0.9)]
    rows = stressed(owned(1000.0, Held("WILD", 100.0)), scenarios=exact)
    assert result(rows, "down")["floored_symbols"] == []
    assert result(rows, "up")["correlated_pnl"] == pytest.approx(450.0)


def test_floored_symbols_are_those_of_the_row():
    rows = stressed(
        owned(1000.0, Held("WILD", 100.0), Held("A", 100.0), id="a"),
        owned(1000.0, Held("A", 100.0), id="b"),
    )
    assert result(rows, "market_crash_35", "a")["floored_symbols"] == ["WILD"]
    assert result(rows, "market_crash_35", "b")["floored_symbols"] == []
    assert result(rows, "market_down_5", "a")["floored_symbols"] == []


@pytest.mark.parametrize(
    ("owner", "direct_reason", "correlated_reason"),
    [
        (owned(100.0), "no_public_positions", "no_public_positions"),
        (
            owned(100.0, Held("X_1", 5.0, "PRIVATE")),
            "no_public_positions",
            "no_public_positions",
        ),
        (owned(-100.0, Held("A", 5.0)), "non_positive_nav", None),
        (owned(100.0, Held("GONE", 5.0)), "no_exposure", "no_exposure"),
        (owned(100.0, Held("STYLE", 5.0)), "no_exposure", "no_exposure"),
    ],
)
def test_a_figure_that_cannot_be_had_is_unknown_with_its_reason(
    owner, direct_reason, correlated_reason
):
    row = result(stressed(owner), "market_down_10")
    assert row["direct_reason"] == direct_reason
    assert np.isnan(row["direct_pnl"])
    assert row["correlated_reason"] == correlated_reason
    assert np.isnan(row["correlated_pnl"]) == (correlated_reason is not None)
    assert np.isnan(row["correlation_effect"])


def test_an_unknown_exposure_to_one_of_several_shocked_factors_leaves_direct_unknown():
    row = result(stressed(owned(100.0, Held("B", 5.0))), "small_cap_outperformance_10")
    assert np.isnan(row["direct_pnl"])
    assert row["direct_reason"] == "no_exposure"
    assert row["correlated_pnl"] == 0.0


def test_without_covariance_only_direct_figures_remain():
    rows = stressed(owned(100.0, Held("A", 5.0), id="a"), owned(100.0, id="b"), covariance=UNKNOWN)
    row = result(rows, "market_down_10", "a")
    assert row["direct_pnl"] == pytest.approx(-0.75)
    assert np.isnan(row["correlated_pnl"])
    assert row["correlated_reason"] == "insufficient_history"
    assert result(rows, "market_down_10", "b")["correlated_reason"] == "no_public_positions"


def test_rows_are_the_active_scenarios_of_existing_portfolios_sorted_by_both_ids():
    rows = stressed(
        owned(100.0, Held("A", 5.0), id="b"),
        owned(100.0, Held("A", 5.0), id="a"),
        owned(100.0, Held("A", 5.0), id="c", exists=False),
    )
    assert set(rows) == set(tables.stress_test_results.columns.keys())
    keys = list(zip(rows["portfolio_id"], rows["scenario_id"], strict=True))
    active = {each.scenario_id for each in SCENARIOS if each.is_active}
    assert keys == sorted((portfolio, name) for portfolio in "ab" for name in active)
    assert len(keys) == 38
    assert set(rows["calculation_date"].tolist()) == {SESSION}


def test_without_portfolios_or_scenarios_there_are_no_rows():
    assert records(stressed()) == []
    assert records(stressed(owned(100.0, Held("A", 5.0)), scenarios=[])) == []


def test_market_risk_scenarios_are_the_plain_moves_by_the_same_functions():
    owner = owned(1000.0, Held("A", 600.0), Held("B", -100.0))
    rows = market_risk(owner)
    assert set(rows) == set(tables.market_risk_scenarios.columns.keys())
    found = {each["scenario"]: each for each in records(rows)}
    assert list(found) == sorted(
        [f"market_{way}_{size}" for way in ("up", "down") for size in (5, 10, 20)]
        + [f"rates_{way}_{size}bp" for way in ("up", "down") for size in (100, 200)]
    )
    assert found["market_up_20"]["direct_pnl"] == pytest.approx(850 * 0.20)
    assert found["market_down_5"]["direct_pnl"] == pytest.approx(850 * -0.05)
    assert found["rates_up_200bp"]["direct_pnl"] == pytest.approx(120 * (-0.32 + 0.072))
    assert found["rates_down_200bp"]["direct_pnl"] == pytest.approx(120 * (0.32 + 0.072))
    stress = stressed(owner)
    for name in ("market_up_10", "market_down_5", "rates_up_100bp", "rates_down_100bp"):
        same = result(stress, name)
        for column in ("direct_pnl", "correlated_pnl", "direct_reason", "correlated_reason"):
            assert found[name][column] == same[column]


def test_market_risk_scenarios_state_why_a_figure_is_missing():
    rows = records(market_risk(owned(-5.0, Held("A", 5.0)), covariance=UNKNOWN))
    assert {each["direct_reason"] for each in rows} == {"non_positive_nav"}
    assert {each["correlated_reason"] for each in rows} == {"insufficient_history"}


def modelled(prices):
    """Betas and covariance of a price panel, as the symbol layer computes them."""
    panel, session = panel_of(prices), prices.index[-1].date()
    rows = symbol_factor_exposures(panel, session)
    factors = SymbolFactors(
        tuple(rows["symbol"].tolist()),
        np.column_stack([rows[column] for column in BETA_COLUMNS]),
        np.column_stack([rows[column] for column in JOINT_COLUMNS]),
        np.full(len(rows["symbol"]), np.nan),
    )
    return {"factors": factors, "covariance": factor_covariance(panel, session)}


@pytest.fixture(scope="module")
def synthetic():
    return modelled(synthetic_prices())


CALM = ["2025-10-31", "2026-04-30"]


@pytest.fixture(scope="module", params=["2025-04-30", *CALM])
def history(request):
    """Real prices up to a session; the first has a crash in its last weeks."""
    return real_prices([*PROXY_NAMES, "AAPL", "JPM", "XOM"]).loc[: request.param]


@pytest.fixture(scope="module")
def real(history):
    return modelled(history)


def all_of(symbol):
    return owned(1e6, Held(symbol, 1e6))


def assert_all_spy_follows_the_market(model):
    everything = [replace(each, is_active=True) for each in SCENARIOS]
    rows = stressed(all_of("SPY"), scenarios=everything, **model)
    for each in everything:
        if "Market" in each.shocks:
            row = result(rows, each.scenario_id)
            expected = 1e6 * each.shocks["Market"]
            assert row["correlated_pnl"] == pytest.approx(expected, abs=1e-9 * 1e6)
            if set(each.shocks) == {"Market"}:
                assert row["direct_pnl"] == pytest.approx(expected, abs=1e-6 * 1e6)


def assert_all_tlt_loses_fourteen_percent(model):
    row = result(stressed(all_of("TLT"), **model), "rates_up_100bp")
    assert row["direct_pnl"] / 1e6 == pytest.approx(-0.142, abs=0.005)
    assert row["correlated_pnl"] / 1e6 == pytest.approx(-0.142, abs=0.005)


def assert_long_and_short_the_same_thing_is_nothing(model):
    rows = stressed(owned(1e6, Held("SPY", 5e5), Held("SPY", -5e5)), **model)
    for each in records(rows):
        assert each["direct_pnl"] == 0.0
        assert each["correlated_pnl"] == 0.0


def test_all_spy_follows_the_market(synthetic):
    assert_all_spy_follows_the_market(synthetic)


def test_all_tlt_loses_fourteen_percent_when_yields_rise_a_point(synthetic):
    assert_all_tlt_loses_fourteen_percent(synthetic)


def test_long_and_short_the_same_thing_is_nothing(synthetic):
    assert_long_and_short_the_same_thing_is_nothing(synthetic)


@needs_real_prices
def test_on_real_prices_all_spy_follows_the_market(real):
    assert_all_spy_follows_the_market(real)


@needs_real_prices
def test_on_real_prices_all_tlt_loses_fourteen_percent_when_yields_rise_a_point(real):
    assert_all_tlt_loses_fourteen_percent(real)


@needs_real_prices
def test_on_real_prices_all_vtv_gains_what_value_gains(real):
    row = result(stressed(all_of("VTV"), **real), "value_rotation_20")
    assert row["correlated_pnl"] / 1e6 == pytest.approx(0.20, abs=0.025)


@needs_real_prices
@pytest.mark.parametrize("history", CALM, indirect=True)
def test_on_real_prices_the_direct_figure_of_vtv_agrees_in_calm_markets(real):
    row = result(stressed(all_of("VTV"), **real), "value_rotation_20")
    assert row["direct_pnl"] / 1e6 == pytest.approx(0.20, abs=0.025)


@needs_real_prices
def test_on_real_prices_the_direct_figure_of_vtv_is_what_scikit_learns_ridge_says(history, real):
    # The ridge splits VTV's beta among its like; with April 2025 in the window only 15 % are left
    # of 20 %, and that is the model, not its computation.
    styles = ["MTUM", "VTV", "VUG", "IWM", "QUAL", "USMV"]
    returns = history.pct_change(fill_method=None).iloc[-90:]
    z = (returns[styles] - returns[styles].mean()) / returns[styles].std(ddof=0)
    fit = Ridge(alpha=1.0).fit(z, returns["VTV"])
    beta = dict(zip(styles, fit.coef_ / returns[styles].std(ddof=0), strict=True))
    row = result(stressed(all_of("VTV"), **real), "value_rotation_20")
    expected = 0.20 * beta["VTV"] - 0.10 * beta["VUG"]
    assert row["direct_pnl"] / 1e6 == pytest.approx(expected, abs=1e-9)


@needs_real_prices
def test_on_real_prices_long_and_short_the_same_thing_is_nothing(real):
    assert_long_and_short_the_same_thing_is_nothing(real)


def with_lots(owner, lots):
    return Owned(owner.nav, tuple(lots), owner.exists, owner.id)


@settings(max_examples=40, deadline=None)
@given(portfolios_drawn())
def test_reversing_every_position_negates_every_pnl_exactly(owners):
    factors = random_factors()
    reversed_ = [with_lots(o, (replace(lot, value=-lot.value) for lot in o.lots)) for o in owners]
    before, after = (stressed(*each, factors=factors) for each in (owners, reversed_))
    for column in ("direct_pnl", "correlated_pnl", "correlation_effect"):
        np.testing.assert_array_equal(after[column], -before[column])
    for column in ("coverage_pct", "floored_symbols", "fallback_symbols", "correlated_reason"):
        assert repr(after[column].tolist()) == repr(before[column].tolist())


@settings(max_examples=40, deadline=None)
@given(portfolios_drawn(least=2), st.data())
def test_a_portfolio_has_the_same_bits_whichever_portfolios_and_symbols_share_the_run(owners, data):
    some = data.draw(st.lists(st.sampled_from(owners), unique_by=lambda owner: owner.id))
    ids = [owner.id for owner in some]
    factors = random_factors()
    held = {lot.symbol for owner in some for lot in owner.lots}
    chosen = np.array([symbol in held for symbol in factors.symbols], dtype=bool)
    fewer = SymbolFactors(
        tuple(symbol for symbol in factors.symbols if symbol in held),
        factors.betas[chosen],
        factors.joint[chosen],
        factors.provider_beta[chosen],
    )
    for calculate in (stressed, market_risk):
        together = calculate(*owners, factors=factors)
        alone = calculate(*some, factors=fewer)
        assert bits_of(together, ids) == bits_of(alone, ids)


@settings(max_examples=40, deadline=None)
@given(portfolios_drawn(most=1), st.randoms())
def test_the_order_and_the_splitting_of_lots_do_not_matter(owners, random):
    factors = random_factors()
    parts = []
    for owner in owners:
        halves = [replace(lot, value=lot.value * part) for lot in owner.lots for part in (0.3, 0.7)]
        random.shuffle(halves)
        parts.append(with_lots(owner, halves))
    whole, split = (stressed(*each, factors=factors) for each in (owners, parts))
    for column in ("direct_pnl", "correlated_pnl", "coverage_pct"):
        np.testing.assert_allclose(split[column], whole[column], rtol=1e-9, atol=1e-6)
    for column in ("floored_symbols", "fallback_symbols", "direct_reason", "correlated_reason"):
        assert split[column].tolist() == whole[column].tolist()


@settings(max_examples=40, deadline=None)
@given(portfolios_drawn())
def test_every_figure_is_either_known_or_has_its_reason(owners):
    for each in records(stressed(*owners, factors=random_factors())):
        assert np.isnan(each["direct_pnl"]) == (each["direct_reason"] is not None)
        assert np.isnan(each["correlated_pnl"]) == (each["correlated_reason"] is not None)
