"""The Dagster UI with its daemon, and the API, until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sigmasight_assets.cli import leash
from sigmasight_assets.core.errors import ConfigurationError, SigmaSightError
from sigmasight_assets.core.settings import Settings

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 120
STOP_SECONDS: Final = 15
PATIENCE_SECONDS: Final = 5
BATCH_NICENESS: Final = 5

# A proxy in the environment is not for loopback.
_DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Ports:
    """Where the UI and the API listen, on loopback."""

    dagster: int
    api: int

    def require_free(self) -> None:
        """Refuse a port that cannot be listened on, before anything is started."""
        if self.dagster == self.api:
            raise ConfigurationError(f"--dagster-port and --api-port are both {self.api}")
        for option, port in (("--dagster-port", self.dagster), ("--api-port", self.api)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError as error:
                    taken = error.errno == errno.EADDRINUSE
                    reason = "is in use" if taken else f"cannot be used ({error.strerror})"
                    raise ConfigurationError(
                        f"port {port} {reason}: choose another with {option}"
                    ) from None


@dataclass(frozen=True)
class _Server:
    """A server on its leash, the address at which it answers once it is up, and its log."""

    name: str
    leash: subprocess.Popen[bytes]
    address: str
    log_file: Path


def serve(ports: Ports, settings: Settings) -> None:
    """Serve until interrupted; both servers end with this process, even if it is killed.

    Raises:
        SigmaSightError: if one of them does not start or dies, naming its log.
    """
    logs = settings.home.resolve() / "logs"
    logs.mkdir(exist_ok=True)
    workspace = Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml"
    dagster = ["dagster", "dev", "-w", str(workspace), "-h", LOOPBACK, "-p", str(ports.dagster)]
    api = ["uvicorn", "--factory", "sigmasight_api.main:create_app"]
    api += ["--host", LOOPBACK, "--port", str(ports.api)]
    # Batches are started by Dagster and inherit its place behind the service.
    with (
        _server("API", api, 0, f"http://{LOOPBACK}:{ports.api}", logs / "api.log") as service,
        _server(
            "Dagster UI",
            dagster,
            BATCH_NICENESS,
            f"http://{LOOPBACK}:{ports.dagster}",
            logs / "dagster.log",
        ) as ui,
    ):
        log.info("starting the API and the Dagster UI (logs in %s)", logs)
        _await(service, "/health/live")
        _await(ui, "/server_info")
        print("Ctrl-C stops both", flush=True)
        # To serve until then was the task: it is done.
        with suppress(KeyboardInterrupt):
            _watch([service, ui])


def _watch(servers: Sequence[_Server]) -> None:
    while True:
        for server in servers:
            if server.leash.poll() is not None:
                raise SigmaSightError(f"the {server.name} ended by itself; see {server.log_file}")
        time.sleep(0.5)


@contextmanager
def _server(
    name: str, module: Sequence[str], niceness: int, address: str, log_file: Path
) -> Iterator[_Server]:
    """A server in a session of its own: Ctrl-C reaches it from here, once."""
    leashed = [sys.executable, "-I", "-S", leash.__file__, str(niceness)]
    with log_file.open("wb") as output:
        process = subprocess.Popen(
            [*leashed, sys.executable, "-m", *module],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _Server(name, process, address, log_file)
    finally:
        log.info("stopping the %s", name)
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("process %d did not stop, killing it", process.pid)
    finally:
        # Whatever of its process group is left: the group ends with its leader.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(server: _Server, path: str) -> None:
    """Wait until the server answers, and say where."""
    started = time.monotonic()
    patience = PATIENCE_SECONDS
    while server.leash.poll() is None and time.monotonic() < started + START_SECONDS:
        try:
            with _DIRECTLY.open(server.address + path, timeout=5):
                print(f"{server.name:10}  {server.address}", flush=True)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        if time.monotonic() > started + patience:
            log.info("the %s is still starting", server.name)
            patience += PATIENCE_SECONDS
    raise SigmaSightError(f"the {server.name} did not start; see {server.log_file}")
