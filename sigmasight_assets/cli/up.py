"""`sigmasight up`: database, prices, results, and then the UI and the API until Ctrl-C."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from sigmasight_assets.cli.platform import Grounds, command_settings, dagster_instance, standing
from sigmasight_assets.cli.price_choice import Prices, open_prices, remember_choice
from sigmasight_assets.cli.runs import require_range, sessions_from
from sigmasight_assets.cli.serving import Ports, serve
from sigmasight_assets.cli.summary import print_summary
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.read.accounts import stored_portfolios
from sigmasight_assets.core.db.source_limits import DatabaseLimit
from sigmasight_assets.core.db.write.accounts import add_accounts
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.demo.portfolios import demo_accounts, demo_portfolio_ids
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.sources import make_sources
from sigmasight_assets.core.settings import Profile, Settings

log = logging.getLogger(__name__)

DEFAULT_SESSIONS: Final = 60


@dataclass(frozen=True)
class UpOptions:
    """The arguments of `up`; None where not given."""

    source: str | None
    prices: Path | None
    first: date | None
    last: date | None
    sessions: int | None
    once: bool
    dagster_port: int
    api_port: int


def up(options: UpOptions) -> int:
    """Bring everything up. Nothing is started before every argument has been found usable."""
    _require_agreement(options)
    settings = command_settings(
        price_source=options.source or ("files" if options.prices else None),
        price_files=options.prices,
    )
    ports = None if options.once else Ports(options.dagster_port, options.api_port)
    if ports:
        ports.require_free()
    if options.last:
        sessions.require_completed(sessions.on_or_before(options.last), settings.clock())
    prices = open_prices(settings)
    days = _wanted(options, settings, prices)
    with standing(settings) as grounds:
        # Only now: Dagster's definitions read the environment, and take a second to load.
        from sigmasight_assets.cli.filling import fill  # noqa: PLC0415

        _seed(grounds, prices, days)
        remember_choice(settings)
        with dagster_instance() as instance:
            if not fill(grounds, instance, prices, days):
                return 1
        print_summary(grounds.database, days[-1])
        if ports:
            serve(ports, settings)
        return 0


def _require_agreement(options: UpOptions) -> None:
    """Refuse options that contradict each other."""
    if options.first is not None and options.sessions is not None:
        raise ConfigurationError("--from and --sessions contradict each other: give one")
    if options.prices is not None and options.source not in (None, "files"):
        raise ConfigurationError(f"--prices is for --source files: {options.source} has no file")
    if options.source == "files" and not (options.prices or "SIGMASIGHT_PRICE_FILES" in os.environ):
        raise ConfigurationError("--source files needs --prices PATH: a Parquet file or a folder")


def _wanted(options: UpOptions, settings: Settings, prices: Prices) -> list[date]:
    """The sessions to fill: those asked for, else the newest that have prices."""
    oldest, newest = sessions.as_dates(prices.sessions[[0, -1]])
    last = options.last or newest
    if options.first is not None:
        days = sessions_from(options.first, last)
    else:
        days = sessions_from(min(oldest, last), last)[-(options.sessions or DEFAULT_SESSIONS) :]
    require_range(settings, prices, days[0], days[-1])
    return days


def _has_demo(grounds: Grounds) -> bool:
    """Whether every demo portfolio is there: their entry prices need not be asked for again."""
    ids = demo_portfolio_ids()
    with grounds.database.connection() as connection:
        return stored_portfolios(connection, ids) == set(ids)


def _seed(grounds: Grounds, prices: Prices, days: list[date]) -> None:
    """The symbols a source lists become part of every night; demo portfolios enter once."""
    if prices.listed:
        reason = f"listed by {prices.source_name}"
        count = add_symbols(grounds.database, prices.listed, days[0], reason)
        log.info("%d symbols listed by the source %s", count, prices.source_name)
    if grounds.settings.profile is not Profile.PRODUCTION and not _has_demo(grounds):
        sources = make_sources(grounds.settings, partial(DatabaseLimit, grounds.database))
        added = add_accounts(grounds.database, demo_accounts(sources, days[0], days[-1]))
        log.info("%d demo portfolios added", added)
