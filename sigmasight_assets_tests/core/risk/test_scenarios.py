"""The scenario file against the methodology's list, its checks, and the moves it leads to."""

import math
import re

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmasight_assets.core.db import tables
from sigmasight_assets.core.errors import ScenarioFileInvalid
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.risk.scenarios import (
    SHOCKED_PROXIES,
    Shocks,
    active,
    load_scenarios,
    scenario_rows,
)
from sigmasight_assets.core.risk.stress_scenario_moves import (
    RateSensitivity,
    scenario_move_rows,
    scenario_moves,
)
from sigmasight_assets.core.shapes.factors import FactorCovariance
from sigmasight_assets_tests.core.risk.valued_books import SESSION, records

SLOPES = np.array([0.8, 1.2, 1.1, 0.9, 1.3, 0.6])
SPY, TLT, VTV, VUG, MTUM, QUAL, IWM, USMV = range(8)

LISTED = {
    "market_up_5": ("Market Rally 5%", "market", "base", {"Market": 0.05}),
    "market_down_5": ("Market Decline 5%", "market", "base", {"Market": -0.05}),
    "market_up_10": ("Market Rally 10%", "market", "moderate", {"Market": 0.10}),
    "market_down_10": ("Market Decline 10%", "market", "moderate", {"Market": -0.10}),
    "market_rally_25": ("Market Rally 25%", "market", "severe", {"Market": 0.25}),
    "market_crash_35": ("Market Crash 35%", "market", "severe", {"Market": -0.35}),
    "rates_up_25bp": ("Rates Up 25bp", "rates", "mild", {"Interest_Rate": 0.0025}),
    "rates_down_25bp": ("Rates Down 25bp", "rates", "mild", {"Interest_Rate": -0.0025}),
    "rates_up_50bp": ("Rates Up 50bp", "rates", "base", {"Interest_Rate": 0.005}),
    "rates_down_50bp": ("Rates Down 50bp", "rates", "base", {"Interest_Rate": -0.005}),
    "rates_up_100bp": ("Rates Up 100bp", "rates", "moderate", {"Interest_Rate": 0.01}),
    "rates_down_100bp": ("Rates Down 100bp", "rates", "moderate", {"Interest_Rate": -0.01}),
    "rate_spike_300bp": ("Rate Spike 300bp", "rates", "severe", {"Interest_Rate": 0.03}),
    "value_rotation_20": (
        "Value Rotation 20%", "rotation", "moderate", {"Value": 0.20, "Growth": -0.10},
    ),
    "growth_rally_15": (
        "Growth Rally 15%", "rotation", "moderate", {"Growth": 0.15, "Momentum": 0.10},
    ),
    "small_cap_outperformance_10": (
        "Small Cap Outperformance 10%", "rotation", "mild", {"Size": 0.10, "Market": 0.0},
    ),
    "quality_flight_12": (
        "Flight to Quality 12%", "rotation", "mild", {"Quality": 0.12, "Market": -0.05},
    ),
    "vix_spike_150": (
        "VIX Spike 150%", "volatility", "severe", {"Low Volatility": -0.25, "Market": -0.15},
    ),
    "liquidity_crisis": (
        "Liquidity Crisis", "volatility", "severe",
        {"Market": -0.20, "Low Volatility": -0.30, "Quality": 0.15, "Size": -0.10},
    ),
    "financial_crisis_2008": (
        "2008 Financial Crisis Replay", "historical", "extreme",
        {"Market": -0.45, "Value": -0.30, "Size": -0.25, "Quality": 0.20, "Low Volatility": -0.35},
    ),
    "covid_crash_2020": (
        "COVID-19 Crash Replay", "historical", "extreme",
        {"Market": -0.35, "Growth": 0.15, "Value": -0.40, "Size": -0.30, "Quality": 0.10},
    ),
    "dotcom_crash_2000": (
        "Dot-Com Crash Replay", "historical", "extreme",
        {"Market": -0.45, "Growth": -0.60, "Value": 0.20, "Momentum": -0.50, "Quality": 0.15},
    ),
}  # fmt: skip


def test_the_file_holds_the_scenarios_of_the_methodology_and_no_others():
    found = {
        each.scenario_id: (each.name, each.category, each.severity, dict(each.shocks))
        for each in load_scenarios()
    }
    assert found == LISTED


