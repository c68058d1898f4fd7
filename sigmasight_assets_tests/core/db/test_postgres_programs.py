"""As whom PostgreSQL runs: an ordinary user, root with and without user namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmasight_assets.core.db import unprivileged
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.postgres_programs import Account
from sigmasight_assets.core.db.postgres_settings import server_settings, usable_memory
from sigmasight_assets_tests.core.db.embedded_servers import (
    ask,
    data_folder,
    end_server,
    run,
    server_pid,
    spawn,
)

NOBODY = 65534
GIB = 1024**3

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")

# A kernel without user namespaces, for real: inside a namespace of our own their number is set
# to 0. With all uids mapped it is like root in Docker; with root alone nobody else exists.
WITHOUT_NAMESPACES = """
import ctypes, subprocess
pid, libc = os.getpid(), ctypes.CDLL(None, use_errno=True)
ready, go = os.pipe(), os.pipe()
if os.fork() == 0:
    os.read(ready[0], 1)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text("0 0 %COUNT%")
    os.write(go[1], b".")
    os._exit(0)
assert libc.unshare(0x10000000) == 0
os.write(ready[1], b".")
os.read(go[0], 1)
Path("/proc/sys/user/max_user_namespaces").write_text("0")
"""
LIKE_DOCKER = WITHOUT_NAMESPACES.replace("%COUNT%", "65536")
ROOT_ALONE = WITHOUT_NAMESPACES.replace("%COUNT%", "1")
# All that is needed is imported before: the interpreter may lie where nobody cannot read.
AS_NOBODY = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home that other users can enter, which pytest's own folders are not."""
    reason = Account(f"{NOBODY}:{NOBODY}", NOBODY, NOBODY).refusal(Path("/tmp"))
    if reason is not None:
        pytest.skip(f"PostgreSQL's programs are not reachable by other users: {reason}")
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    home.chmod(0o755)
    yield home
    end_server(home)
    shutil.rmtree(home)


def owner_of_process(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@as_root
def test_an_ordinary_user_runs_it_as_himself(open_home: Path) -> None:
    os.chown(open_home, NOBODY, NOBODY)
    run(AS_NOBODY + "server.create_database('books')", open_home)
    assert owner_of_process(server_pid(open_home)) == NOBODY
    assert data_folder(open_home).stat().st_uid == NOBODY


@as_root
def test_root_runs_an_ordinary_users_folder_as_that_user_who_can_go_on(open_home: Path) -> None:
    os.chown(open_home, NOBODY, NOBODY)
    run(AS_NOBODY + "server.create_database('books'); server.stop()", open_home)
    server = EmbeddedPostgres(open_home, fsync=False)
    with server.in_use() as address:
        assert ask(address.url("books"), "SELECT 1") == [(1,)]
        assert owner_of_process(server_pid(open_home)) == NOBODY
    code = "with server.in_use() as address: psycopg.connect(address.url('books')).close()"
    run(AS_NOBODY + code, open_home)


@as_root
def test_root_keeps_everything_his_own_where_namespaces_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    try:
        EmbeddedPostgres(tmp_path, fsync=False).ensure_running()
        data = data_folder(tmp_path)
        assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {0}
    finally:
        end_server(tmp_path)


@as_root
def test_without_namespaces_root_runs_it_as_nobody_and_later_either_way(open_home: Path) -> None:
    run(LIKE_DOCKER + "server.create_database('books')", open_home)
    assert owner_of_process(server_pid(open_home)) == NOBODY
    server = EmbeddedPostgres(open_home, fsync=False)
    server.stop()
    assert ask(server.database_url("books"), "SELECT 1") == [(1,)]


@as_root
def test_a_folder_made_in_a_namespace_goes_on_where_there_is_none(open_home: Path) -> None:
    server = EmbeddedPostgres(open_home, fsync=False)
    server.create_database("books")
    server.stop()
    code = "psycopg.connect(server.database_url('books')).close()"
    run(LIKE_DOCKER + code, open_home)
    assert owner_of_process(server_pid(open_home)) == NOBODY


@as_root
@pytest.mark.parametrize("setup", [LIKE_DOCKER, ROOT_ALONE], ids=["closed folder", "root alone"])
def test_where_nobody_can_run_it_one_line_says_what_to_do(tmp_path: Path, setup: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    _, complaints = spawn(setup + "server.ensure_running()", home).communicate(timeout=60)
    last = complaints.strip().splitlines()[-1]
    assert "DatabaseUnavailable: PostgreSQL does not run as root" in last
    assert "SIGMASIGHT_DATABASE_URL" in last
    assert not data_folder(home).exists()


@as_root
def test_another_users_folder_is_refused_to_an_ordinary_user(open_home: Path) -> None:
    EmbeddedPostgres(open_home, fsync=False).ensure_running()
    code = AS_NOBODY + "server.ensure_running()"
    _, complaints = spawn(code, open_home).communicate(timeout=60)
    last = complaints.strip().splitlines()[-1]
    assert "DatabaseUnavailable: " in last
    assert "Permission denied" in last


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", unprivileged.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@as_root
@pytest.mark.parametrize("who", [unprivileged.NAMESPACE, f"{NOBODY}:{NOBODY}"])
def test_the_launcher_becomes_somebody_else_and_passes_all_on(who: str) -> None:
    script = 'id -u; pwd; echo "$1"; exit 5'
    result = launch(who, "/usr", "/bin/sh", "-c", script, "sh", "a 'b' \"c\"")
    uid, folder, argument = result.stdout.splitlines()
    assert int(uid) != 0
    assert (folder, argument, result.returncode) == ("/usr", "a 'b' \"c\"", 5)


@as_root
def test_the_launcher_says_what_it_cannot_reach(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    closed = launch(f"{NOBODY}:{NOBODY}", str(tmp_path), "/bin/true")
    assert closed.returncode == unprivileged.REFUSED
    assert closed.stderr == f"{NOBODY}:{NOBODY}: Permission denied ({tmp_path})\n"
    absent = launch(unprivileged.NAMESPACE, "/", "/no/such/program")
    assert absent.stderr == "namespace: No such file or directory (/no/such/program)\n"


@pytest.mark.parametrize(
    ("memory", "shared_buffers", "work_mem"),
    [
        (GIB // 2, "32MB", "8MB"),
        (2 * GIB, "128MB", "8MB"),
        (4 * GIB, "512MB", "64MB"),
        (64 * GIB, "512MB", "64MB"),
    ],
)
def test_memory_settings_follow_the_machine(
    memory: int, shared_buffers: str, work_mem: str
) -> None:
    settings = server_settings(memory)
    assert (settings["shared_buffers"], settings["work_mem"]) == (shared_buffers, work_mem)
    assert "fsync" not in settings
    assert server_settings(memory, fsync=False)["fsync"] == "off"


def test_usable_memory_is_at_most_what_the_kernel_reports() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < usable_memory() <= total
