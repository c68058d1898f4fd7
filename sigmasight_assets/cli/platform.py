"""What a command stands on: settings, a running database, a Dagster instance."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from sigmasight_assets.cli.price_choice import remembered_choice
from sigmasight_assets.cli.servers import postgres_servers
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.migrate import upgrade
from sigmasight_assets.core.errors import ConfigurationError, DatabaseUnavailable
from sigmasight_assets.core.nightly.reference import seed_reference
from sigmasight_assets.core.sessions import FIRST_KNOWN, LAST_KNOWN
from sigmasight_assets.core.settings import Profile, Settings, load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

log = logging.getLogger(__name__)

PROJECT: Final = Path(__file__).parents[2]
EVENT_BATCH_SIZE: Final = "500"

# Capturing what steps print takes four processes a step, which a Ctrl-C meets in their sleep.
# What a command's own runs print is on the terminal already.
COMMAND_YAML: Final = "command.yaml"
WITHOUT_COMPUTE_LOGS: Final = """
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


@dataclass(frozen=True)
class Grounds:
    """Settings that name a database which can be reached, and that database."""

    settings: Settings
    database: Database


def command_settings(**overrides: Any) -> Settings:  # noqa: ANN401  (validated by field)
    """Settings of a command: arguments, then the environment, then what `up` last ran on."""
    given = {name: value for name, value in overrides.items() if value is not None}
    # What `up` remembers may be the real source that the production profile asks for.
    found = load_settings(**{"profile": Profile.DEMO, **given})
    if found.price_source is None:
        known = {"price_source": "files"} if found.price_files else remembered_choice(found.home)
        given = {**known, **given}
    settings = load_settings(**given)
    for name, day in (("START_DATE", settings.start_date), ("NOW", settings.clock().date())):
        if not FIRST_KNOWN <= day <= LAST_KNOWN:
            raise ConfigurationError(
                f"SIGMASIGHT_{name}: the calendar goes from {FIRST_KNOWN} to {LAST_KNOWN}"
            )
    return settings


@contextmanager
def standing(settings: Settings) -> Iterator[Grounds]:
    """A migrated and seeded database, with an environment that leads child processes to it.

    An embedded server that this command started stops with it, unless somebody else uses it.
    """
    with postgres_servers(settings) as (ours, dagsters):
        database = Database(ours)
        bring_up_to_date(database)
        _set_environment(settings, ours, dagsters)
        yield Grounds(settings, database)


def dagster_instance() -> DagsterInstance:
    """The instance that the environment of `standing` leads to, for runs of this process."""
    from dagster import DagsterInstance  # noqa: PLC0415  (a second that bad arguments spare)

    from sigmasight_assets.pools import enter_pools  # noqa: PLC0415

    instance = DagsterInstance.from_config(os.environ["DAGSTER_HOME"], COMMAND_YAML)
    enter_pools(instance)
    return instance


def bring_up_to_date(database: Database) -> None:
    """Migrate the tables and fill those that say what the package says.

    Raises:
        DatabaseUnavailable: if the server refuses, with its reason.
    """
    log.info("bringing the tables up to date")
    try:
        upgrade(database)
        seed_reference(database)
    except (DBAPIError, psycopg.Error, CommandError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnavailable(f"the tables cannot be brought up to date: {reason}") from error


def _set_environment(settings: Settings, ours: str, dagsters: str) -> None:
    home = settings.home.resolve()
    folder = home / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copyfile(PROJECT / name, folder / name)
        instance = (PROJECT / "dagster.yaml").read_text()
        (folder / COMMAND_YAML).write_text(instance + WITHOUT_COMPUTE_LOGS)
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from error
    os.environ["SIGMASIGHT_HOME"] = str(home)
    os.environ["SIGMASIGHT_DATABASE_URL"] = ours
    os.environ["DAGSTER_POSTGRES_URL"] = dagsters
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = EVENT_BATCH_SIZE
    os.environ["SIGMASIGHT_PRICE_SOURCE"] = settings.source_name()
    if settings.price_files:
        os.environ["SIGMASIGHT_PRICE_FILES"] = str(settings.price_files.resolve())
