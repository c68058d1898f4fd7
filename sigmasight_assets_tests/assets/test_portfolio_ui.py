"""What a person sees of the portfolio layer: figures, series, charts, failures and their check."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetRecordsFilter,
    DagsterRunStatus,
    FloatMetadataValue,
    IntMetadataValue,
    MarkdownMetadataValue,
    TableMetadataValue,
)
from PIL import Image

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core.db.write.failures import BatchFailure, log_failures
from sigmasight_assets.core.nightly.portfolio_sessions import PortfolioSession
from sigmasight_assets.portfolio_figures import finished, finished_in_part
from sigmasight_assets_tests.assets.instances import PORTFOLIO_ASSETS, RANGE, Stage
from sigmasight_assets_tests.builders import add_portfolio, lot

BEFORE, LATEST = RANGE[-2], RANGE[-1]
OPENED = "2025-11-21"
VAST = "9000000000000"
"""Shares of a lot whose value no money column holds."""

CHARTS = {"chart of betas", "chart of daily returns"}
SHARED = {
    "dagster/row_count",
    "portfolios done",
    "portfolios failed",
    "seconds",
    "seconds encode",
    "seconds read",
    "seconds write",
}
OWN = {
    "portfolio_snapshots": {
        "rows portfolio_snapshots",
        "portfolios partial",
        "total NAV (USD)",
        "total daily P&L (USD)",
        "seconds snapshots",
    },
    "factor_exposures": {
        "rows factor_exposures",
        "rows position_factor_exposures",
        "coverage (%)",
        "seconds exposures",
    },
    "correlations": {
        "rows correlation_calculations",
        "rows correlation_matrices",
        "seconds correlations",
    },
    "stress_test_results": {
        "rows stress_test_results",
        "rows stress_scenario_moves",
        "rows market_risk_scenarios",
        "worst scenario",
        "worst scenario P&L (USD)",
        "seconds stress",
    },
}

NAN = float("nan")
SNAPSHOTS = {
    "net_asset_value": np.array([100.0, 300.126, 200.0]),
    "daily_pnl": np.array([1.5, -8.5, 0.0]),
    "daily_return": np.array([0.015, -0.03, NAN]),
    "is_partial": np.array([True, False, True]),
    "gross_exposure": np.array([100.0, 300.0, 0.0]),
    "coverage_pct": np.array([80.0, 50.0, NAN]),
    "beta_calculated_90d": np.array([1.0, 0.5, NAN]),
}
SESSION = PortfolioSession(
    session=LATEST,
    rows={},
    seconds=1.23456,
    phases={
        "read": 0.25,
        "snapshots": 0.125,
        "exposures": 0.0625,
        "correlations": 0.75,
        "write": 0.5,
    },
    snapshots=SNAPSHOTS,
    scenario_pnl={"market_down_5": -12.3, "rates_up_50bp": -12.345678, "vix_spike_150": NAN},
    failed=[BatchFailure("P4", "planted", "by hand")],
)

Check = tuple[bool, AssetCheckSeverity]
WARNS: Check = (False, AssetCheckSeverity.WARN)
ERRS: Check = (False, AssetCheckSeverity.ERROR)


def test_every_asset_says_what_concerns_it_under_the_same_names_on_every_session(
    ran: Stage,
) -> None:
    for asset in PORTFOLIO_ASSETS:
        for session in RANGE:
            said = set(ran.metadata(asset, session))
            charts = CHARTS if (asset, session) == ("portfolio_snapshots", LATEST) else set()
            assert said == SHARED | OWN[asset] | charts, (asset, session)


def test_figures_are_numbers_that_the_ui_draws_as_series_over_partitions(ran: Stage) -> None:
    for asset in PORTFOLIO_ASSETS:
        wanted = AssetRecordsFilter(AssetKey(asset), asset_partitions=list(map(str, RANGE)))
        records = ran.instance.fetch_materializations(wanted, limit=100).records
        assert len(records) == len(RANGE)
        for record in records:
            assert record.asset_materialization is not None
            said = record.asset_materialization.metadata
            for name in (SHARED | OWN[asset]) - {"worst scenario"}:
                value = said[name]
                assert isinstance(value, IntMetadataValue | FloatMetadataValue), name
                assert math.isfinite(value.value or 0), name


def test_figures_of_a_session_are_those_of_its_rows(ran: Stage) -> None:
    seen = set()
    for session in RANGE:
        ((count, partial, nav, earned, coverage),) = ran.ask(
            "SELECT count(*), count(*) FILTER (WHERE is_partial), sum(net_asset_value)::float8, "
            "sum(daily_pnl)::float8, "
            "(sum(gross_exposure * coverage_pct) / sum(gross_exposure))::float8 "
            "FROM portfolio_snapshots WHERE snapshot_date = %s",
            session,
        )
        ((scenario, loss),) = ran.ask(
            "SELECT scenario_id, sum(correlated_pnl)::float8 FROM stress_test_results "
            "WHERE calculation_date = %s GROUP BY 1 ORDER BY 2 LIMIT 1",
            session,
        )
        accounts = ran.metadata("portfolio_snapshots", session)
        assert (accounts["portfolios done"], accounts["portfolios failed"]) == (count, 0) == (2, 0)
        assert accounts["portfolios partial"] == partial
        assert accounts["total NAV (USD)"] == pytest.approx(nav, abs=0.006)
        assert accounts["total daily P&L (USD)"] == pytest.approx(earned, abs=0.006)
        exposures = ran.metadata("factor_exposures", session)
        assert exposures["coverage (%)"] == pytest.approx(coverage, abs=0.006)
        stress = ran.metadata("stress_test_results", session)
        assert stress["worst scenario"] == scenario
        assert stress["worst scenario P&L (USD)"] == pytest.approx(loss, abs=0.006)
        seen.add((accounts["total NAV (USD)"], exposures["coverage (%)"], loss))
    assert len(seen) == len(RANGE)


def test_the_phases_of_a_session_take_no_longer_than_it(ran: Stage) -> None:
    for asset in PORTFOLIO_ASSETS:
        said = ran.metadata(asset, LATEST)
        phases = [seconds for name, seconds in said.items() if name.startswith("seconds ")]
        assert len(phases) == 4
        assert 0 < max(phases) < said["seconds"] < 60


def test_figures_are_weighted_rounded_and_in_their_unit() -> None:
    shown = finished(SESSION)
    said = {asset: dict(shown.metadata(asset, (), True)) for asset in PORTFOLIO_ASSETS}
    everyones = {
        "dagster/row_count": 0,
        "portfolios done": 3,
        "portfolios failed": 1,
        "seconds": 1.235,
        "seconds read": 0.25,
        "seconds write": 0.5,
    }
    failures = said["portfolio_snapshots"].pop("failures")
    assert rows_of(failures) == [("P4", "planted", "by hand")]
    for name in CHARTS:
        assert isinstance(said["portfolio_snapshots"].pop(name), MarkdownMetadataValue)
    assert said == {
        "portfolio_snapshots": everyones
        | {
            "portfolios partial": 2,
            "total NAV (USD)": 600.13,
            "total daily P&L (USD)": -7.0,
            "seconds snapshots": 0.125,
        },
        # 80 % of 100 USD and 50 % of 300 USD; the portfolio that holds nothing has no coverage.
        "factor_exposures": everyones | {"coverage (%)": 57.5, "seconds exposures": 0.0625},
        "correlations": everyones | {"seconds correlations": 0.75},
        "stress_test_results": everyones
        | {
            "worst scenario": "rates_up_50bp",
            "worst scenario P&L (USD)": -12.35,
            "seconds stress": 0.0,
        },
    }


def test_what_is_not_known_is_left_out_and_never_nan() -> None:
    nothing_open = {**SNAPSHOTS, "coverage_pct": np.full(3, NAN), "gross_exposure": np.zeros(3)}
    unknown = {"market_up_5": NAN}
    for done in (
        replace(SESSION, snapshots=nothing_open, scenario_pnl=unknown, failed=()),
        replace(SESSION, snapshots={}, scenario_pnl={}, failed=()),
    ):
        for asset in PORTFOLIO_ASSETS:
            said = finished(done).metadata(asset, (), True)
            assert not {"coverage (%)", "worst scenario", "failures"} & set(said)
            assert all(math.isfinite(each) for each in said.values() if isinstance(each, float))
    assert said["portfolios done"] == 0


def test_a_refresh_of_named_portfolios_says_nothing_of_the_whole_session() -> None:
    shown = finished_in_part(SESSION)
    said = {asset: dict(shown.metadata(asset, ("any",), True)) for asset in PORTFOLIO_ASSETS}
    assert rows_of(said["portfolio_snapshots"].pop("failures")) == [("P4", "planted", "by hand")]
    part = {"portfolios refreshed by name": 3, "portfolios failed": 1, "seconds": 1.235}
    assert said == dict.fromkeys(PORTFOLIO_ASSETS, part)


def test_the_worst_of_equal_scenarios_is_the_first_by_name() -> None:
    done = replace(SESSION, scenario_pnl={"b": -1.0, "a": -1.0, "c": 4.0})
    assert finished(done).figures_of["stress_test_results"]["worst scenario"] == "a"


def test_the_last_session_of_a_run_has_charts_of_betas_and_returns(ran: Stage) -> None:
    said = ran.metadata("portfolio_snapshots", LATEST)
    for name in CHARTS:
        assert said[name].endswith("known of 2 of 2 portfolios, no chart.")
    for number, quantity in enumerate(("10", "-20", "30")):
        held = lot("TSLA", quantity, "250", OPENED, name=quantity)
        add_portfolio(ran.database, held, inception=OPENED, name=f"Chart {number}")
    ran.materialize(PORTFOLIO_ASSETS, BEFORE, LATEST)
    drawn = ran.metadata("portfolio_snapshots", LATEST)
    pictures = set()
    for name, subject in (
        ("chart of betas", "Market Beta (90D)"),
        ("chart of daily returns", "Daily return"),
    ):
        head = f"![{subject} of 5 portfolios](data:image/png;base64,"
        assert drawn[name].startswith(head)
        picture = base64.b64decode(drawn[name][len(head) : -1], validate=True)
        assert len(picture) < 20_000
        Image.open(io.BytesIO(picture), formats=["PNG"]).load()
        pictures.add(picture)
        assert name not in ran.metadata("portfolio_snapshots", BEFORE)
    assert len(pictures) == 2
    # Another session is another picture.
    ran.materialize(PORTFOLIO_ASSETS, BEFORE)
    others = ran.metadata("portfolio_snapshots", BEFORE)
    assert all(others[name] != drawn[name] for name in CHARTS)


def test_a_session_whose_symbols_are_missing_is_left_out_and_the_others_are_told_of(
    ran: Stage,
) -> None:
    before = ran.metadata("stress_test_results", LATEST)
    withdraw_symbols(ran, [LATEST])
    run_id = ran.materialize(PORTFOLIO_ASSETS, BEFORE, LATEST)
    assert ran.status(run_id) is DagsterRunStatus.SUCCESS
    assert set(ran.metadata("portfolio_snapshots", BEFORE)) >= CHARTS
    assert ran.metadata("stress_test_results", LATEST) == before
    logged = [entry.user_message for entry in ran.instance.all_logs(run_id)]
    assert any(f"has not published {LATEST}" in message for message in logged)


def test_a_run_that_can_compute_no_session_fails_and_says_why(ran: Stage) -> None:
    withdraw_symbols(ran, [BEFORE, LATEST])
    run_id = ran.materialize(PORTFOLIO_ASSETS, BEFORE, LATEST)
    assert ran.status(run_id) is DagsterRunStatus.FAILURE
    for session in (BEFORE, LATEST):
        assert f"the symbol layer has not published {session}" in ran.failure(run_id)


def test_a_portfolio_that_fails_is_named_warned_of_and_forgiven_when_it_is_mended(
    ran: Stage,
) -> None:
    planted = [add_vast_portfolio(ran)]
    planted += [add_small_portfolio(ran, number) for number in range(7)]
    assert run_job(ran.instance, "portfolio_refresh", LATEST, LATEST)
    said = ran.metadata("portfolio_snapshots", LATEST)
    assert (said["portfolios done"], said["portfolios failed"]) == (9, 1)
    ((item, reason, detail),) = rows_of(raw(ran, "portfolio_snapshots", LATEST)["failures"])
    assert (item, reason) == (planted[0], "cannot_be_stored")
    assert "more than can be stored" in detail
    found = ran.check("portfolio_snapshots", "portfolios_refreshed")
    assert verdict(found) == WARNS
    named = f"1 of 10 portfolios failed: {planted[0]} (cannot_be_stored)"
    assert found.description == f"{LATEST}: {named}"

    ran.tell("UPDATE positions SET quantity = 1 WHERE quantity = %s", VAST)
    assert run_job(ran.instance, "portfolio_refresh", LATEST, LATEST)
    assert ran.check("portfolio_snapshots", "portfolios_refreshed").passed
    said = ran.metadata("portfolio_snapshots", LATEST)
    assert (said["portfolios done"], said["portfolios failed"]) == (10, 0)
    assert "failures" not in said


def test_any_failure_of_twenty_portfolios_warns_and_more_than_two_are_an_error(ran: Stage) -> None:
    added = [add_small_portfolio(ran, number) for number in range(18)]
    assert evaluated(ran).passed
    for failures, expected in ((1, WARNS), (2, WARNS), (3, ERRS), (18, ERRS)):
        log(ran, LATEST, added[:failures])
        found = evaluated(ran)
        assert verdict(found) == expected
        assert not found.blocking
        said = {name: value.value for name, value in found.metadata.items() if name != "failures"}
        assert said == {
            "sessions": len(RANGE),
            "sessions with failures": 1,
            "portfolios failed": failures,
            "worst share": failures / 20,
        }
        listed = rows_of(found.metadata["failures"])
        assert listed == [
            (str(LATEST), item, "planted", "by hand") for item in sorted(added[:failures])
        ]


def test_the_check_names_the_worst_session_and_the_first_of_its_portfolios(ran: Stage) -> None:
    added = sorted(add_small_portfolio(ran, number) for number in range(8))
    log(ran, BEFORE, added[:7])
    log(ran, LATEST, added[:1])
    found = evaluated(ran)
    first = ", ".join(f"{item} (planted)" for item in added[:5])
    assert found.description == (
        f"{BEFORE}: 7 of 10 portfolios failed: {first} and 2 more; failures on 2 sessions"
    )
    assert found.metadata["portfolios failed"].value == 7
    assert len(rows_of(found.metadata["failures"])) == 8
    # Launched for a session, and alone, it looks at that one, and at the newest.
    assert verdict(evaluated(ran, LATEST, LATEST)) == WARNS
    alone = ran.evaluate("portfolio_snapshots", "portfolios_refreshed")
    assert (alone.description or "").startswith(f"{LATEST}: 1 of 10 portfolios failed")


def test_the_reason_of_a_failure_is_that_of_its_newest_attempt(ran: Stage) -> None:
    added = add_small_portfolio(ran, 0)
    log(ran, LATEST, [added])
    failure = BatchFailure(added, "another", "the second time")
    log_failures(ran.database, "portfolio_layer", LATEST, [failure])
    listed = rows_of(evaluated(ran).metadata["failures"])
    assert listed == [(str(LATEST), added, "another", "the second time")]


def test_what_is_refreshed_gone_not_yet_there_or_no_portfolio_is_no_failure(ran: Stage) -> None:
    ((refreshed,), *_) = ran.ask("SELECT id::text FROM portfolios ORDER BY id")
    deleted = add_small_portfolio(ran, 0)
    ran.tell("UPDATE portfolios SET deleted_at = now() WHERE id = %s", deleted)
    later = add_portfolio(ran.database, inception=str(LATEST), name="Later")
    log(ran, BEFORE, [refreshed, deleted, later, str(BEFORE)])
    log_failures(ran.database, "another_layer", LATEST, [BatchFailure(later, "planted", "")])
    found = evaluated(ran)
    assert found.passed
    assert found.description == "every portfolio was refreshed"
    assert found.metadata["portfolios failed"].value == 0


def test_a_database_in_which_nothing_was_published_has_no_failure(stage: Stage) -> None:
    found = stage.evaluate("portfolio_snapshots", "portfolios_refreshed")
    assert found.passed
    assert found.metadata["sessions"].value == 0


def evaluated(stage: Stage, first: date = RANGE[0], last: date = LATEST) -> AssetCheckEvaluation:
    """The check of the sessions from first to last."""
    return stage.evaluate("portfolio_snapshots", "portfolios_refreshed", first, last)


def verdict(found: AssetCheckEvaluation) -> Check:
    return found.passed, found.severity


def raw(stage: Stage, asset: str, session: date) -> Any:
    """The newest metadata of a partition, as values of Dagster's."""
    wanted = AssetRecordsFilter(AssetKey(asset), asset_partitions=[str(session)])
    (record,) = stage.instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization.metadata


def rows_of(table: Any) -> list[tuple[Any, ...]]:
    assert isinstance(table, TableMetadataValue)
    names = [column.name for column in table.schema.columns]
    return [tuple(record.data[name] for name in names) for record in table.records]


def add_small_portfolio(stage: Stage, number: int) -> str:
    return add_portfolio(
        stage.database,
        lot("AAPL", "1", "180", OPENED, name=f"small {number}"),
        inception=str(BEFORE),
        name=f"Small {number}",
    )


def add_vast_portfolio(stage: Stage) -> str:
    vast = lot("AAPL", VAST, "180", OPENED, name="vast")
    return add_portfolio(stage.database, vast, inception=str(BEFORE), name="Vast")


def log(stage: Stage, session: date, items: Sequence[str]) -> None:
    """Say by hand that the refresh of portfolios failed on a session."""
    failures = [BatchFailure(item, "planted", "by hand") for item in items]
    log_failures(stage.database, "portfolio_layer", session, failures)


def withdraw_symbols(stage: Stage, sessions: Sequence[date]) -> None:
    stage.tell(
        "DELETE FROM published_sessions WHERE layer = 'symbols' AND session = ANY(%s)",
        list(sessions),
    )
