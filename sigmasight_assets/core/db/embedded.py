"""The PostgreSQL that comes with the project: started when first needed, found by whoever is next.

Three locks in `<home>/postgres` order everything, and the kernel drops each with its process:
`start.lock` lets one process at a time start or stop, `users.lock` is shared by all who use the
server, and `server.lock` is held by the server's own processes.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from filelock import FileLock, Timeout
from psycopg import errors, sql

from sigmasight_assets.core.db.postgres_cluster import USER, PostgresCluster
from sigmasight_assets.core.db.postgres_process import find_postmaster, kill_orphans
from sigmasight_assets.core.db.server_address import LOOPBACK, ServerAddress
from sigmasight_assets.core.errors import DatabaseUnavailable

# Recovery after a crash replays up to max_wal_size of log.
_START_SECONDS = 300
_REFUSING_SECONDS = 10
_ORPHAN_SECONDS = 5
_PORTS_TRIED = 5


class EmbeddedPostgres:
    """The server whose data lies in `<home>/postgres`; every failure is a DatabaseUnavailable.

    `fsync=False` is for tests only: data outlives a kill of the server, not of the machine.
    """

    def __init__(self, home: Path, *, fsync: bool = True) -> None:
        self._folder = home.resolve() / "postgres"
        self._users_lock = self._folder / "users.lock"
        self._cluster = PostgresCluster(self._folder, fsync=fsync)

    def ensure_running(self) -> ServerAddress:
        """Start the server unless it runs already; it then runs until `stop`."""
        with self._sole_actor():
            return self._start_if_needed()[0]

    def stop(self) -> None:
        """Shut the server down, whoever uses it; nothing happens if it is not running."""
        if self._cluster.data.exists():
            with self._sole_actor():
                self._cluster.stop()

    @contextmanager
    def in_use(self) -> Iterator[ServerAddress]:
        """Keep the server running inside the block.

        At its end the server is stopped if this block started it and nobody else uses it:
        neither another process nor a forked child of this one.
        """
        with self._sole_actor():
            address, started = self._start_if_needed()
            users = self._open_users_lock()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield address
        finally:
            os.close(users)
            if started:
                self._stop_unless_used()

    def database_url(self, name: str) -> str:
        """The URL of one database on the running server, which is started if need be."""
        return self.ensure_running().url(name)

    def create_database(self, name: str) -> None:
        """Create the database unless it exists; any number of processes may do so at once."""
        address = self.ensure_running()
        try:
            with address.connect() as connection:
                known = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(known, [name]).fetchone() is None:
                    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                    # Two at once: the second meets the name, or the index that keeps it unique.
                    with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                        connection.execute(create)
        except psycopg.Error as error:
            raise DatabaseUnavailable(f"database {name}: {_one_line(error)}") from error

    @contextmanager
    def _sole_actor(self) -> Iterator[None]:
        if "\n" in str(self._folder):
            # PostgreSQL's pid file is read by line, and one line of it is the data folder.
            raise DatabaseUnavailable(f"{str(self._folder)!r}: a line break in the path")
        try:
            # Others may pass through, as the user nobody must where root runs it as nobody.
            self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            # Made now, so that it belongs to whom the folder belongs to, not to a later root.
            self._users_lock.touch(mode=0o600)
            with FileLock(self._folder / "start.lock", timeout=_START_SECONDS + 30, mode=0o600):
                yield
        except Timeout as error:
            raise DatabaseUnavailable(
                f"another process has been starting or stopping the server in {self._folder} "
                f"for {_START_SECONDS + 30} s"
            ) from error
        except OSError as error:
            raise DatabaseUnavailable(f"embedded PostgreSQL: {_one_line(error)}") from error

    def _open_users_lock(self) -> int:
        return os.open(self._users_lock, os.O_RDWR)

    def _stop_unless_used(self) -> None:
        with self._sole_actor():
            users = self._open_users_lock()
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._cluster.stop()
            except BlockingIOError:
                return
            finally:
                os.close(users)

    def _start_if_needed(self) -> tuple[ServerAddress, bool]:
        began = time.monotonic()
        while time.monotonic() < began + _START_SECONDS:
            address = self._await_ready(None)
            if address is not None:
                return address, False
            lock = self._cluster.claim()
            if lock is not None:
                try:
                    return self._start(lock), True
                finally:
                    os.close(lock)
            if time.monotonic() > began + _ORPHAN_SECONDS:
                kill_orphans(self._cluster.data)
            time.sleep(0.05)
        raise DatabaseUnavailable(
            f"processes that cannot be reached from here still use {self._cluster.data}: "
            "stop the server, or the container, that they belong to"
        )

    def _start(self, lock: int) -> ServerAddress:
        account = self._cluster.prepare()
        for port in self._ports():
            process = self._cluster.start(account, lock, port)
            try:
                address = self._await_ready(process)
            except BaseException:
                process.send_signal(signal.SIGQUIT)
                process.wait()
                raise
            if address is not None:
                return address
            if "could not create any TCP/IP sockets" not in self._cluster.log_since_start():
                break
        raise DatabaseUnavailable(
            f"PostgreSQL did not start in {self._folder}: {self._cluster.log_since_start()}"
        )

    def _ports(self) -> Iterator[int]:
        last = self._cluster.last_port()
        if last is not None:
            yield last
        for _ in range(_PORTS_TRIED):
            with socket.socket() as free:
                free.bind((LOOPBACK, 0))
                port = free.getsockname()[1]
            yield port

    def _await_ready(self, process: subprocess.Popen[bytes] | None) -> ServerAddress | None:
        """The address once the server takes our password; None when no server lives, or no more.

        `process` is one just started, which needs a moment before it can be found.
        """
        refusal, give_up = "it is still starting or stopping", time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up:
            postmaster = find_postmaster(self._cluster.data)
            ended = process is None or process.poll() is not None
            if postmaster is None and ended:
                return None
            if postmaster is not None and postmaster.status == "ready":
                address = ServerAddress(LOOPBACK, postmaster.port, USER, self._cluster.password())
                try:
                    address.connect().close()
                except psycopg.OperationalError as error:
                    if refusal != (refusal := _one_line(error)):
                        give_up = time.monotonic() + _REFUSING_SECONDS
                else:
                    return address
            time.sleep(0.02)
        raise DatabaseUnavailable(f"the server in {self._folder} cannot be used: {refusal}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
