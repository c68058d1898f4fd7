"""Finding PostgreSQL's processes again, from any other process, by their data folder."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Postmaster:
    """A live server's main process; status is what it says of itself, e.g. starting or ready."""

    pid: int
    port: int
    status: str


def find_postmaster(data: Path) -> Postmaster | None:
    """The live postmaster of `data`; None for a stale or half-written postmaster.pid.

    A pid alone proves nothing: after a crash it may by now be somebody else's.
    """
    try:
        lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
        postmaster = Postmaster(int(lines[0]), int(lines[3]), lines[7].strip())
    except (FileNotFoundError, IndexError, ValueError):
        return None
    return postmaster if is_postmaster(postmaster.pid, data) else None


def is_postmaster(pid: int, data: Path) -> bool:
    """Whether the process is alive, no zombie, and the postmaster of this very folder."""
    return f"postgres -D {data} " in f"{_command_line(pid)} "


def forget_foreign_pid(data: Path) -> None:
    """Remove a postmaster.pid whose pid now belongs to somebody else.

    PostgreSQL would refuse to start for fear of that process. Where the pid is dead the file
    stays: PostgreSQL deals with it, and reads from it what the dead server left in memory.
    The caller holds the server lock, so no server of ours is alive.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text(errors="replace").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if _is_alive(pid) and not is_postmaster(pid, data):
        file.unlink(missing_ok=True)


def kill_orphans(data: Path) -> None:
    """Kill backends of `data` that outlive their postmaster, as one in a long query can.

    They hold a memory that no server reads any more and keep the next server from starting.
    Their work is in the write-ahead log or was never committed. Linux only.
    """
    for process in _PROC.glob("[0-9]*"):
        pid = int(process.name)
        with suppress(OSError):
            in_data = os.path.samefile(process / "cwd", data)
            if in_data and _command_line(pid).startswith("postgres: "):
                os.kill(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    if _PROC.is_dir():
        try:
            arguments = (_PROC / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ""
        return os.fsdecode(arguments).replace("\0", " ")
    listing = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    return listing.stdout.rstrip("\n")