def test_the_three_replays_are_inactive_and_absolute_and_the_other_nineteen_neither():
    for each in load_scenarios():
        replay = each.category == "historical"
        assert each.is_active is not replay
        assert each.style_shocks == ("absolute" if replay else "excess")
    assert len(active(load_scenarios())) == 19


def test_every_description_is_one_sentence():
    for each in load_scenarios():
        assert each.description.endswith(".")
        assert each.description.count(". ") == 0
        assert "\n" not in each.description


def test_every_factor_that_can_be_shocked_has_its_proxy():
    assert SHOCKED_PROXIES == {
        "Market": "SPY",
        "Interest_Rate": "TLT",
        "Value": "VTV",
        "Growth": "VUG",
        "Momentum": "MTUM",
        "Quality": "QUAL",
        "Size": "IWM",
        "Low Volatility": "USMV",
    }


VALID = {
    "id": '"one"',
    "name": '"One"',
    "description": '"It happens."',
    "category": '"market"',
    "severity": '"base"',
    "shocks": "{ Market = 0.05 }",
}


def scenario_file(tmp_path, *entries, tail=""):
    blocks = [
        "[[scenario]]\n" + "\n".join(f"{name} = {value}" for name, value in entry.items())
        for entry in entries
    ]
    path = tmp_path / "scenarios.toml"
    path.write_text("\n".join([*blocks, tail]), encoding="utf-8")
    return path


def test_a_valid_entry_is_excess_and_active_unless_it_says_otherwise(tmp_path):
    (found,) = load_scenarios(scenario_file(tmp_path, VALID))
    assert (found.style_shocks, found.is_active, found.display_order) == ("excess", True, 1)


SECOND = len(VALID) + 3
"""The line of the second entry's first field; the others follow in their order."""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"shocks": "{ Gold = 0.05 }"}, "factor 'Gold' is not one of Market, Interest_Rate"),
        ({"shocks": "{ Interest_Rate = 0.0401 }"}, "0.0401, is outside -0.04 to 0.04"),
        ({"shocks": "{ Interest_Rate = -0.05 }"}, "-0.05, is outside -0.04 to 0.04"),
        ({"shocks": "{ Market = -0.951 }"}, "-0.951, is outside -0.95 to 1.0"),
        ({"shocks": "{ Value = 1.01 }"}, "1.01, is outside -0.95 to 1.0"),
        ({"shocks": "{ Value = nan }"}, "Value, nan, is outside -0.95 to 1.0"),
        ({"shocks": "{ Value = inf }"}, "Value, inf, is outside -0.95 to 1.0"),
        ({"shocks": "{ Value = -1e400 }"}, "Value, -inf, is outside -0.95 to 1.0"),
        ({"shocks": f"{{ Value = 1{'0' * 400} }}"}, "0, is outside -0.95 to 1.0"),
        ({"shocks": '{ Value = "0.1" }'}, "must be a number, not '0.1'"),
        ({"shocks": "{ Value = true }"}, "must be a number, not True"),
        ({"shocks": "{}"}, "at least one factor"),
        ({"shocks": "[0.1]"}, "at least one factor"),
        ({"shocks": "-0.1"}, "at least one factor"),
        ({"category": '"weather"'}, "category 'weather' is not one of market, rates"),
        ({"category": "[1]"}, "is not one of market"),
        ({"severity": '"bad"'}, "severity 'bad' is not one of mild, base"),
        ({"style_shocks": '"both"'}, "style_shocks 'both' is not one of excess, absolute"),
        ({"is_active": '"no"'}, "is_active must be true or false, not 'no'"),
        ({"is_active": "1"}, "is_active must be true or false, not 1"),
        ({"name": '" "'}, "name must be a text"),
        ({"description": "5"}, "description must be a text, not 5"),
        ({"id": "1"}, "id must be a text, not 1"),
        ({"id": '"custom_one"'}, "id 'custom_one': custom_ begins the ids of scenarios that users"),
        ({"id": '"custom_"'}, "custom_ begins the ids"),
        ({"shock": "0.1"}, "unknown field 'shock'"),
        ({"id": '"zero"'}, "id 'zero' is taken"),
        ({"name": '"Zero"'}, "name 'Zero' is taken"),
    ],
)
def test_a_bad_entry_is_refused_with_the_line_of_its_fault(tmp_path, change, problem):
    ((field, _),) = change.items()
    bad = {**VALID, **change}
    path = scenario_file(tmp_path, {**VALID, "id": '"zero"', "name": '"Zero"'}, bad)
    with pytest.raises(ScenarioFileInvalid, match=re.escape(problem)) as refused:
        load_scenarios(path)
    assert refused.value.line == SECOND + list(bad).index(field)
    assert str(refused.value).startswith(f"{path}, line {refused.value.line}: ")


