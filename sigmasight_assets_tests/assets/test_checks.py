"""Each check passes on what a night computes, and finds the fault it is there for."""

from __future__ import annotations

import pytest
from dagster import AssetCheckSeverity, DagsterRunStatus

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core import sessions
from sigmasight_assets_tests.assets.instances import (
    RANGE,
    SYMBOL_ASSETS,
    Stage,
    plant_symbols_without_a_price_since,
)

FIRST, LATEST = RANGE[0], RANGE[-1]
BEFORE = sessions.offset(FIRST, -1)
PUBLIC = 13
"""Symbols of the test's universe that are priced and have betas."""

CHECKS = {
    "price_coverage": "market_data_cache",
    "price_staleness": "market_data_cache",
    "beta_coverage": "symbol_factor_exposures",
    "nav_identity": "portfolio_snapshots",
    "refreshed_within_an_hour": "portfolio_snapshots",
    "stress_sanity": "stress_test_results",
}


def test_every_check_passes_on_a_range_that_went_well_and_has_seen_all_of_it(ran: Stage) -> None:
    found = {name: ran.check(asset, name) for name, asset in CHECKS.items()}
    assert all(evaluation.passed for evaluation in found.values())
    for name in ("price_coverage", "beta_coverage", "nav_identity", "stress_sanity"):
        assert found[name].metadata["sessions"].value == len(RANGE), name
    assert found["price_coverage"].blocking
    assert not any(
        evaluation.blocking for name, evaluation in found.items() if name != "price_coverage"
    )


def test_a_check_launched_alone_looks_at_the_newest_session_there_is(ran: Stage) -> None:
    for name in ("price_coverage", "beta_coverage", "nav_identity", "stress_sanity"):
        evaluation = ran.evaluate(CHECKS[name], name)
        assert evaluation.passed, name
        assert evaluation.metadata["sessions"].value == 1, name
    assert (ran.evaluate("market_data_cache", "price_coverage").description or "").startswith(
        f"{LATEST}: {PUBLIC} of {PUBLIC} symbols"
    )


def test_a_check_launched_on_an_empty_database_says_that_there_is_nothing(stage: Stage) -> None:
    for name in ("price_coverage", "beta_coverage"):
        evaluation = stage.evaluate(CHECKS[name], name)
        assert (evaluation.passed, evaluation.severity) == (False, AssetCheckSeverity.WARN)
        assert evaluation.description == "there is no session yet"
    assert not stage.evaluate("market_data_cache", "price_staleness").passed


def test_coverage_below_half_stops_the_night_before_the_symbol_layer(stage: Stage) -> None:
    plant_symbols_without_a_price_since(stage, BEFORE, PUBLIC + 1)
    assert not run_job(stage.instance, "symbol_batch", FIRST, FIRST)
    evaluation = stage.check("market_data_cache", "price_coverage")
    assert (evaluation.passed, evaluation.severity) == (False, AssetCheckSeverity.ERROR)
    assert evaluation.description == f"{FIRST}: 13 of 27 symbols priced (48.1%)"
    assert stage.materialized("market_data_cache") == [FIRST]
    assert [stage.materialized(asset) for asset in SYMBOL_ASSETS[2:]] == [[], [], []]
    assert stage.published("symbols") == []
    assert len(stage.runs(DagsterRunStatus.FAILURE)) == 1


def test_coverage_below_nine_tenths_warns_and_the_night_goes_on(stage: Stage) -> None:
    plant_symbols_without_a_price_since(stage, BEFORE, PUBLIC)
    assert run_job(stage.instance, "symbol_batch", FIRST, FIRST)
    evaluation = stage.check("market_data_cache", "price_coverage")
    assert (evaluation.passed, evaluation.severity) == (False, AssetCheckSeverity.WARN)
    assert evaluation.description == f"{FIRST}: 13 of 26 symbols priced (50.0%)"
    assert stage.published("symbols") == [FIRST]
    assert all(stage.materialized(asset) == [FIRST] for asset in SYMBOL_ASSETS)


