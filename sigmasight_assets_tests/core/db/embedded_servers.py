"""Looking at embedded servers from outside: by pid file, by process table, by plain connection."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from sigmasight_assets.core.db.embedded import EmbeddedPostgres

PREAMBLE = """
import os, sys, time
from pathlib import Path
import psycopg
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.errors import DatabaseUnavailable
server = EmbeddedPostgres(Path(sys.argv[1]), fsync=False)
"""


def embedded(home: Path) -> EmbeddedPostgres:
    """The server of a home that may be lost with the machine."""
    return EmbeddedPostgres(home, fsync=False)


def spawn(code: str, home: Path, **options) -> subprocess.Popen[str]:
    """Another Python process in which `server` is the embedded server of `home`."""
    command = [sys.executable, "-c", PREAMBLE + code, str(home)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes, **options)


def run(code: str, home: Path, **options) -> str:
    """What such a process prints; it must succeed."""
    process = spawn(code, home, **options)
    output, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    return output.strip()


def make_home(home: Path) -> Path:
    """A home whose server has been made and is stopped: to be copied, which spares an initdb."""
    server = EmbeddedPostgres(home, fsync=False)
    server.ensure_running()
    server.stop()
    return home


def copy_home(made: Path, home: Path) -> None:
    shutil.copytree(made / "postgres" / "cluster", home / "postgres" / "cluster")


def data_folder(home: Path) -> Path:
    return home / "postgres" / "cluster" / "data"


def server_pid(home: Path) -> int | None:
    """The pid in the pid file, if that process is a living server."""
    try:
        pid = int((data_folder(home) / "postmaster.pid").read_text().split("\n")[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ValueError):
        return None
    return pid if arguments[0].endswith(b"/postgres") else None


def end_server(home: Path) -> None:
    """End the server by its pid, whatever state the code under test left it in."""
    pid = server_pid(home)
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: server_pid(home) is None)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def ask(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []
