"""The reconciliation in Dagster: part of the night, said per partition, an error when it breaks."""

from __future__ import annotations

from dagster import AssetCheckSeverity, DagsterRunStatus

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets_tests.assets.instances import RANGE, Stage

ASSET, CHECK, FIRST, LATEST = "reconciliation_exceptions", "reconciled", RANGE[0], RANGE[-1]


def test_a_night_reconciles_every_session_and_finds_nothing(ran: Stage) -> None:
    assert ran.materialized(ASSET) == RANGE
    for session in RANGE:
        said = ran.metadata(ASSET, session)
        assert said["portfolios compared"] == 2
        assert said["exceptions"] == said["dagster/row_count"] == 0
        assert said["left out, out of date"] == said["left out, failed"] == 0
        assert 0 < said["seconds"] < 60
        assert "first exceptions" not in said
    evaluation = ran.check(ASSET, CHECK)
    assert (evaluation.passed, evaluation.blocking) == (True, False)
    assert evaluation.metadata["sessions"].value == len(RANGE)
    assert evaluation.description == "the three accounts agree"


def test_a_planted_break_fails_the_check_which_names_the_worst(ran: Stage) -> None:
    ((small, large),) = ran.ask(
        "SELECT min(id::text), max(id::text) FROM portfolios HAVING count(*) = 2"
    )
    for portfolio, session, usd in ((small, RANGE[3], "0.01"), (large, RANGE[5], "0.50")):
        ran.tell(
            "UPDATE portfolio_snapshots SET cash_value = cash_value + %s "
            "WHERE portfolio_id = %s AND snapshot_date = %s",
            usd,
            portfolio,
            session,
        )
    run_id = ran.materialize([ASSET], FIRST, LATEST)
    assert ran.status(run_id) is DagsterRunStatus.SUCCESS
    evaluation = ran.evaluate(ASSET, CHECK, FIRST, LATEST)
    assert (evaluation.passed, evaluation.severity) == (False, AssetCheckSeverity.ERROR)
    assert (evaluation.description or "").startswith(
        f"{large} on {RANGE[5]}, cash_value: the snapshot says "
    )
    assert evaluation.metadata["exceptions"].value == evaluation.metadata["portfolios"].value == 2
    counts = [ran.metadata(ASSET, session)["exceptions"] for session in RANGE]
    assert [session for session, count in zip(RANGE, counts, strict=True) if count] == [
        RANGE[3],
        RANGE[5],
    ]
    (record,) = ran.metadata(ASSET, RANGE[3])["first exceptions"].records
    assert (record.data["portfolio"], record.data["item"]) == (small, "cash_value")
    assert record.data["detail"].startswith("the snapshot says ")
    assert not ran.evaluate(ASSET, CHECK, LATEST).passed, "until those sessions are right again"


def test_the_next_refresh_mends_what_was_broken(ran: Stage) -> None:
    ran.tell("UPDATE portfolio_snapshots SET cash_value = 1 WHERE snapshot_date = %s", LATEST)
    ran.materialize([ASSET], LATEST)
    assert not ran.evaluate(ASSET, CHECK).passed
    assert run_job(ran.instance, "portfolio_refresh", LATEST, LATEST)
    assert ran.check(ASSET, CHECK).passed
    assert ran.ask("SELECT * FROM reconciliation_exceptions") == []


def test_a_session_whose_portfolios_are_not_published_is_skipped_and_named(ran: Stage) -> None:
    ran.tell("DELETE FROM published_sessions WHERE layer = 'portfolios' AND session = %s", RANGE[4])
    run_id = ran.materialize([ASSET], RANGE[4])
    entries = ran.instance.all_logs(run_id)
    said = [entry.user_message for entry in entries if not entry.is_dagster_event]
    assert f"left out, their portfolios are not published: {RANGE[4]}" in said
    assert ran.status(run_id) is DagsterRunStatus.SUCCESS
