"""Connections that break at a chosen moment: for real, by the server's hand or the network's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from sigmasight_assets.core.db import engine

COMMIT = -1


class Killer:
    """Terminates a connection's backend just before its n-th statement, or before its COMMIT.

    times: on how many connections; every further one is left alone, and so are the first `spare`.
    """

    def __init__(
        self, control: psycopg.Connection[Any], before: int, times: int, spare: int
    ) -> None:
        self.control, self.before, self.left, self.spare = control, before, times, spare
        self.statements = 0
        self.killed = 0

    def connected(self) -> None:
        self.statements = 0
        self.spare -= 1

    def about_to(self, connection: psycopg.Connection, commit: bool = False) -> None:
        self.statements += not commit
        moment = COMMIT if commit else self.statements
        if self.left and self.spare < 0 and moment == self.before:
            self.left -= 1
            self.killed += 1
            _terminate(self.control, connection.info.backend_pid)


def terminate(url: str, pid: int) -> None:
    """Terminate a backend and wait until it is gone."""
    with psycopg.Connection.connect(url, autocommit=True) as other:
        _terminate(other, pid)


def _terminate(control: psycopg.Connection[Any], pid: int) -> None:
    control.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@contextmanager
def killing(
    control: psycopg.Connection[Any],
    before: int,
    times: int = 1,
    tries: int = engine.TRIES,
    spare: int = 0,
) -> Iterator[Killer]:
    """While it lasts, our connections are killed before their n-th statement; no pauses.

    control: the autocommit connection that gives the order. tries: of each transaction.
    """
    killer = Killer(control, before, times, spare)

    class DoomedCursor(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            killer.about_to(self.connection)
            return super().execute(*args, **kwargs)

        def executemany(self, *args: Any, **kwargs: Any) -> Any:
            killer.about_to(self.connection)
            return super().executemany(*args, **kwargs)

        def copy(self, *args: Any, **kwargs: Any) -> Any:
            killer.about_to(self.connection)
            return super().copy(*args, **kwargs)

    class DoomedConnection(psycopg.Connection[Any]):
        def commit(self) -> None:
            killer.about_to(self, commit=True)
            super().commit()

    def connect(*args: Any, **kwargs: Any) -> psycopg.Connection[Any]:
        killer.connected()
        return DoomedConnection.connect(*args, cursor_factory=DoomedCursor, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.psycopg, "connect", connect)
        patch.setattr(engine.time, "sleep", lambda _: None)
        patch.setattr(engine, "TRIES", tries)
        yield killer


class CommitSwallower:
    """A TCP proxy that lets a COMMIT reach the server and cuts the line before the answer."""

    def __init__(self, url: str, times: int = 1) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.left = times
        self.cut = 0
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._target)
                committed = threading.Event()
                self._start(client, server, self._forward, committed)
                self._start(server, client, self._answer, committed)

    @staticmethod
    def _start(
        source: socket.socket,
        target: socket.socket,
        pump: Callable[[socket.socket, socket.socket, threading.Event], None],
        committed: threading.Event,
    ) -> None:
        threading.Thread(target=pump, args=(source, target, committed), daemon=True).start()

    def _forward(
        self, client: socket.socket, server: socket.socket, committed: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT" in data and self.left:
                    self.left -= 1
                    committed.set()
                server.sendall(data)
            server.close()

    def _answer(
        self, server: socket.socket, client: socket.socket, committed: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if committed.is_set():
                    self.cut += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
            client.close()
