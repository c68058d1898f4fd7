"""One run at a time asks Yahoo, and one that is killed while it does leaves no trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from itertools import groupby

import pytest
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.write.universe import gather_universe
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.patience import Unlimited
from sigmasight_assets.core.market.polygon_source import PolygonSource
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.partitions import NEW_YORK
from sigmasight_assets.pools import POOLS
from sigmasight_assets_tests.assets.conftest import Templates
from sigmasight_assets_tests.assets.dagster_dev import daemon, webserver
from sigmasight_assets_tests.assets.exchange import (
    HELD,
    KEY,
    LATEST,
    SHARES,
    Exchange,
    places_of_the_key,
)
from sigmasight_assets_tests.assets.instances import NOW, RANGE, advisory_locks, eventually
from sigmasight_assets_tests.builders import claim, run_portfolios, run_symbols
from sigmasight_assets_tests.market_servers.loopback import Reply, Request
from sigmasight_assets_tests.market_servers.yahoo import CHART, is_chart
from sigmasight_assets_tests.market_servers.yahoo_companies import PROFILE_PATH, STATEMENTS_PATH
from sigmasight_assets_tests.postgres import drop_database, fresh_database

FIRST, SECOND, THIRD = RANGE[:3]
PROXIES = tuple(symbol for symbol in SHARES if symbol not in HELD)
SUCCESS, FAILURE, STARTED = (
    DagsterRunStatus.SUCCESS,
    DagsterRunStatus.FAILURE,
    DagsterRunStatus.STARTED,
)


def test_runs_of_three_processes_ask_one_after_another(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGMASIGHT_NOW", evening(FIRST))
    assert run_job(exchange.instance, "symbol_batch", FIRST, FIRST)
    exchange.server.requests.clear()
    gate = threading.Event()
    exchange.server.fault(is_chart, *[waiting_at(gate)] * 200)
    with backfill(exchange, SECOND) as holder:
        eventually(lambda: exchange.server.requests)
        with backfill(exchange, THIRD) as other:
            opener = threading.Thread(target=open_when, args=(gate, exchange, 2))
            opener.start()
            assert run_job(exchange.instance, "company_sync", FIRST, FIRST)
            opener.join()
            assert (holder.wait(60), other.wait(60)) == (0, 0)
    asked = [whose(request) for request in exchange.server.requests]
    turns = [run for run, _ in groupby(run for run in asked if run)]
    assert turns[0] == str(SECOND)
    assert sorted(turns) == sorted([str(SECOND), str(THIRD), PROFILE_PATH, STATEMENTS_PATH])
    assert exchange.published("symbols") == [FIRST, SECOND, THIRD]
    nothing_is_held(exchange)


def evening(session: date) -> str:
    """After the close of a session and before the next one's."""
    return f"{session}T22:30:00+00:00"


def open_when(gate: threading.Event, exchange: Exchange, pending: int) -> None:
    """Open the gate once so many runs wait for the slot that another one holds."""
    pool = exchange.instance.event_log_storage
    try:
        eventually(lambda: pool.get_concurrency_info("yfinance").pending_step_count == pending)
    finally:
        gate.set()


def whose(request: Request) -> str:
    """Which step of which run asked: a batch asks for charts up to its own session."""
    if is_chart(request):
        end = datetime.fromtimestamp(int(request.query["period2"]) - 1, NEW_YORK)
        return str(end.date())
    paths = (PROFILE_PATH, STATEMENTS_PATH)
    return next((path for path in paths if request.path.startswith(path)), "")


def test_the_pools_are_there_before_two_runs_can_ask_for_one_at_once(exchange: Exchange) -> None:
    limits = exchange.instance.event_log_storage.get_pool_limits()
    assert {(limit.name, limit.limit) for limit in limits} == {(pool, 1) for pool in POOLS}


def test_a_killed_fetch_is_gone_on_with_by_the_next_command(
    exchange: Exchange, server: EmbeddedPostgres, beginning: Templates
) -> None:
    gate = threading.Event()
    exchange.server.fault(is_about(PROXIES), *[cut_off_after(gate)] * 200)
    with backfill(exchange, LATEST) as command:
        eventually(lambda: any(map(is_about(PROXIES), exchange.server.requests)))
        (run_id,) = exchange.instance.event_log_storage.get_concurrency_run_ids()
        command.send_signal(signal.SIGKILL)
        command.wait()
    gate.set()
    exchange.server.heal()
    asked = charts_asked(exchange)
    assert exchange.instance.event_log_storage.get_concurrency_run_ids() == {run_id}
    exchange.server.requests.clear()

    assert run_job(exchange.instance, "symbol_batch", LATEST, LATEST)
    assert exchange.status(run_id) is FAILURE
    assert set(HELD) <= set(asked)
    assert charts_asked(exchange) == Counter(PROXIES), "what was stored is not asked for again"
    assert run_job(exchange.instance, "portfolio_refresh", LATEST, LATEST)
    nothing_is_held(exchange)
    assert table_checksums(exchange.database) == undisturbed(exchange, server, beginning)


