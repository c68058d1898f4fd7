"""A platform of the test's own: database, Dagster storage, settings, a frozen clock."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import pytest

from sigmasight_assets.cli.platform import dagster_instance, standing
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.settings import load_settings
from sigmasight_assets_tests.assets.exchange import Exchange, open_exchange
from sigmasight_assets_tests.assets.instances import (
    NOW,
    RANGE,
    Stage,
    Tables,
    add_books,
    result_checksums,
    run_range,
)
from sigmasight_assets_tests.postgres import drop_database, fresh_database


@dataclass(frozen=True)
class Templates:
    """Names of two databases nobody is connected to, ours and Dagster's, to be copied."""

    ours: str
    dagsters: str
    checksums: Mapping[str, str]


@pytest.fixture(scope="session")
def beginning(
    server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Templates:
    """A few portfolios, and a storage of Dagster's without a run."""
    ours, dagsters = fresh_database(server, template=template), fresh_database(server)
    add_books(Database(ours))
    with _stage(ours, dagsters, tmp_path_factory.mktemp("beginning")):
        return Templates(_name(ours), _name(dagsters), {})


@pytest.fixture(scope="session")
def straight(
    server: EmbeddedPostgres, beginning: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Templates:
    """What RANGE comes to when nothing goes wrong: one run of each job."""
    ours = fresh_database(server, template=beginning.ours)
    dagsters = fresh_database(server, template=beginning.dagsters)
    with _stage(ours, dagsters, tmp_path_factory.mktemp("straight")) as stage:
        run_range(stage, RANGE[0], RANGE[-1])
        return Templates(_name(ours), _name(dagsters), result_checksums(stage))


@pytest.fixture
def stage(server: EmbeddedPostgres, beginning: Templates, tmp_path: Path) -> Iterator[Stage]:
    """A platform with a few portfolios in which no session was ever run."""
    yield from _copy(server, beginning, tmp_path)


@pytest.fixture
def ran(server: EmbeddedPostgres, straight: Templates, tmp_path: Path) -> Iterator[Stage]:
    """A platform in which every session of RANGE was run once."""
    yield from _copy(server, straight, tmp_path)


@pytest.fixture
def checksums(straight: Templates) -> Mapping[str, str]:
    """The checksum of each table after RANGE was run once."""
    return straight.checksums


@pytest.fixture
def tables(database: Database, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """A migrated database without portfolios, to which the settings lead."""
    monkeypatch.setenv("SIGMASIGHT_DATABASE_URL", database.url)
    monkeypatch.setenv("SIGMASIGHT_NOW", NOW)
    return Tables(database)


def _copy(server: EmbeddedPostgres, templates: Templates, home: Path) -> Iterator[Stage]:
    ours = fresh_database(server, template=templates.ours)
    dagsters = fresh_database(server, template=templates.dagsters)
    with _stage(ours, dagsters, home) as stage:
        yield stage
    for url in (ours, dagsters):
        drop_database(server, url)


@contextmanager
def _stage(ours: str, dagsters: str, home: Path) -> Iterator[Stage]:
    settings = load_settings(
        home=home / "home", database_url=ours, dagster_postgres_url=dagsters, profile="test"
    )
    given = {"SIGMASIGHT_NOW": NOW, "SIGMASIGHT_PROFILE": "test"}
    with (
        mock.patch.dict(os.environ, given),
        standing(settings) as grounds,
        dagster_instance() as instance,
    ):
        yield Stage(grounds.database, instance, dict(os.environ))


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture
def exchange(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """A stage whose prices come from a market on loopback, in good health."""
    yield from open_exchange(stage, monkeypatch)
