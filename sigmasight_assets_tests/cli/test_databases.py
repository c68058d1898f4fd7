"""A server of one's own, in every spelling, and servers that cannot be used."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets_tests.cli.commands import Run, is_one_complaint, server_pids, sigmasight
from sigmasight_assets_tests.postgres import drop_database, fresh_database

UP = ("up", "--once", "--sessions", "1")


@pytest.fixture
def ours(server: EmbeddedPostgres) -> Iterator[str]:
    url = fresh_database(server)
    yield url
    drop_database(server, url)


@pytest.fixture
def dagsters(server: EmbeddedPostgres) -> Iterator[str]:
    url = fresh_database(server)
    yield url
    drop_database(server, url)


def psycopg2(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://")


def both(ours: str, dagsters: str) -> dict[str, str | None]:
    return {"SIGMASIGHT_DATABASE_URL": ours, "DAGSTER_POSTGRES_URL": dagsters}


def test_a_configured_server_is_used_in_both_spellings_and_none_is_embedded(
    home: Path, ours: str, dagsters: str
) -> None:
    up = sigmasight(home, *UP, **both(ours, dagsters))
    assert up.code == 0, up.err
    assert up.out.count("\nDemo ") == 5
    secret = urlsplit(ours).password
    assert secret is not None
    assert secret not in up.err

    spelled = both(psycopg2(ours), psycopg2(dagsters))
    again = sigmasight(home, "up", "--once", "--sessions", "2", **spelled)
    assert again.code == 0, again.err
    assert "symbol_batch: 1 session, 2025-12-10" in again.err
    with psycopg.connect(dagsters) as connection:
        [(runs,)] = connection.execute("SELECT count(*) FROM runs WHERE status = 'SUCCESS'")
    assert runs == 4

    printed = sigmasight(home, "db", "url", **spelled)
    assert (printed.out, printed.err) == (f"{ours}\n", "")
    sums = sigmasight(home, "db", "checksum", **spelled)
    assert re.fullmatch(r"([0-9a-f]{32}  [a-z_]+\n)+", sums.out)
    stop = sigmasight(home, "db", "stop", **spelled)
    assert (stop.code, stop.out[:34]) == (0, "the database is not ours to stop: ")
    assert server_pids(home) == set()
    assert not (home / "postgres").exists()


@pytest.mark.parametrize("there", ["SIGMASIGHT_DATABASE_URL", "DAGSTER_POSTGRES_URL"])
def test_one_url_without_the_other_is_refused(run: Run, home: Path, there: str) -> None:
    done = run(*UP, **{there: "postgresql://u:hunter2@127.0.0.1:1/d"})
    assert is_one_complaint(done), done
    assert f"{there} is set and " in done.err
    assert "hunter2" not in done.err
    assert not home.exists()


def test_one_database_for_both_is_refused_and_stays_empty(run: Run, home: Path, ours: str) -> None:
    done = run(*UP, **both(ours, psycopg2(ours)))
    assert is_one_complaint(done), done
    assert "name one database" in done.err
    with psycopg.connect(ours) as connection:
        [(tables,)] = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        )
    assert tables == 0
    assert not home.exists()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/d", "Connection refused"),
        ("postgresql://u:hunter2@127.0.0.1:port/d", "cannot be read as a URL"),
        ("postgresql://u:hunter2@x@127.0.0.1/d", "special characters of the password as %XX"),
        ("postgresql://u:hunter2@nowhere.invalid/d", "nowhere.invalid"),
    ],
)
def test_an_unusable_url_is_one_line_without_the_password(
    run: Run, home: Path, url: str, complaint: str, ours: str
) -> None:
    for settings in (both(url, ours), both(ours, url)):
        done = run(*UP, **settings)
        assert is_one_complaint(done), done
        assert complaint in done.err
        name = next(name for name, value in settings.items() if value == url)
        assert f"sigmasight: {name}" in done.err
        assert "hunter2" not in done.err
        assert not home.exists()


def test_a_wrong_password_is_one_line_without_it(
    run: Run, home: Path, ours: str, dagsters: str
) -> None:
    right = str(urlsplit(ours).password)
    done = run(*UP, **both(ours.replace(right, "hunter2"), dagsters))
    assert is_one_complaint(done), done
    assert "password authentication failed" in done.err
    assert "hunter2" not in done.err
    assert not home.exists()


def test_a_black_hole_is_given_up_after_seconds(home: Path, dagsters: str) -> None:
    """A server that accepts and never answers, as behind a dead tunnel."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        url = f"postgresql://u:hunter2@127.0.0.1:{hole.getsockname()[1]}/d"
        done = sigmasight(home, "db", "migrate", seconds=40, **both(url, dagsters))
    assert is_one_complaint(done), done
    assert "timeout" in done.err
    assert not home.exists()


def test_a_user_who_may_not_create_tables_is_told_so(
    run: Run, server: EmbeddedPostgres, ours: str, dagsters: str
) -> None:
    with server.ensure_running().connect() as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'hunter2'")
    parts = urlsplit(ours)
    reader = f"postgresql://reader:hunter2@{parts.hostname}:{parts.port}{parts.path}"
    done = run("db", "migrate", **both(reader, dagsters))
    with server.ensure_running().connect() as connection:
        connection.execute("DROP ROLE reader")
    assert is_one_complaint(done), done
    assert "the tables cannot be brought up to date: permission denied" in done.err