@pytest.mark.parametrize(
    ("shocks", "line"),
    [
        ("[scenario.shocks]\nMarket = 0.05\n\n# Market = 2\nGold = 1", 12),
        ("[scenario.shocks]\nMarket = 0.05\nInterest_Rate = 0.05", 10),
        ("shocks.Market = 0.05\nshocks.Interest_Rate = 0.05", 9),
        ("[scenario.shocks]\n# nothing", 8),
        ("[[scenario.shocks]]\nMarket = 0.05", 8),
        ('shocks."Low Volatility" = """\n[[scenario]]\nGold = 1"""\n', 8),
    ],
)
def test_a_shock_is_refused_with_its_own_line_where_it_has_one(tmp_path, shocks, line):
    entry = {name: value for name, value in VALID.items() if name != "shocks"}
    text = scenario_file(tmp_path, entry).read_text() + "\n" + shocks
    path = tmp_path / "shocks.toml"
    path.write_text(text)
    with pytest.raises(ScenarioFileInvalid) as refused:
        load_scenarios(path)
    assert refused.value.line == line


@pytest.mark.parametrize("bound", ["Interest_Rate = 0.04", "Market = -0.95", "Value = 1"])
def test_the_ends_of_the_ranges_are_allowed(tmp_path, bound):
    assert len(load_scenarios(scenario_file(tmp_path, {**VALID, "shocks": f"{{ {bound} }}"}))) == 1


@pytest.mark.parametrize("missing", sorted(VALID))
def test_a_missing_field_is_named_with_the_line_of_its_entry(tmp_path, missing):
    entry = {name: value for name, value in VALID.items() if name != missing}
    first = {**VALID, "id": '"zero"', "name": '"Zero"'}
    with pytest.raises(ScenarioFileInvalid, match=f"missing field '{missing}'") as refused:
        load_scenarios(scenario_file(tmp_path, first, entry))
    assert refused.value.line == SECOND - 1


def test_the_second_of_equal_ids_is_refused(tmp_path):
    others = [{**VALID, "name": f'"{name}"'} for name in ("Two", "Three")]
    with pytest.raises(ScenarioFileInvalid, match="id 'one' is taken") as refused:
        load_scenarios(scenario_file(tmp_path, VALID, *others))
    assert refused.value.line == SECOND


def test_a_syntax_error_names_its_line(tmp_path):
    with pytest.raises(ScenarioFileInvalid, match="line 8") as refused:
        load_scenarios(scenario_file(tmp_path, VALID, tail="shocks =\nx = 1"))
    assert refused.value.line == 8


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("scenario = 5", 2),
        ("scenario = []", 2),
        ("[scenario]\nid = 'a'", 2),
        ("[[scenarios]]\nid = 'a'", 2),
        ("[[scenario]]\nid = 'a'\n[more]", 4),
        ("scenario = [1]", 2),
    ],
)
def test_a_file_of_anything_but_scenario_entries_is_refused(tmp_path, text, line):
    path = tmp_path / "scenarios.toml"
    path.write_text(f"# Scenarios\n{text}")
    with pytest.raises(ScenarioFileInvalid, match="scenario") as refused:
        load_scenarios(path)
    assert refused.value.line == (line if text else 1)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScenarioFileInvalid, match="nowhere"):
        load_scenarios(tmp_path / "nowhere.toml")


def test_scenario_rows_have_the_tables_columns_and_order():
    found = scenario_rows(load_scenarios())
    for each in found:
        assert set(each) == set(tables.stress_test_scenarios.columns.keys())
        assert each["origin"] == "package"
    assert [each["scenario_id"] for each in found] == sorted(LISTED)
    crisis = next(each for each in found if each["scenario_id"] == "liquidity_crisis")
    assert crisis["shocks"] == LISTED["liquidity_crisis"][3]
    assert crisis["display_order"] == list(LISTED).index("liquidity_crisis") + 1


