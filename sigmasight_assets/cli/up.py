"""`sigmasight up`: database, prices, results, and then the UI and the API until Ctrl-C."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dagster import DagsterInstance

from sigmasight_assets.cli.platform import Grounds, command_settings, remember_source, standing
from sigmasight_assets.cli.runs import require_range, run_sessions
from sigmasight_assets.cli.serving import Ports, serve
from sigmasight_assets.cli.summary import print_summary
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.read.universe import price_sources
from sigmasight_assets.core.db.write.accounts import add_accounts
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.demo.portfolios import demo_accounts
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.source import PriceSource
from sigmasight_assets.core.market.sources import make_source
from sigmasight_assets.core.settings import Profile, Settings

log = logging.getLogger(__name__)

DEFAULT_SESSIONS = 60


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
    settings = command_settings(
        price_source=options.source or ("files" if options.prices else None),
        price_files=options.prices,
    )
    first, last = _range(options, settings)
    source = make_source(settings.source_name(), settings.price_files)
    listed = source.listed_symbols()
    ports = None if options.once else Ports(options.dagster_port, options.api_port)
    if ports:
        ports.require_free()
    with standing(settings) as grounds, DagsterInstance.get() as instance:
        remember_source(settings)
        _seed(grounds, source, listed, first, last)
        code = _fill(grounds, instance, first, last)
        if code == 0 and ports:
            serve(ports, settings)
        return code


def _range(options: UpOptions, settings: Settings) -> tuple[date, date]:
    """First and last session to fill."""
    latest = sessions.latest_completed(settings.clock())
    last = sessions.on_or_before(options.last or latest)
    if options.first is not None:
        if options.sessions is not None:
            raise ConfigurationError("--from and --sessions contradict each other: give one")
        first = sessions.on_or_after(options.first)
    else:
        count = options.sessions or DEFAULT_SESSIONS
        first = max(sessions.offset(last, 1 - count), sessions.on_or_after(settings.start_date))
    require_range(settings, first, last)
    return first, last


def _seed(
    grounds: Grounds, source: PriceSource, listed: tuple[str, ...], first: date, last: date
) -> None:
    """The symbols a source lists become part of every night; demo portfolios enter once."""
    count = add_symbols(grounds.database, listed, first, reason=f"listed by {source.name}")
    log.info("%d symbols listed by the source %s", count, source.name)
    if grounds.settings.profile is not Profile.PRODUCTION:
        added = add_accounts(grounds.database, demo_accounts(source, first, last))
        log.info("%d demo portfolios added", added)


def _fill(grounds: Grounds, instance: DagsterInstance, first: date, last: date) -> int:
    """Run the range, unless every session of it is there already, on this source."""
    wanted = set(sessions.as_dates(sessions.between(first, last)))
    with grounds.database.connection() as connection:
        done = [set(published(connection, layer, first)) for layer in Layer]
        same_source = price_sources(connection) <= {str(grounds.settings.source_name())}
    if same_source and all(wanted <= days for days in done):
        log.info("%d sessions, %s to %s, are there already", len(wanted), first, last)
        print_summary(grounds.database)
        return 0
    return run_sessions(grounds, instance, first, last)
