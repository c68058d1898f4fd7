"""Running the `sigmasight` command in processes of its own, and looking at what they leave."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sigmasight_assets.core.db.embedded import EmbeddedPostgres

# A Friday noon: the newest session is Thursday's, of 2025-12-11.
NOW = "2025-12-12T12:00:00+00:00"
MODULE = [sys.executable, "-m", "sigmasight_assets.cli.main"]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]
"""Arguments and settings of a command to what it said."""


def environment(home: Path, **more: str | None) -> dict[str, str]:
    """The caller's environment without settings of ours, but for those given; None: unset."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SIGMASIGHT_", "DAGSTER_", "PG"))
    }
    ours = {"SIGMASIGHT_HOME": str(home), "SIGMASIGHT_NOW": NOW, "OMP_NUM_THREADS": "1"}
    return {name: value for name, value in {**kept, **ours, **more}.items() if value is not None}


def sigmasight(home: Path, *arguments: str, seconds: float = 90, **settings: str | None) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [*MODULE, *arguments],
        env=environment(home, **settings),
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(home: Path, *arguments: str, **settings: str | None) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own, as a terminal starts it; killed at the end."""
    process = subprocess.Popen(
        [*MODULE, *arguments],
        env=environment(home, **settings),
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """What the command says up to a line with the word."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"it ended without {word!r}: {said}")


def descendants(pid: int) -> set[int]:
    """The process itself, its children, theirs, and so on."""
    found = {pid}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        parent = _parent(stat)
        if parent in found:
            found |= descendants(int(stat.parent.name))
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; zombies do not."""
    return {pid for pid in pids if _command_line(pid)}


def server_pids(home: Path) -> set[int]:
    """The embedded server's processes of this home."""
    data = str(home.resolve() / "postgres")
    pids = {int(path.name) for path in Path("/proc").glob("[0-9]*")}
    return {pid for pid in pids if f"postgres -D {data}" in _command_line(pid)}


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def ask(home: Path, query: str, *arguments: object, database: str = "sigmasight") -> list[tuple]:
    """Rows of a home's database, whose server is started for it if need be."""
    server = EmbeddedPostgres(home)
    with server.in_use(), psycopg.connect(server.database_url(database)) as connection:
        cursor = connection.execute(query, arguments)
        return cursor.fetchall() if cursor.description else []


def end_server(home: Path) -> None:
    """End the home's server, whatever state the command left it in."""
    for pid in server_pids(home):
        os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not server_pids(home))


def remove(home: Path) -> None:
    """End the home's server and delete the home: it is 100 MB."""
    end_server(home)
    shutil.rmtree(home, ignore_errors=True)


def is_one_complaint(done: Done) -> bool:
    """Exit 2, and the last line of stderr alone is a complaint; no traceback."""
    lines = done.err.splitlines()
    complaints = [line for line in lines if line.startswith("sigmasight")]
    return done.code == 2 and complaints == lines[-1:] and "Traceback" not in done.err


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _command_line(pid: int) -> str:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return os.fsdecode(arguments).replace("\0", " ")