def covariance_of(returns: np.ndarray, slopes: np.ndarray = SLOPES) -> FactorCovariance:
    covariance = returns.T @ returns / len(returns)
    deviation = np.sqrt(np.diag(covariance))
    return FactorCovariance(
        covariance, covariance / np.outer(deviation, deviation), len(returns), slopes
    )


def proxy_returns(seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.008, (250, 1)) * [1, -0.2, 0.8, 1.2, 1.1, 0.9, 1.3, 0.6] + rng.normal(
        0, 0.004, (250, 8)
    )


COVARIANCE = covariance_of(proxy_returns())


def shock(style_shocks: str = "excess", **shocks: float) -> Shocks:
    named = {name.replace("Low_", "Low "): value for name, value in shocks.items()}
    return Shocks(scenario_id="x", shocks=named, style_shocks=style_shocks)


def test_a_hundred_basis_points_cost_tlt_fourteen_percent_and_a_fifth():
    moves = scenario_moves(shock(Interest_Rate=0.01), COVARIANCE).moves
    assert moves[TLT] == pytest.approx(-0.142, abs=1e-15)
    moves = scenario_moves(shock(Interest_Rate=-0.01), COVARIANCE).moves
    assert moves[TLT] == pytest.approx(0.178, abs=1e-15)


def test_duration_and_convexity_are_arguments():
    moves = scenario_moves(shock(Interest_Rate=0.02), COVARIANCE, RateSensitivity(10.0, 100.0))
    assert moves.moves[TLT] == pytest.approx(-0.2 + 50 * 0.0004, abs=1e-15)


def test_a_shocked_market_alone_moves_as_given_and_the_rest_as_expected():
    found = scenario_moves(shock(Market=-0.10), COVARIANCE)
    variance = COVARIANCE.covariance[SPY, SPY]
    np.testing.assert_allclose(found.moves, -0.10 * COVARIANCE.covariance[SPY] / variance)
    assert found.moves[SPY] == -0.10
    assert found.z[SPY] == -0.10
    np.testing.assert_allclose(found.z[2:], found.moves[2:] + 0.10 * SLOPES, atol=1e-15)
    assert found.z[TLT] == found.moves[TLT]
    assert found.plausibility == pytest.approx(0.10 / math.sqrt(252 * variance))
    assert found.reason is None


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(SHOCKED_PROXIES)), st.floats(-0.04, 0.04), min_size=1),
    st.integers(0, 1000),
)
def test_unshocked_proxies_move_as_a_regression_on_the_shocked_ones_says(shocks, seed):
    returns = proxy_returns(seed)
    found = scenario_moves(
        Shocks(scenario_id="x", shocks=shocks, style_shocks="absolute"), covariance_of(returns)
    )
    shocked = [PROXIES.index(SHOCKED_PROXIES[factor]) for factor in shocks]
    given_moves = found.moves[shocked]
    for proxy in set(range(8)) - set(shocked):
        fit = sm.OLS(returns[:, proxy], returns[:, shocked]).fit()
        expected = max(-0.95, given_moves @ fit.params)
        assert found.moves[proxy] == pytest.approx(expected, abs=1e-9)


def test_a_style_shock_is_in_excess_of_the_market_where_that_is_shocked_too():
    found = scenario_moves(shock(Quality=0.12, Market=-0.05), COVARIANCE)
    assert found.moves[QUAL] == pytest.approx(0.12 - 0.9 * 0.05, abs=1e-15)
    assert found.z[QUAL] == pytest.approx(0.12, abs=1e-15)


def test_an_absolute_style_shock_is_the_proxys_own_return():
    found = scenario_moves(shock("absolute", Quality=0.12, Market=-0.05), COVARIANCE)
    assert found.moves[QUAL] == 0.12
    assert found.z[QUAL] == pytest.approx(0.12 + 0.9 * 0.05, abs=1e-15)


def test_without_a_market_shock_a_style_shock_is_the_proxys_own_return():
    found = scenario_moves(shock(Value=0.20, Growth=-0.10), COVARIANCE)
    assert (found.moves[VTV], found.moves[VUG]) == (0.20, -0.10)


def test_a_market_shock_of_zero_holds_the_market_still():
    assert scenario_moves(shock(Size=0.10, Market=0.0), COVARIANCE).moves[SPY] == 0.0
    assert scenario_moves(shock(Size=0.10), COVARIANCE).moves[SPY] != 0.0


