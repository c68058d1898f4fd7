"""What the tests of the Dagster rooms share: a small book, a range of sessions, its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    RunsFilter,
)
from dagster._core.scheduler.instigation import InstigatorTick

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import lock_slices
from sigmasight_assets.definitions import defs
from sigmasight_assets.ranges import range_tags
from sigmasight_assets_tests.builders import add_portfolio, days, lot

NOW = "2026-03-13T22:00:00+00:00"
"""Friday, two hours after the close."""

RANGE = days("2026-02-26", "2026-03-13")
"""Twelve sessions, across the change to daylight saving time, up to the latest completed one."""

SYMBOL_ASSETS = (
    "symbol_universe",
    "market_data_cache",
    "symbol_factor_exposures",
    "symbol_daily_metrics",
    "factor_covariances",
)
PORTFOLIO_ASSETS = (
    "portfolio_snapshots",
    "factor_exposures",
    "correlations",
    "stress_test_results",
)
ALL_ASSETS = (*SYMBOL_ASSETS, *PORTFOLIO_ASSETS)


@dataclass(frozen=True)
class Tables:
    """Our database."""

    database: Database

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.database.connection() as connection:
            return connection.execute(query, values).fetchall()

    def tell(self, statement: str, *values: object) -> None:
        """Change rows by hand."""
        with self.database.connection() as connection:
            connection.execute(statement, values)

    def published(self, layer: str) -> list[date]:
        """The sessions that readers may see."""
        query = "SELECT session FROM published_sessions WHERE layer = %s ORDER BY 1"
        return [session for (session,) in self.ask(query, layer)]

    def publish(self, layer: str, first: str, last: str) -> None:
        """Say by hand that the sessions are published, each at 22:00 of its evening in New York."""
        self.tell(
            "INSERT INTO published_sessions (layer, session, epoch, data_version, published_at) "
            "SELECT %s, day, 1, nextval('data_version'), "
            "(day + TIME '22:00') AT TIME ZONE 'America/New_York' FROM unnest(%s::date[]) AS day",
            layer,
            days(first, last),
        )


@dataclass(frozen=True)
class Stage(Tables):
    """Our database, a Dagster instance, and the environment that leads a process to both."""

    instance: DagsterInstance
    environment: Mapping[str, str]

    def materialized(self, asset: str) -> list[date]:
        """The sessions of which Dagster has a materialization."""
        keys = self.instance.get_materialized_partitions(AssetKey(asset))
        return sorted(map(date.fromisoformat, keys))

    def runs(self, status: DagsterRunStatus) -> list[str]:
        """The ids of the runs with this status."""
        found = self.instance.get_runs(filters=RunsFilter(statuses=[status]))
        return [run.run_id for run in found]

    def status(self, run_id: str) -> DagsterRunStatus:
        """How a run stands."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def ticks(self, name: str) -> list[InstigatorTick]:
        """The ticks of a schedule or sensor, oldest first."""
        states = self.instance.all_instigator_state()
        (state,) = (each for each in states if each.instigator_name == name)
        return self.instance.get_ticks(state.instigator_origin_id, state.selector_id)[::-1]

    def failure(self, run_id: str) -> str:
        """What made the steps of a run fail, with its causes."""
        entries = self.instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)
        events = [entry.get_dagster_event().step_failure_data for entry in entries]
        return "\n".join(event.error.to_string() for event in events if event.error)

    def check(self, asset: str, name: str) -> AssetCheckEvaluation:
        """The newest evaluation of a check, as the UI shows it."""
        storage = self.instance.event_log_storage
        key = AssetCheckKey(AssetKey(asset), name)
        newest = storage.get_asset_check_execution_history(check_key=key, limit=1)[0]
        evaluation = newest.evaluation
        assert evaluation is not None
        return evaluation

    def materialize(self, assets: Collection[str], first: date, last: date | None = None) -> str:
        """Materialize some assets alone, as the UI does, for one partition or a range.

        Returns the run's id.
        """
        job = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(map(AssetKey, assets)), asset_check_selection=set()
        )
        done = job.execute_in_process(
            instance=self.instance,
            partition_key=None if last else str(first),
            tags=range_tags(first, last) if last else None,
            raise_on_error=False,
        )
        return done.run_id

    def metadata(self, asset: str, session: date) -> dict[str, Any]:
        """What the newest materialization of a partition says."""
        wanted = AssetRecordsFilter(asset_key=AssetKey(asset), asset_partitions=[str(session)])
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        materialization = record.asset_materialization
        assert materialization is not None
        return {name: value.value for name, value in materialization.metadata.items()}

    def evaluate(
        self, asset: str, name: str, first: date | None = None, last: date | None = None
    ) -> AssetCheckEvaluation:
        """Launch a check by itself, for sessions or, as the UI does, for none in particular."""
        key = AssetCheckKey(AssetKey(asset), name)
        job = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(), asset_check_selection={key}
        )
        tags = range_tags(first, last or first) if first else {}
        assert job.execute_in_process(instance=self.instance, tags=tags).success
        return self.check(asset, name)


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition holds."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while not condition():
        assert time.monotonic() < deadline, f"it never came in {seconds} s"
        time.sleep(pause := min(pause * 1.2, 0.5))


@contextmanager
def held(tables: Tables, table: str, session: date) -> Iterator[None]:
    """Whoever wants to write this slice waits at its lock until the block ends."""
    with tables.database.connection() as connection:
        lock_slices(connection, [table], session)
        yield


def advisory_locks(stage: Stage, granted: bool | None = None) -> int:
    """How many advisory locks there are on our database, held and waited for."""
    ((count,),) = stage.ask(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database() "
        "AND granted = coalesce(%s, granted)",
        granted,
    )
    return int(count)


def result_checksums(tables: Tables) -> Mapping[str, str]:
    """The checksum of every table; each portfolio must be up to date."""
    assert tables.ask("SELECT account_name FROM portfolios WHERE stale_from IS NOT NULL") == []
    return table_checksums(tables.database)


def add_books(database: Database) -> None:
    """Two portfolios with something of everything: long, short, an option, a private lot."""
    opened = "2025-11-21"
    add_portfolio(
        database,
        lot("AAPL", "100", "180", opened),
        lot("MSFT", "50", "400", opened),
        lot("AAPL271217C00200000", "2", "30", opened),
        lot("XYZ_FUND", "1", "5000", opened, value="5500"),
        inception=opened,
        name="Long",
    )
    add_portfolio(
        database,
        lot("XOM", "200", "100", opened),
        lot("TSLA", "-40", "250", opened),
        inception=opened,
        name="Long and short",
    )


def run_range(stage: Stage, first: date, last: date) -> None:
    """Symbols, then portfolios, as the command does it."""
    for job in ("symbol_batch", "portfolio_refresh"):
        assert run_job(stage.instance, job, first, last), job


def plant_symbols_without_a_price_since(tables: Tables, last: date, count: int) -> None:
    """Symbols that nobody holds, with a price on one session and none afterwards."""
    names = [f"GONE{number}" for number in range(count)]
    tables.tell(
        "INSERT INTO symbol_universe (symbol, investment_class, status) "
        "SELECT name, 'PUBLIC', 'error' FROM unnest(%s::text[]) AS name",
        names,
    )
    tables.tell(
        "INSERT INTO market_data_cache (symbol, date, close, adj_close, data_source) "
        "SELECT name, %s, 10, 10, 'planted' FROM unnest(%s::text[]) AS name",
        last,
        names,
    )