def test_coverage_of_a_range_is_that_of_its_worst_session(ran: Stage) -> None:
    worst = RANGE[4]
    ran.tell("DELETE FROM market_data_cache WHERE date = %s AND symbol < 'Q'", worst)
    evaluation = ran.evaluate("market_data_cache", "price_coverage", FIRST, LATEST)
    ((kept,),) = ran.ask(
        "SELECT count(*) FROM market_data_cache JOIN symbol_universe USING (symbol) "
        "WHERE date = %s AND investment_class = 'PUBLIC'",
        worst,
    )
    assert not evaluation.passed
    assert (evaluation.description or "").startswith(f"{worst}: {kept} of {PUBLIC} symbols")
    assert evaluation.metadata["sessions"].value == len(RANGE)


@pytest.mark.parametrize(
    ("now", "behind", "passed"),
    [
        ("2026-03-16T19:59:59+00:00", 0, True),
        ("2026-03-16T20:00:00+00:00", 1, True),
        ("2026-03-17T20:00:00+00:00", 2, False),
    ],
)
def test_prices_are_stale_when_more_than_one_session_is_behind(
    ran: Stage, monkeypatch: pytest.MonkeyPatch, now: str, behind: int, passed: bool
) -> None:
    monkeypatch.setenv("SIGMASIGHT_NOW", now)
    evaluation = ran.evaluate("market_data_cache", "price_staleness")
    assert evaluation.metadata["sessions behind"].value == behind
    assert evaluation.passed is passed
    assert evaluation.severity is AssetCheckSeverity.WARN


@pytest.mark.parametrize(
    ("without", "passed", "severity"),
    [
        (1, True, AssetCheckSeverity.WARN),
        (2, False, AssetCheckSeverity.WARN),
        (7, False, AssetCheckSeverity.ERROR),
    ],
)
def test_symbols_without_a_market_beta_are_counted(
    ran: Stage, without: int, passed: bool, severity: AssetCheckSeverity
) -> None:
    ran.tell(
        "UPDATE symbol_factor_exposures SET market_beta = NULL, market_reason = 'no_price' "
        "WHERE calculation_date = %s AND symbol IN "
        "(SELECT DISTINCT symbol FROM symbol_factor_exposures ORDER BY 1 LIMIT %s)",
        LATEST,
        without,
    )
    evaluation = ran.evaluate("symbol_factor_exposures", "beta_coverage", FIRST, LATEST)
    assert (evaluation.passed, evaluation.severity) == (passed, severity)


def test_a_broken_cent_in_one_nav_is_found_and_half_a_cent_is_not(ran: Stage) -> None:
    ((portfolio,),) = ran.ask("SELECT id::text FROM portfolios ORDER BY id LIMIT 1")
    for usd, passed in (("0.0049", True), ("0.0051", False)):
        ran.tell(
            "UPDATE portfolio_snapshots SET net_asset_value = net_asset_value + %s "
            "WHERE portfolio_id = %s AND snapshot_date = %s",
            usd,
            portfolio,
            LATEST,
        )
        evaluation = ran.evaluate("portfolio_snapshots", "nav_identity", FIRST, LATEST)
        assert evaluation.passed is passed
    assert evaluation.severity is AssetCheckSeverity.ERROR
    assert evaluation.description == f"{portfolio} on {LATEST}: 0.010000 USD unexplained"
    assert evaluation.metadata["breaks"].value == 1
    assert ran.evaluate("portfolio_snapshots", "nav_identity", FIRST, RANGE[-2]).passed


def test_a_wrong_joint_beta_of_the_market_fails_the_stress_sanity(ran: Stage) -> None:
    ran.tell(
        "UPDATE symbol_factor_exposures SET joint_market = 1.001 "
        "WHERE symbol = 'SPY' AND calculation_date = %s",
        RANGE[3],
    )
    evaluation = ran.evaluate("stress_test_results", "stress_sanity", FIRST, LATEST)
    assert not evaluation.passed
    assert (evaluation.description or "").startswith(f"{RANGE[3]} all SPY: ")
    assert ran.evaluate("stress_test_results", "stress_sanity", LATEST).passed
