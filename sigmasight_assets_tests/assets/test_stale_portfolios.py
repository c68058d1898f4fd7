"""Portfolios that were edited at noon are refreshed soon, and the night is left in peace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_sensor_context,
)
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.definitions import defs
from sigmasight_assets.overdue import PATIENCE
from sigmasight_assets.ranges import REFRESHED_BY
from sigmasight_assets.resources import Platform
from sigmasight_assets.sensors import MOST_NAMED, stale_portfolios_sensor
from sigmasight_assets_tests.assets.instances import NOW, RANGE, Stage, Tables
from sigmasight_assets_tests.builders import add_portfolio, day, lot

LATEST, EARLIER = RANGE[-1], RANGE[0]
NOTHING = "no published session of a portfolio is out of date"
STATUS = DagsterRunStatus
EVENTS = {
    STATUS.QUEUED: DagsterEventType.RUN_ENQUEUED,
    STATUS.STARTING: DagsterEventType.RUN_STARTING,
    STATUS.STARTED: DagsterEventType.RUN_START,
    STATUS.CANCELING: DagsterEventType.RUN_CANCELING,
    STATUS.SUCCESS: DagsterEventType.RUN_SUCCESS,
    STATUS.FAILURE: DagsterEventType.RUN_FAILURE,
}
CODE = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("sigmasight"), "__repository__")
ALL = defs.resolve_implicit_global_asset_job_def()
"""The job of whatever a person materializes in the UI."""


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """A Dagster in which nothing ever ran."""
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def books(tables: Tables) -> Tables:
    """Two portfolios, up to date, in two published sessions."""
    for name in ("One", "Two"):
        shares = lot("AAPL", "1", "5", "2026-02-26", name=name)
        add_portfolio(tables.database, shares, inception="2026-02-26", name=name)
    for layer in ("symbols", "portfolios"):
        tables.publish(layer, str(RANGE[-2]), str(LATEST))
    tables.tell("UPDATE portfolios SET stale_from = NULL")
    return tables


def test_a_portfolio_that_was_edited_is_refreshed_by_a_run_of_the_newest_session(
    books: Tables, instance: DagsterInstance
) -> None:
    assert told(instance) == NOTHING
    one, two = edit(books, "One"), edit(books, "Two", "2026-03-05")
    request = asked(instance)
    assert request.partition_key == str(LATEST)
    assert request.run_config == config(*sorted([one, two]))


def test_the_same_state_is_one_run_and_another_state_another(
    books: Tables, instance: DagsterInstance
) -> None:
    keys = []
    for name in ("One", "One", "Two"):
        edit(books, name)
        keys += [asked(instance).run_key, asked(instance).run_key]
    assert keys[::2] == keys[1::2]
    assert len(set(keys)) == 3


def test_a_refresh_that_failed_is_asked_for_again_after_ten_minutes(
    books: Tables, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(books, "One")
    keys = []
    for minutes in (0, 9, 10, 19, 20):
        later = datetime.fromisoformat(NOW) + timedelta(minutes=minutes)
        monkeypatch.setenv("SIGMASIGHT_NOW", later.isoformat())
        keys.append(asked(instance).run_key)
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]


@pytest.mark.parametrize(("count", "named"), [(MOST_NAMED, True), (MOST_NAMED + 1, False)])
def test_more_than_five_hundred_portfolios_are_refreshed_with_all_others(
    books: Tables, instance: DagsterInstance, count: int, named: bool
) -> None:
    books.tell(
        "INSERT INTO portfolios (user_id, account_name, starting_equity, inception_date) "
        "SELECT user_id, 'Book ' || number, 1, '2026-02-26' "
        "FROM (SELECT DISTINCT user_id FROM portfolios) AS owner, generate_series(1, %s) AS number",
        count,
    )
    ids = books.ask("SELECT id::text FROM portfolios WHERE stale_from IS NOT NULL ORDER BY id")
    assert len(ids) == count
    assert asked(instance).run_config == config(*([one for (one,) in ids] if named else []))


@pytest.mark.parametrize(
    "change",
    [
        # None of these has a row that a refresh of the newest session could mend.
        "UPDATE portfolios SET inception_date = '2026-03-16'",
        "UPDATE portfolios SET deleted_at = now()",
        "UPDATE portfolios SET stale_from = '2026-03-16'",
        "UPDATE portfolios SET stale_from = NULL",
        # Nor may a run begin here: results are not there yet, or on their way out.
        "DELETE FROM published_sessions WHERE layer = 'portfolios'",
        "DELETE FROM published_sessions WHERE layer = 'symbols' AND session = '2026-03-13'",
    ],
)
def test_what_a_refresh_of_the_newest_session_cannot_mend_is_not_asked_for(
    books: Tables, instance: DagsterInstance, change: str
) -> None:
    edit(books, "One")
    asked(instance)
    books.tell(change)
    assert told(instance) == NOTHING


@pytest.mark.parametrize("job", ["symbol_batch", "portfolio_refresh", ALL.name])
def test_nothing_is_asked_for_while_a_run_is_queued_or_under_way(
    books: Tables, instance: DagsterInstance, job: str
) -> None:
    edit(books, "One")
    for status in (STATUS.QUEUED, STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING):
        run = put_run(instance, job, status)
        assert told(instance) == f"run {run.run_id} of {job} is queued or under way"
        report(instance, run, STATUS.FAILURE)
        asked(instance)


def test_a_run_that_asks_for_companies_holds_nobody_up(
    books: Tables, instance: DagsterInstance
) -> None:
    edit(books, "One")
    put_run(instance, "company_sync", STATUS.STARTED)
    asked(instance)


@pytest.mark.parametrize("tags", [{}, {REFRESHED_BY: "command"}])
def test_the_refresh_that_follows_a_batch_is_not_forestalled(
    books: Tables,
    instance: DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tags: Mapping[str, str],
) -> None:
    edit(books, "One")
    put_run(instance, "portfolio_refresh", STATUS.SUCCESS)
    batch = put_run(instance, "symbol_batch", STATUS.SUCCESS, tags)
    (record,) = instance.get_run_records(limit=1)
    assert record.end_time
    ended = datetime.fromtimestamp(record.end_time).astimezone()
    monkeypatch.setenv("SIGMASIGHT_NOW", (ended + PATIENCE - timedelta(seconds=1)).isoformat())
    due = f"the refresh that follows run {batch.run_id} of symbol_batch is due"
    assert told(instance) == due
    monkeypatch.setenv("SIGMASIGHT_NOW", (ended + PATIENCE + timedelta(seconds=1)).isoformat())
    asked(instance)
    monkeypatch.setenv("SIGMASIGHT_NOW", ended.isoformat())
    put_run(instance, "portfolio_refresh", STATUS.FAILURE)
    asked(instance)


def test_a_batch_that_failed_is_followed_by_nothing(
    books: Tables, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(books, "One")
    put_run(instance, "symbol_batch", STATUS.FAILURE)
    monkeypatch.setenv("SIGMASIGHT_NOW", datetime.now().astimezone().isoformat())
    asked(instance)


def test_the_run_it_asks_for_brings_every_published_session_up_to_date(stage: Stage) -> None:
    for job in ("symbol_batch", "portfolio_refresh"):
        assert run_job(stage.instance, job, RANGE[-2], LATEST)
    assert told(stage.instance) == NOTHING
    before = stage.ask(QUANTITIES)
    stage.tell("UPDATE positions SET quantity = quantity * 2 WHERE symbol = 'XOM'")
    request = asked(stage.instance)
    assert request.partition_key == str(LATEST)
    done = defs.resolve_job_def("portfolio_refresh").execute_in_process(
        instance=stage.instance,
        partition_key=request.partition_key,
        run_config=dict(request.run_config),
        raise_on_error=False,
    )
    assert done.success
    assert told(stage.instance) == NOTHING
    after = stage.ask(QUANTITIES)
    changed = {(name, on) for (name, on, value) in set(after) - set(before)}
    assert changed == {("Long and short", RANGE[-2]), ("Long and short", LATEST)}
    assert stage.metadata("portfolio_snapshots", LATEST)
    assert set(stage.materialized("portfolio_snapshots")) == set(RANGE[-2:])


QUANTITIES = """
    SELECT f.account_name, s.snapshot_date, s.long_value FROM portfolio_snapshots s
    JOIN portfolios f ON f.id = s.portfolio_id
