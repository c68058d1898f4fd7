"""The embedded server after kills, on wrong folders and among strangers; every fault is real."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest

from sigmasight_assets.core.db import embedded as embedded_module
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.errors import DatabaseUnavailable
from sigmasight_assets_tests.core.db.embedded_servers import (
    ask,
    data_folder,
    embedded,
    end_server,
    server_pid,
    spawn,
    wait_until,
)

# Busy for hours without a spill file: a backend that outlived this test would else fill the disk.
BUSY = b"SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"


def kill_server(home: Path) -> int:
    pid = server_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server_pid(home) is None)
    return pid


def is_alive(pid: int) -> bool:
    """Whether the process lives; one that ended and that nobody asked about has no arguments."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


def refused(home: Path) -> str:
    """The one line with which the server of a faulty home is refused."""
    with pytest.raises(DatabaseUnavailable) as refusal:
        embedded(home).ensure_running()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("fsync", [True, False])
def test_after_a_kill_it_recovers_on_the_same_port_with_its_data(
    made_home: Path, fsync: bool
) -> None:
    server = EmbeddedPostgres(made_home, fsync=fsync)
    url = server.database_url("postgres")
    ask(url, "CREATE TABLE lots AS SELECT generate_series(1, 1000) AS id")
    kill_server(made_home)
    assert server.database_url("postgres") == url
    assert ask(url, "SELECT count(*), sum(id) FROM lots") == [(1000, 500500)]


def test_after_a_kill_a_backend_in_a_long_query_does_not_block_the_next_start(
    made_home: Path,
) -> None:
    url = embedded(made_home).database_url("postgres")
    busy = psycopg.connect(url, autocommit=True)
    backend = busy.info.backend_pid
    busy.pgconn.send_query(BUSY)
    wait_until(lambda: ("active",) in ask(url, "SELECT state FROM pg_stat_activity"))
    kill_server(made_home)
    assert is_alive(backend)
    assert ask(embedded(made_home).database_url("postgres"), "SELECT 1") == [(1,)]
    assert not is_alive(backend)
    busy.close()


def test_a_pid_file_whose_pid_is_now_somebody_elses_harms_neither(made_home: Path) -> None:
    server = embedded(made_home)
    server.ensure_running()
    killed = kill_server(made_home)
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        pid_file = data_folder(made_home) / "postmaster.pid"
        pid_file.write_text(pid_file.read_text().replace(str(killed), str(stranger.pid), 1))
        server.stop()
        assert ask(server.database_url("postgres"), "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_copied_home_does_not_take_the_original_for_its_server(home: Path) -> None:
    original, copy = home / "original", home / "copy"
    try:
        first = embedded(original).ensure_running()
        shutil.copytree(original, copy)
        embedded(copy).stop()
        assert server_pid(original) is not None
        assert embedded(copy).ensure_running().port != first.port
        assert server_pid(original) != server_pid(copy)
    finally:
        # A copied pid file names the server of the original until a server of the copy starts.
        end_server(original)
        end_server(copy)


def test_a_start_killed_during_initdb_leaves_nothing_usable_and_is_cleared_away(home: Path) -> None:
    starter = spawn("server.ensure_running()", home, start_new_session=True)
    wait_until(lambda: any((home / "postgres").glob("new-*/data/base/1/*")))
    os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate(timeout=30)
    assert not data_folder(home).parent.exists()
    assert ask(embedded(home).database_url("postgres"), "SELECT 1") == [(1,)]
    assert list((home / "postgres").glob("new-*")) == []


def test_a_starter_killed_while_its_server_comes_up_leaves_a_server_to_be_found(
    made_home: Path,
) -> None:
    embedded(made_home).ensure_running()
    kill_server(made_home)
    (data_folder(made_home) / "postmaster.pid").unlink()
    starter = spawn("server.ensure_running()", made_home)
    wait_until((data_folder(made_home) / "postmaster.pid").exists)
    starter.kill()
    starter.communicate(timeout=30)
    assert ask(embedded(made_home).database_url("postgres"), "SELECT 1") == [(1,)]
    log = (made_home / "postgres" / "server.log").read_text()
    assert log.count("starting PostgreSQL") == 2


def test_a_port_that_somebody_took_since_is_left_to_them(made_home: Path) -> None:
    server = embedded(made_home)
    port = server.ensure_running().port
    server.stop()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        address = server.ensure_running()
        assert address.port != port
        assert ask(address.url("postgres"), "SELECT 1") == [(1,)]


def test_a_server_that_only_another_container_can_see_is_not_doubled(
    made_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded(made_home).ensure_running()
    embedded(made_home).stop()
    monkeypatch.setattr(embedded_module, "_START_SECONDS", 0.3)
    with (made_home / "postgres" / "server.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert "cannot be reached from here" in refused(made_home)
    assert server_pid(made_home) is None


def test_a_home_that_is_a_file_is_refused(home: Path) -> None:
    (home / "file").write_text("")
    assert "Not a directory" in refused(home / "file")


def test_a_line_break_in_the_path_is_refused(home: Path) -> None:
    assert "a line break in the path" in refused(home / "a\nb")


def test_a_folder_that_is_no_data_folder_is_refused_and_left_alone(home: Path) -> None:
    foreign = data_folder(home) / "thesis.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("years of work")
    assert "is not a data folder of this project" in refused(home)
    assert [path for path in data_folder(home).parent.rglob("*") if path.is_file()] == [foreign]


def test_data_of_an_older_major_version_is_refused_by_name(made_home: Path) -> None:
    (data_folder(made_home) / "PG_VERSION").write_text("16\n")
    assert "was made by PostgreSQL 16 and this is 18" in refused(made_home)


def test_a_corrupt_data_folder_is_refused_with_what_the_server_says(made_home: Path) -> None:
    password = (data_folder(made_home).parent / "password").read_text()
    (data_folder(made_home) / "global" / "pg_control").write_bytes(b"")
    refusal = refused(made_home)
    assert "pg_control" in refusal
    assert "FATAL" in refusal or "PANIC" in refusal
    assert password not in refusal


def test_an_initdb_that_fails_says_why_and_leaves_nothing(home: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    process = spawn(limit + "server.ensure_running()", home)
    _, complaints = process.communicate(timeout=60)
    last = complaints.strip().splitlines()[-1]
    assert "DatabaseUnavailable: initdb could not make a database" in last
    assert "server.lock" in {path.name for path in (home / "postgres").iterdir()}
    assert not data_folder(home).parent.exists()
    assert list((home / "postgres").glob("new-*")) == []
