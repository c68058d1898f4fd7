"""Runs in each other's way, on the market: none may hang, pass for another, or cost a night."""

from __future__ import annotations

import threading

from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from sigmasight_assets.cli.filling import run_work, work_of
from sigmasight_assets.core.settings import load_settings
from sigmasight_assets_tests.assets.exchange import (
    BEFORE,
    CONTRACT,
    LATEST,
    SHARES,
    STRANGER,
    Exchange,
    batch,
)
from sigmasight_assets_tests.assets.instances import RANGE
from sigmasight_assets_tests.market_servers.loopback import Reply, Request
from sigmasight_assets_tests.market_servers.yahoo import chart_of


def test_a_command_does_not_wait_for_the_slot_of_a_run_that_has_ended(exchange: Exchange) -> None:
    """A daemon that stops between the end of a killed run and its slot's leaves it taken."""
    instance = exchange.instance
    assert batch(exchange, BEFORE)
    dead = create_run_for_test(instance, job_name="symbol_batch", status=DagsterRunStatus.STARTED)
    storage = instance.event_log_storage
    storage.claim_concurrency_slot("yfinance", dead.run_id, "market_data_cache")
    instance.report_run_failed(dead, "its process was killed")
    command = threading.Thread(target=batch, args=(exchange, LATEST), daemon=True)
    command.start()
    command.join(40)
    waiting = command.is_alive()
    storage.free_concurrency_slots_for_run(dead.run_id)
    command.join(60)
    assert not waiting


def test_the_failures_that_a_check_judges_are_those_of_its_own_run(exchange: Exchange) -> None:
    """A quicker run materializes the asset while the slower one waits for its contracts."""
    for symbol in SHARES[:4]:
        exchange.server.fault(chart_of(symbol), STRANGER)
    waits, goes_on = threading.Event(), threading.Event()

    def stall(_: Request) -> Reply | None:
        waits.set()
        goes_on.wait(9)
        return None

    exchange.server.fault(lambda request: CONTRACT in request.path, stall)
    slow = threading.Thread(target=batch, args=(exchange, BEFORE))
    slow.start()
    assert waits.wait(30)
    exchange.materialize(["market_data_cache"], LATEST)
    goes_on.set()
    slow.join(60)
    assert not exchange.check("market_data_cache", "failed_symbols").passed


def test_a_withheld_latest_session_does_not_cost_a_command_its_portfolios(
    exchange: Exchange,
) -> None:
    for symbol in SHARES[:7]:
        exchange.without_bar(symbol, LATEST)
    days = RANGE[-3:]
    assert run_work(exchange.instance, work_of(load_settings(), days, days))
    assert exchange.published("symbols") == exchange.published("portfolios") == days[:-1]


def test_a_single_session_that_is_stopped_says_why(exchange: Exchange) -> None:
    for symbol in SHARES[:7]:
        exchange.without_bar(symbol, LATEST)
    assert not batch(exchange, LATEST)
    logged = exchange.ask("SELECT batch_type, item, reason FROM batch_failure_log")
    assert ("symbol_layer", str(LATEST), "low_coverage") in logged
