"""`sigmasight up`: database, prices, results, and then the UI and the API until Ctrl-C."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from sigmasight_assets.cli.platform import Grounds, command_settings, dagster_instance, standing
from sigmasight_assets.cli.price_choice import Prices, open_prices, remember_choice
from sigmasight_assets.cli.runs import require_range, sessions_from
from sigmasight_assets.cli.serving import Ports, serve
from sigmasight_assets.cli.summary import print_summary
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.write.accounts import add_accounts
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.demo.portfolios import demo_accounts
from sigmasight_assets.core.errors import ConfigurationError
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
    if options.prices is not None and options.source == "synthetic":
        raise ConfigurationError("--prices is for --source files: synthetic prices have no file")
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


def _seed(grounds: Grounds, prices: Prices, days: list[date]) -> None:
    """The symbols a source lists become part of every night; demo portfolios enter once."""
    reason = f"listed by {prices.source.name}"
    count = add_symbols(grounds.database, prices.listed, days[0], reason)
    log.info("%d symbols listed by the source %s", count, prices.source.name)
    if grounds.settings.profile is not Profile.PRODUCTION:
        added = add_accounts(grounds.database, demo_accounts(prices.source, days[0], days[-1]))
        log.info("%d demo portfolios added", added)
