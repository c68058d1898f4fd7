"""One PostgreSQL data folder and its server: made, started and stopped without shell or pg_ctl."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from sigmasight_assets.core.db.postgres_process import (
    find_postmaster,
    forget_foreign_pid,
    is_postmaster,
)
from sigmasight_assets.core.db.postgres_programs import (
    POSTGRES_MAJOR,
    Account,
    choose_account,
    program_environment,
)
from sigmasight_assets.core.db.postgres_settings import server_settings, usable_memory
from sigmasight_assets.core.errors import DatabaseUnavailable

USER = "sigmasight"
_LOG_LIMIT_BYTES = 10 * 1024**2
_FAST_STOP_SECONDS = 60
_IMMEDIATE_STOP_SECONDS = 20


class PostgresCluster:
    """The files below one folder; who calls holds the lock that lets one process at a time act.

    `cluster/` holds data and password, and appears by one rename or not at all.
    """

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        self.folder = folder
        self.data = folder / "cluster" / "data"
        self._password_file = folder / "cluster" / "password"
        self._log = folder / "server.log"
        self._server_lock = folder / "server.lock"
        self._fsync = fsync
        self._log_start = 0
        self._server: subprocess.Popen[bytes] | None = None

    def password(self) -> str:
        """The password of the server's one user, from its file."""
        return self._password_file.read_text(encoding="utf-8")

    def claim(self) -> int | None:
        """The locked file of a server about to start; None while another server's process lives.

        The server inherits it, so the kernel keeps the lock for exactly as long as any of its
        processes lives, even one in another container that sees other pids.
        """
        lock = os.open(self._server_lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def prepare(self) -> Account:
        """Make the data folder if there is none, check it otherwise; says whom to start it as."""
        account = choose_account(self.folder, self.data)
        if not self.data.parent.exists():
            self._create(account)
        version_file = self.data / "PG_VERSION"
        if not version_file.is_file() or not self._password_file.is_file():
            raise DatabaseUnavailable(
                f"{self.data.parent} is not a data folder of this project (data/PG_VERSION or "
                "password is missing): put it back as it was, or move it away to start empty"
            )
        version = version_file.read_text(encoding="utf-8", errors="replace").strip()
        if version != str(POSTGRES_MAJOR):
            raise DatabaseUnavailable(
                f"{self.data} was made by PostgreSQL {version} and this is {POSTGRES_MAJOR}: "
                "dump it with the old version and restore it into an empty folder"
            )
        if self.data.stat().st_uid != account.uid:
            account.give(self.data.parent)
        forget_foreign_pid(self.data)
        return account

    def _create(self, account: Account) -> None:
        for abandoned in self.folder.glob("new-*"):
            shutil.rmtree(abandoned)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        try:
            self._initialize(account, new)
            new.rename(self.data.parent)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _initialize(self, account: Account, new: Path) -> None:
        password_file = new / "password"
        with open(os.open(password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        account.give(new)
        options = [
            f"--pgdata={new / 'data'}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            # Rounds of hashing make guesses dear; 32 random bytes cannot be guessed, and Dagster
            # connects hundreds of times in a run: each takes half as long without them.
            "--set=scram_iterations=1",
            "--encoding=UTF8",
            # PostgreSQL's own C.UTF-8 orders alike on every system and under every libc.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if self._fsync else ["--no-sync"]),
        ]
        initdb = subprocess.run(
            account.command(new, "initdb", *options),
            env=program_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if initdb.returncode != 0:
            raise DatabaseUnavailable(
                f"initdb could not make a database in {self.folder}: {_last_lines(initdb.stderr)}"
            )

    def start(self, account: Account, lock: int, port: int) -> subprocess.Popen[bytes]:
        """Start the server; it may still fail, and then `log_since_start` says why."""
        settings = server_settings(usable_memory(), fsync=self._fsync) | {"port": str(port)}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        with open(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            if log.tell() > _LOG_LIMIT_BYTES:
                log.truncate(0)
            self._log_start = os.fstat(log.fileno()).st_size
            self._server = subprocess.Popen(
                account.command(self.data, "postgres", "-D", str(self.data), *options),
                env=program_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                # Ctrl-C in the terminal is for the command, not for the server it uses.
                start_new_session=True,
            )
        return self._server

    def log_since_start(self) -> str:
        """The last lines the server wrote since `start`, as one line."""
        with open(self._log, "rb") as log:
            log.seek(self._log_start)
            return _last_lines(log.read().decode(errors="replace"))

    def last_port(self) -> int | None:
        """The port of the last start: kept if still free, so that clients find the server again."""
        try:
            options = (self.data / "postmaster.opts").read_text(errors="replace")
        except FileNotFoundError:
            return None
        ports = re.findall(r'"port=(\d+)"', options)
        return int(ports[-1]) if ports else None

    def stop(self) -> None:
        """Shut the server down, fast and then at once; nothing to do if none is running."""
        postmaster = find_postmaster(self.data)
        if postmaster is None:
            return
        for number, seconds in (
            (signal.SIGINT, _FAST_STOP_SECONDS),
            (signal.SIGQUIT, _IMMEDIATE_STOP_SECONDS),
        ):
            os.kill(postmaster.pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not is_postmaster(postmaster.pid, self.data):
                    self._reap()
                    return
                time.sleep(0.02)
        raise DatabaseUnavailable(f"the server of {self.data} (pid {postmaster.pid}) does not stop")

    def _reap(self) -> None:
        if self._server is not None:
            self._server.wait()
            self._server = None


def _last_lines(text: str, count: int = 4) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it said nothing"