def undisturbed(
    exchange: Exchange, server: EmbeddedPostgres, beginning: Templates
) -> Mapping[str, str]:
    """The tables after the same night without Dagster and without a fault."""
    database = Database(fresh_database(server, template=beginning.ours))
    url = exchange.server.url
    sources = PriceSources(
        (YahooSource(Unlimited(), url),), (PolygonSource(KEY, Unlimited(), url),)
    )
    gather_universe(database, LATEST, LATEST)
    held = claim(database, Layer.SYMBOLS, [LATEST], "undisturbed")
    refresh_prices(database, sources, held, LATEST, LATEST, datetime.fromisoformat(NOW))
    run_symbols(database, [LATEST])
    run_portfolios(database, [LATEST])
    found = table_checksums(database)
    drop_database(server, database.url)
    return found


def test_a_night_of_the_daemon_outlives_a_kill_and_ends_with_books_and_companies(
    exchange: Exchange,
) -> None:
    gate = threading.Event()
    exchange.server.fault(is_about(PROXIES), *[cut_off_after(gate)] * 200)
    with daemon(exchange), webserver(exchange) as ui:
        killed = ui.launch("symbol_batch", LATEST)
        eventually(lambda: any(map(is_about(PROXIES), exchange.server.requests)))
        assert exchange.instance.event_log_storage.get_concurrency_run_ids() == {killed}
        os.kill(worker(exchange, killed), signal.SIGKILL)
        gate.set()
        exchange.server.heal()
        asked = charts_asked(exchange)
        exchange.server.requests.clear()
        eventually(lambda: charts_asked(exchange), 60)
        eventually(lambda: finished(exchange) >= Counter(JOBS), 60)
    assert finished(exchange) == Counter(JOBS)
    assert exchange.runs(FAILURE) == [killed]
    assert set(HELD) <= set(asked)
    assert charts_asked(exchange) == Counter(PROXIES)
    assert exchange.published("symbols") == exchange.published("portfolios") == [LATEST]
    copied = "SELECT count(*) FROM symbol_factor_exposures WHERE provider_beta = 1.25"
    assert exchange.ask(copied) == [(len(HELD),)]
    nothing_is_held(exchange)
    assert places_of_the_key(exchange) == []


JOBS = ("symbol_batch", "portfolio_refresh", "company_sync")


def finished(exchange: Exchange) -> Counter[str]:
    """How many runs of each job succeeded."""
    runs = exchange.instance.get_runs(filters=RunsFilter(statuses=[SUCCESS]))
    return Counter(run.job_name for run in runs)


def nothing_is_held(exchange: Exchange) -> None:
    assert exchange.instance.event_log_storage.get_concurrency_run_ids() == set()
    assert [run.job_name for run in exchange.instance.get_runs() if not run.is_finished] == []
    eventually(lambda: not advisory_locks(exchange))


def charts_asked(exchange: Exchange) -> Counter[str]:
    """How often each symbol's prices were asked for."""
    asked = (request for request in exchange.server.requests if is_chart(request))
    return Counter(request.path.removeprefix(CHART) for request in asked)


def is_about(symbols: tuple[str, ...]) -> Callable[[Request], bool]:
    return lambda request: request.path.removeprefix(CHART) in symbols


def waiting_at(gate: threading.Event) -> Callable[[Request], Reply | None]:
    """The right answer, once the gate opens."""

    def answer(request: Request) -> None:
        gate.wait(60)

    return answer


def cut_off_after(gate: threading.Event) -> Callable[[Request], Reply | None]:
    """No answer at all; the gate opens once nobody waits for it any more."""

    def answer(request: Request) -> Reply:
        gate.wait(60)
        return Reply(reset=True)

    return answer


@contextmanager
def backfill(exchange: Exchange, session: date) -> Iterator[subprocess.Popen[bytes]]:
    """The command for one session, in a process of its own."""
    command = [sys.executable, "-m", "sigmasight_assets.cli.main", "backfill"]
    command += ["--from", str(session), "--to", str(session)]
    with subprocess.Popen(command, env=exchange.environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def worker(exchange: Exchange, run_id: str) -> int:
    """The process that executes a run of the daemon's."""
    entries = exchange.instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
    found = [entry.get_dagster_event().engine_event_data.metadata for entry in entries]
    (pid,) = {each["pid"].value for each in found if "pid" in each}
    return int(pid)
