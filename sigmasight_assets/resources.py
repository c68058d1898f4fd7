"""Thin shells over core: where the database is, where prices come from, what time it is."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial

from dagster import ConfigurableResource, InitResourceContext

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.locate import configured_database
from sigmasight_assets.core.db.source_limits import DatabaseLimit
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.companies import CompanySource
from sigmasight_assets.core.market.sources import make_company_source, make_sources
from sigmasight_assets.core.risk.stress_scenario_moves import RateSensitivity
from sigmasight_assets.core.settings import Settings, load_settings
from sigmasight_assets.liveness import stay_alive


class Platform(ConfigurableResource):  # type: ignore[type-arg]
    """What the assets stand on, read from the environment when a run starts.

    Nothing is opened before it is asked for, so definitions load without a database.
    """

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """A run that begins to stand on this shows from now on that its process lives."""
        if context.run and context.instance:
            stay_alive(context.instance, context.run.run_id)

    def settings(self) -> Settings:
        """The settings of this process."""
        return load_settings()

    def database(self) -> Database:
        """The configured database, or the embedded one."""
        return configured_database(self.settings())

    def price_sources(self) -> PriceSources:
        """The configured price sources, each within the one budget that all runs share."""
        return make_sources(self.settings(), partial(DatabaseLimit, self.database()))

    def company_source(self) -> CompanySource | None:
        """The source of profiles and statements, within the same budget; None if there is none."""
        return make_company_source(self.settings(), partial(DatabaseLimit, self.database()))

    def rates(self) -> RateSensitivity:
        """How TLT answers to yields."""
        settings = self.settings()
        return RateSensitivity(duration=settings.tlt_duration, convexity=settings.tlt_convexity)

    def now(self) -> datetime:
        """The present instant."""
        return self.settings().clock()

    def completed(self, partition_keys: Sequence[str]) -> list[date]:
        """Partition keys as sessions, each refused unless its close has passed.

        Raises:
            SessionNotComplete: naming the instant at which the session will be available.
        """
        now = self.now()
        return [
            sessions.require_completed(date.fromisoformat(key), now)
            for key in sorted(partition_keys)
        ]
