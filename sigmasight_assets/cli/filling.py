"""Which sessions have to be run, and running them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from dagster import DagsterInstance

from sigmasight_assets.cli.execution import run_job
from sigmasight_assets.cli.interrupts import ignore_further
from sigmasight_assets.cli.platform import Grounds
from sigmasight_assets.cli.price_choice import Prices, filled_with, remember_filled
from sigmasight_assets.cli.progress import never_silent
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.write.price_sources import supersede_prices
from sigmasight_assets.core.settings import Settings
from sigmasight_assets.ranges import contiguous_ranges

log = logging.getLogger(__name__)

NEEDED: Final = ("symbol_batch", "portfolio_refresh")
"""Jobs without which there is no result."""


@dataclass(frozen=True)
class Work:
    """Sessions to run in each layer; of companies the latest alone, where a source knows them."""

    symbols: frozenset[date]
    portfolios: frozenset[date]
    companies: frozenset[date]


def work_of(settings: Settings, symbols: Collection[date], portfolios: Collection[date]) -> Work:
    """What the sessions ask for; companies follow the symbols of the latest session."""
    latest = {sessions.latest_completed(settings.clock())} & set(symbols)
    companies = latest if settings.knows_companies() else ()
    return Work(frozenset(symbols), frozenset(portfolios), frozenset(companies))


def fill(grounds: Grounds, instance: DagsterInstance, prices: Prices, wanted: list[date]) -> bool:
    """Run those of the wanted sessions that are missing; whether all succeeded.

    Results of other prices are withdrawn first, and run again where the new prices allow it: a
    reader never finds results of two kinds of prices side by side.
    """
    home = grounds.settings.home
    again: set[date] = set()
    if filled_with(home) != prices.fingerprint:
        again = _withdraw(grounds, prices)
        remember_filled(home, prices.fingerprint)
    work = _missing(grounds, sorted(again | set(wanted)))
    if not work.portfolios:
        log.info("%s: there already", described(wanted))
    return run_work(instance, work)


def run_work(instance: DagsterInstance, work: Work, portfolio_id: str | None = None) -> bool:
    """Symbols, companies, portfolios: one run for each gap-free range.

    Returns whether symbols and portfolios succeeded: companies hold up nobody.
    """
    chosen = {"portfolio_layer": {"config": {"portfolio_ids": [portfolio_id]}}}
    for job, days, config in (
        ("symbol_batch", work.symbols, None),
        ("company_sync", work.companies, None),
        ("portfolio_refresh", work.portfolios, chosen if portfolio_id else None),
    ):
        for first, last in contiguous_ranges(sorted(days)):
            log.info("%s: %s", job, described(sessions.as_dates(sessions.between(first, last))))
            try:
                with never_silent():
                    succeeded = run_job(instance, job, first, last, config)
            except KeyboardInterrupt:
                ignore_further()
                raise
            if not succeeded:
                log.error("%s failed: the Dagster UI shows the run", job)
                if job in NEEDED:
                    return False
    return True


def described(days: Iterable[date]) -> str:
    """How many sessions, from when to when."""
    ordered = sorted(days)
    if len(ordered) == 1:
        return f"1 session, {ordered[0]}"
    return f"{len(ordered)} sessions, {ordered[0]} to {ordered[-1]}"


def _missing(grounds: Grounds, wanted: list[date]) -> Work:
    """A session whose symbols are run has its portfolios run too."""
    with grounds.database.connection() as connection:
        symbols = set(wanted) - set(published(connection, Layer.SYMBOLS))
        portfolios = set(wanted) - set(published(connection, Layer.PORTFOLIOS))
    return work_of(grounds.settings, symbols, symbols | portfolios)


def _withdraw(grounds: Grounds, prices: Prices) -> set[date]:
    """Withdraw all results; returns the sessions of them that the new prices have."""
    with grounds.database.connection() as connection:
        results = {day for layer in Layer for day in published(connection, layer)}
    again = results & set(sessions.as_dates(prices.sessions))
    if results:
        log.info("the prices are not those of the stored results: %s", described(results))
        log.info("%d are run again, %d have no price now", len(again), len(results - again))
    supersede_prices(grounds.database, results, results - again)
    return again