"""


def evaluate(instance: DagsterInstance) -> RunRequest | SkipReason:
    with build_sensor_context(instance, resources={"platform": Platform()}) as context:
        said = stale_portfolios_sensor(context)
    assert isinstance(said, RunRequest | SkipReason)
    return said


def asked(instance: DagsterInstance) -> RunRequest:
    """The run that the sensor asks for."""
    said = evaluate(instance)
    assert isinstance(said, RunRequest), said
    return said


def told(instance: DagsterInstance) -> str | None:
    """Why the sensor asks for nothing."""
    said = evaluate(instance)
    assert isinstance(said, SkipReason), said
    return said.skip_message


def config(*ids: str) -> Mapping[str, Any]:
    return {"ops": {"portfolio_layer": {"config": {"portfolio_ids": list(ids)}}}}


def edit(tables: Tables, name: str, since: str = "2026-02-26") -> str:
    """A change of a portfolio's past; returns its id."""
    ((portfolio_id,),) = tables.ask("SELECT id FROM portfolios WHERE account_name = %s", name)
    tables.tell("SELECT mark_portfolio_changed(%s, %s)", portfolio_id, day(since))
    return str(portfolio_id)


def put_run(
    instance: DagsterInstance,
    job: str,
    status: DagsterRunStatus,
    tags: Mapping[str, str] | None = None,
) -> DagsterRun:
    """A run that stands like this."""
    known = ALL if job == ALL.name else defs.resolve_job_def(job)
    queueable = CODE.get_job_origin(job)
    run = instance.create_run_for_job(known, tags=tags, remote_job_origin=queueable)
    report(instance, run, status)
    return run


def report(instance: DagsterInstance, run: DagsterRun, status: DagsterRunStatus) -> None:
    instance.report_dagster_event(DagsterEvent(EVENTS[status].value, run.job_name), run.run_id)
