"""The embedded server in ordinary life: starting, sharing, stopping, finding again."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from sigmasight_assets.core.db.server_address import ServerAddress
from sigmasight_assets_tests.core.db.embedded_servers import (
    ask,
    data_folder,
    embedded,
    end_server,
    run,
    server_pid,
    spawn,
)


def test_data_and_port_survive_a_stop_and_a_start(made_home: Path) -> None:
    server = embedded(made_home)
    server.create_database("books")
    url = server.database_url("books")
    ask(url, "CREATE TABLE lots AS SELECT 42 AS quantity")
    server.stop()
    assert server_pid(made_home) is None
    assert server.database_url("books") == url
    assert ask(url, "SELECT quantity FROM lots") == [(42,)]


def test_stopping_what_was_never_started_leaves_no_trace(home: Path) -> None:
    embedded(home).stop()
    assert list(home.iterdir()) == []


def test_four_processes_starting_at_once_get_one_server(home: Path) -> None:
    code = "input(); print(server.ensure_running().port)"
    processes = [spawn(code, home) for _ in range(4)]
    answers = [process.communicate("\n", timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, answers
    assert len({output for output, _ in answers}) == 1
    log = (home / "postgres" / "server.log").read_text()
    assert log.count("starting PostgreSQL") == 1


def test_a_path_may_hold_spaces_quotes_and_any_letter(home: Path) -> None:
    odd = home / 'it\'s a "home" $HOME `id` \\ ünï-日本 -D x'
    try:
        server = embedded(odd)
        server.create_database("books")
        server.stop()
        assert ask(server.database_url("books"), "SELECT 1") == [(1,)]
        server.stop()
        assert server_pid(odd) is None
    finally:
        end_server(odd)


def test_a_server_survives_its_starter_and_is_found_by_the_next_process(made_home: Path) -> None:
    port = run("print(server.ensure_running().port)", made_home)
    pid = server_pid(made_home)
    assert pid is not None
    assert embedded(made_home).ensure_running().port == int(port)
    assert server_pid(made_home) == pid


def test_ctrl_c_in_the_starters_terminal_does_not_reach_the_server(made_home: Path) -> None:
    code = "server.ensure_running(); print('up', flush=True); input()"
    starter = spawn(code, made_home, start_new_session=True)
    assert starter.stdout.readline() == "up\n"
    os.killpg(starter.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in starter.communicate(timeout=30)[1]
    embedded(made_home).ensure_running()
    assert (made_home / "postgres" / "server.log").read_text().count("starting PostgreSQL") == 1


def test_a_server_is_found_through_another_name_of_its_home(home: Path) -> None:
    (home / "real").mkdir()
    (home / "alias").symlink_to(home / "real")
    try:
        first = embedded(home / "real").ensure_running()
        assert embedded(home / "alias").ensure_running() == first
    finally:
        end_server(home / "real")


def test_the_only_user_who_started_it_stops_it_even_after_an_error(made_home: Path) -> None:
    def command() -> None:
        with embedded(made_home).in_use() as address:
            assert ask(address.url("postgres"), "SELECT 1") == [(1,)]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
    assert server_pid(made_home) is None


def test_a_user_who_found_it_running_leaves_it_running(made_home: Path) -> None:
    embedded(made_home).ensure_running()
    with embedded(made_home).in_use():
        pass
    assert server_pid(made_home) is not None


def test_the_starter_leaves_it_running_for_another_process_that_uses_it(made_home: Path) -> None:
    waits = "with server.in_use():\n    print('in', flush=True); input()"
    with embedded(made_home).in_use():
        other = spawn(waits, made_home)
        assert other.stdout.readline() == "in\n"
    assert server_pid(made_home) is not None
    other.communicate("\n", timeout=30)
    assert other.returncode == 0


def test_a_user_that_was_killed_no_longer_counts_as_one(made_home: Path) -> None:
    waits = "with server.in_use():\n    print('in', flush=True); input()"
    with embedded(made_home).in_use():
        other = spawn(waits, made_home)
        assert other.stdout.readline() == "in\n"
        other.kill()
        other.communicate(timeout=30)
    assert server_pid(made_home) is None


def test_whoever_wants_the_server_waits_while_another_process_starts_or_stops_it(
    made_home: Path,
) -> None:
    embedded(made_home).ensure_running()
    with (made_home / "postgres" / "start.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = spawn("with server.in_use(): print('in', flush=True)", made_home)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=2)
    assert other.communicate(timeout=30)[0] == "in\n"


def test_users_who_come_and_go_all_the_time_always_find_a_server(made_home: Path) -> None:
    code = """
for _ in range(5):
    with server.in_use() as address:
        psycopg.connect(address.url('postgres')).execute('SELECT 1')
"""
    embedded(made_home).ensure_running()
    embedded(made_home).stop()
    users = [spawn(code, made_home) for _ in range(3)]
    complaints = [user.communicate(timeout=60)[1] for user in users]
    assert [user.returncode for user in users] == [0] * 3, complaints


def test_ten_threads_may_create_one_database_at_once_under_any_name(made_home: Path) -> None:
    server, name = embedded(made_home), 'we"ird / näme %s'
    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(server.create_database, [name] * 10)) == [None] * 10
    assert ask(server.database_url(name), "SELECT current_database()") == [(name,)]


def test_the_password_is_required_and_shown_nowhere(home: Path) -> None:
    address = embedded(home).ensure_running()
    password_file = data_folder(home).parent / "password"
    assert address.password == password_file.read_text()
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert address.password not in repr(address)
    assert address.password not in (home / "postgres" / "server.log").read_text()
    assert address.password.encode() not in Path(f"/proc/{server_pid(home)}/cmdline").read_bytes()
    stranger = ServerAddress(address.host, address.port, address.user, "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        stranger.connect()


def test_a_url_carries_any_password_and_name() -> None:
    address = ServerAddress("127.0.0.1", 5432, "sig", "p@ss/w:rd %?#")
    parts = urlsplit(address.url("a/b"))
    assert (parts.scheme, parts.hostname, parts.port) == ("postgresql", "127.0.0.1", 5432)
    assert (parts.username, unquote(parts.password or "")) == ("sig", "p@ss/w:rd %?#")
    assert psycopg.conninfo.conninfo_to_dict(address.url("a/b"))["dbname"] == "a/b"


def test_the_server_has_the_settings_of_this_project(made_home: Path) -> None:
    url = embedded(made_home).ensure_running().url("postgres")
    settings = dict(ask(url, "SELECT name, setting FROM pg_settings"))
    expected = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "max_wal_size": "4096",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "jit": "off",
        "random_page_cost": "1.1",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "data_checksums": "on",
    }
    assert {name: settings[name] for name in expected} == expected
    assert ask(url, "SELECT lower('ÉÄ'), 'a' < 'B'") == [("éä", False)]


def test_environment_variables_of_postgresql_do_not_steer_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steering = {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGHOSTADDR": "192.0.2.1",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c no_such_setting=1",
        "LC_ALL": "no_such_locale",
    }
    for name, value in steering.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("POLYGON_API_KEY", "very-secret")
    embedded(home).create_database("books")
    environment = Path(f"/proc/{server_pid(home)}/environ").read_bytes()
    assert b"very-secret" not in environment


def test_a_server_log_of_more_than_10_mb_starts_anew(made_home: Path) -> None:
    log = made_home / "postgres" / "server.log"
    log.write_bytes(b"old line\n" * 1_300_000)
    embedded(made_home).ensure_running()
    assert log.stat().st_size < 10_000
    assert re.match(r"\d{4}-\d\d-\d\d .*starting PostgreSQL", log.read_text())
