"""What a command stands on: settings, a running database, a Dagster instance."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.locate import DAGSTERS, OURS
from sigmasight_assets.core.db.migrate import upgrade
from sigmasight_assets.core.db.write.reference import seed_reference
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.settings import Settings, load_settings

PROJECT: Final = Path(__file__).parents[2]
EVENT_BATCH_SIZE: Final = "500"


@dataclass(frozen=True)
class Grounds:
    """Settings that name a database which can be reached, and that database."""

    settings: Settings
    database: Database


def command_settings(**overrides: Any) -> Settings:  # noqa: ANN401  (validated by field)
    """Settings of a command: arguments, then the environment, then what `up` last ran on."""
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = load_settings(**given)
    if settings.price_source is None:
        remembered = _remembered(settings.home)
        settings = load_settings(**{**remembered, **given})
    return settings


@contextmanager
def standing(settings: Settings) -> Iterator[Grounds]:
    """A migrated and seeded database, with an environment that leads child processes to it.

    An embedded server that this command started stops with it, unless somebody else uses it.
    """
    home = settings.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    with _servers(settings) as (ours, dagsters):
        database = Database(ours)
        upgrade(database)
        seed_reference(database)
        _set_environment(settings, home, ours, dagsters)
        yield Grounds(settings, database)


@contextmanager
def _servers(settings: Settings) -> Iterator[tuple[str, str]]:
    """The URLs of our database and of Dagster's."""
    if settings.database_url:
        if not settings.dagster_postgres_url:
            raise ConfigurationError(
                "DAGSTER_POSTGRES_URL must be set where SIGMASIGHT_DATABASE_URL is: "
                "Dagster keeps its own database"
            )
        yield settings.database_url, settings.dagster_postgres_url
        return
    server = EmbeddedPostgres(settings.home)
    with server.in_use():
        for name in (OURS, DAGSTERS):
            server.create_database(name)
        yield (
            server.database_url(OURS),
            settings.dagster_postgres_url or server.database_url(DAGSTERS),
        )


def _set_environment(settings: Settings, home: Path, ours: str, dagsters: str) -> None:
    folder = home / "dagster"
    folder.mkdir(exist_ok=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copyfile(PROJECT / name, folder / name)
    os.environ["SIGMASIGHT_HOME"] = str(home)
    os.environ["SIGMASIGHT_DATABASE_URL"] = ours
    os.environ["DAGSTER_POSTGRES_URL"] = psycopg2_url(dagsters)
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = EVENT_BATCH_SIZE
    os.environ["SIGMASIGHT_PRICE_SOURCE"] = settings.source_name()
    if settings.price_files:
        os.environ["SIGMASIGHT_PRICE_FILES"] = str(settings.price_files.resolve())


def psycopg2_url(url: str) -> str:
    """The URL with the driver that Dagster's storage needs.

    SQLAlchemy reads a bare postgresql:// as psycopg 3, on which dagster-postgres fails.
    """
    try:
        driver = make_url(url).set(drivername="postgresql+psycopg2")
    except ArgumentError:
        raise ConfigurationError("DAGSTER_POSTGRES_URL cannot be read as a URL") from None
    return driver.render_as_string(hide_password=False)


def remember_source(settings: Settings) -> None:
    """Let later commands use the same prices: a symbol's stored window has one source."""
    path = settings.price_files
    chosen = {
        "price_source": str(settings.source_name()),
        "price_files": str(path.resolve()) if path else None,
    }
    target = settings.home / "price_source.json"
    draft = target.with_suffix(".draft")
    draft.write_text(json.dumps(chosen))
    draft.replace(target)


def _remembered(home: Path) -> dict[str, str]:
    try:
        chosen = json.loads((home / "price_source.json").read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{home / 'price_source.json'} cannot be read: {error}") from None
    return {name: value for name, value in chosen.items() if value is not None}
