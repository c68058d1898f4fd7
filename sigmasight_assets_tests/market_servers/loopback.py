"""An HTTP server on a free loopback port that answers by routes, or as a script of faults says."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

HTML_PAGE: Final = b"<!DOCTYPE html><html><body>Will be right back</body></html>"


@dataclass(frozen=True)
class Request:
    """What a client asked. path is decoded; at is time.monotonic()."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at: float


@dataclass(frozen=True)
class Reply:
    """What the server says. cut: send only so many bytes of the body, then close.

    wait: seconds of silence before; reset: no answer, the connection is reset;
    trickle: seconds between bytes.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    wait: float = 0.0
    reset: bool = False
    trickle: float = 0.0


def as_json(value: Any, status: int = 200) -> Reply:
    """A JSON answer. NaN is written as NaN, as a careless server does."""
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


Handler = Callable[[Request], Reply | None]
"""A route: answers a request, or None if it is not for it."""


class LoopbackServer:
    """Routes are tried in order; a fault, if one is due for the request, comes before them."""

    def __init__(self, *routes: Handler, port: int = 0) -> None:
        self.routes = list(routes)
        self.requests: list[Request] = []
        self._faults: list[tuple[Callable[[Request], bool], list[Handler]]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """http://127.0.0.1:port, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, matching: Callable[[Request], bool], *replies: Reply | Handler) -> None:
        """Answer the next requests that match with these, one each, and then normally again.

        A handler that returns None lets its request through. Faults given first come first.
        """
        handlers = [_constant(each) if isinstance(each, Reply) else each for each in replies]
        with self._lock:
            self._faults.append((matching, handlers))

    def heal(self) -> None:
        """Forget the faults that are left."""
        with self._lock:
            self._faults.clear()

    def answer(self, request: Request) -> Reply:
        """What is said to a request, which is remembered."""
        with self._lock:
            self.requests.append(request)
            fault = self._due(request)
        reply = fault(request) if fault else None
        for route in self.routes if reply is None else ():
            reply = route(request)
            if reply is not None:
                break
        return reply or Reply(404, b"Not Found")

    def _due(self, request: Request) -> Handler | None:
        for matching, handlers in self._faults:
            if handlers and matching(request):
                return handlers.pop(0)
        return None

    @contextmanager
    def running(self) -> Iterator[LoopbackServer]:
        """The server in a thread of its own, until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are two writes: Nagle would hold the second back for 40 ms.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Request(unquote(parts.path), query, headers, time.monotonic())
                _send(self, server.answer(asked))

            def log_message(self, format: str, *args: object) -> None:
                """Silence."""

        return Answering


def about(part: str) -> Callable[[Request], bool]:
    """Whether the last piece of a request's path is this, or `part` is in the path."""
    return lambda request: request.path.rsplit("/", 1)[-1] == part or part in request.path


def _constant(reply: Reply) -> Handler:
    return lambda request: reply


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    time.sleep(reply.wait)
    if reply.reset:
        # Linger of 0 seconds: closing sends RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    try:
        if reply.trickle:
            for byte in reply.body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(reply.trickle)
        else:
            handler.wfile.write(reply.body[: reply.cut])
    except OSError:
        handler.close_connection = True
    if reply.cut is not None:
        handler.close_connection = True