def test_rates_are_never_in_excess_of_the_market():
    found = scenario_moves(shock(Interest_Rate=0.01, Market=-0.20), COVARIANCE)
    assert found.moves[TLT] == pytest.approx(-0.142, abs=1e-15)


def test_no_shocked_proxy_falls_below_ninety_five_percent():
    found = scenario_moves(shock(Size=-0.90, Market=-0.90), COVARIANCE)
    assert found.moves[IWM] == -0.95
    assert found.z[IWM] == pytest.approx(-0.95 + 1.3 * 0.90)
    # What the others are expected to do, and the plausibility, follow from the floored move.
    same = scenario_moves(shock("absolute", Size=-0.95, Market=-0.90), COVARIANCE)
    np.testing.assert_array_equal(found.moves, same.moves)
    assert found.plausibility == same.plausibility


def test_no_proxy_is_expected_to_fall_below_ninety_five_percent():
    returns = proxy_returns()
    returns[:, IWM] = 2 * returns[:, SPY]
    found = scenario_moves(shock(Market=-0.60), covariance_of(returns))
    assert found.moves[IWM] == -0.95
    assert found.moves[SPY] == -0.60
    assert found.z[IWM] == pytest.approx(-0.95 + 1.3 * 0.60)


@pytest.mark.parametrize(("annual", "implausible"), [(4.99, False), (5.01, True)])
def test_more_than_five_annual_standard_deviations_are_implausible(annual, implausible):
    deviation = math.sqrt(252 * COVARIANCE.covariance[SPY, SPY])
    found = scenario_moves(shock(Market=annual * deviation), COVARIANCE)
    assert found.plausibility == pytest.approx(annual)
    assert found.implausible is implausible


def test_pulling_two_like_proxies_apart_is_implausible():
    returns = proxy_returns()
    returns[:, VUG] = returns[:, VTV] + np.random.default_rng(2).normal(0, 1e-4, 250)
    found = scenario_moves(shock(Value=0.20, Growth=-0.10), covariance_of(returns))
    assert found.implausible
    assert found.plausibility > 50


def test_shocks_that_the_covariance_rules_out_are_implausible_without_a_figure():
    returns = proxy_returns()
    returns[:, VUG] = returns[:, VTV]
    apart = scenario_moves(shock(Value=0.20, Growth=-0.10), covariance_of(returns))
    assert apart.implausible
    assert math.isnan(apart.plausibility)
    assert (apart.moves[VTV], apart.moves[VUG]) == (0.20, -0.10)
    assert np.isfinite(apart.moves).all()
    alike = scenario_moves(shock(Value=0.02, Growth=0.02), covariance_of(returns))
    alone = scenario_moves(shock(Value=0.02), covariance_of(returns))
    assert alike.plausibility == pytest.approx(alone.plausibility)
    np.testing.assert_allclose(alike.moves, alone.moves, atol=1e-12)


@pytest.mark.parametrize("absent", ["covariance", "slopes"])
def test_without_covariance_or_slopes_there_is_a_reason_and_nothing_else(absent):
    unknown = FactorCovariance(
        np.full((8, 8), np.nan) if absent == "covariance" else COVARIANCE.covariance,
        COVARIANCE.correlation,
        40,
        np.full(6, np.nan) if absent == "slopes" else SLOPES,
    )
    found = scenario_moves(shock(Market=-0.10), unknown)
    assert found.reason == "insufficient_history"
    assert np.isnan(found.moves).all()
    assert np.isnan(found.z).all()
    assert math.isnan(found.plausibility)
    assert found.implausible is False
    rows = records(scenario_move_rows(load_scenarios(), unknown, SESSION))
    assert {each["reason"] for each in rows} == {"insufficient_history"}
    assert {each["implied_moves"] for each in rows} == {None}


def test_move_rows_cover_the_active_scenarios_with_all_eight_proxies():
    rows = scenario_move_rows(load_scenarios(), COVARIANCE, SESSION)
    assert set(rows) == set(tables.stress_scenario_moves.columns.keys())
    found = records(rows)
    assert [each["scenario_id"] for each in found] == sorted(
        name for name, listed in LISTED.items() if listed[1] != "historical"
    )
    for each in found:
        assert set(each["implied_moves"]) == set(PROXIES)
        assert all(math.isfinite(move) for move in each["implied_moves"].values())
        assert each["reason"] is None
        assert each["calculation_date"] == SESSION
