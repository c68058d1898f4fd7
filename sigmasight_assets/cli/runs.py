"""Sessions on demand: one, or a range in one run."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sigmasight_assets.cli.platform import Grounds, command_settings, dagster_instance, standing
from sigmasight_assets.cli.price_choice import (
    Prices,
    filled_with,
    open_prices,
    remember_filled,
)
from sigmasight_assets.cli.summary import print_summary
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import change_marks
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.settings import Settings


def run(day: date, portfolio: str | None, force: bool) -> int:
    """Run one session for everybody, or refresh one portfolio on it."""
    settings = command_settings()
    portfolio_id = _portfolio_id(portfolio)
    if not sessions.is_session(day):
        before = sessions.on_or_before(day)
        if not force:
            print(f"{day} is not an NYSE session, nothing to do (--force would run {before})")
            return 0
        day = before
    return _run(settings, [day], portfolio_id)


def backfill(first: date, last: date) -> int:
    """Run every session of a range as one run of each job."""
    return _run(command_settings(), sessions_from(first, last))


def sessions_from(first: date, last: date) -> list[date]:
    """The sessions of a range.

    Raises:
        ConfigurationError: if there are none.
    """
    if first > last:
        raise ConfigurationError(f"the range ends ({last}) before it begins ({first})")
    days = sessions.as_dates(sessions.between(first, last))
    if not days:
        raise ConfigurationError(f"there is no NYSE session from {first} to {last}")
    return days


def require_range(settings: Settings, prices: Prices, first: date, last: date) -> None:
    """Refuse sessions that have no partition, whose close has not passed or that have no price.

    Raises:
        ConfigurationError, SessionNotComplete: naming the nearest legal session.
    """
    if first < settings.start_date:
        raise ConfigurationError(
            f"{first} is before the first session, {settings.start_date} (SIGMASIGHT_START_DATE)"
        )
    sessions.require_completed(last, settings.clock())
    oldest, newest = sessions.as_dates(prices.sessions[[0, -1]])
    for day in (first, last):
        if not oldest <= day <= newest:
            raise ConfigurationError(
                f"there is no price on {day}: the prices of the source {prices.source_name} "
                f"go from {oldest} to {newest}"
            )


def _run(settings: Settings, days: list[date], portfolio_id: str | None = None) -> int:
    """Symbols, then portfolios; a single portfolio is refreshed on symbols that are there."""
    sessions.require_completed(days[-1], settings.clock())
    prices = open_prices(settings)
    require_range(settings, prices, days[0], days[-1])
    with standing(settings) as grounds:
        # Only now: Dagster's definitions read the environment, and take a second to load.
        from sigmasight_assets.cli.filling import run_work, work_of  # noqa: PLC0415

        if portfolio_id:
            _require_portfolio(grounds, days[0], portfolio_id)
        if filled_with(settings.home) != prices.fingerprint:
            remember_filled(settings.home, None)
        with grounds.database.connection() as connection:
            there = published(connection, Layer.SYMBOLS, days[0])
        symbols = [] if portfolio_id and days[0] in there else days
        work = work_of(settings, symbols, days)
        with dagster_instance() as instance:
            if not run_work(instance, work, portfolio_id):
                return 1
        print_summary(grounds.database, days[-1])
        return 0


def _portfolio_id(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a portfolio id (a UUID)") from None


def _require_portfolio(grounds: Grounds, day: date, portfolio_id: str) -> None:
    with grounds.database.connection() as connection:
        if not len(change_marks(connection, day, [portfolio_id]).id):
            raise ConfigurationError(f"there is no portfolio {portfolio_id} on {day}")
