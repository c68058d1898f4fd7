"""The Dagster UI with its daemon, and the API, until Ctrl-C."""

from __future__ import annotations

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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from sigmasight_assets.core.errors import ConfigurationError, SigmaSightError
from sigmasight_assets.core.settings import Settings

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 120
STOP_SECONDS: Final = 30
BATCH_NICENESS: Final = 5


@dataclass(frozen=True)
class Ports:
    """Where the UI and the API listen, on loopback."""

    dagster: int
    api: int

    def require_free(self) -> None:
        """Refuse a port that somebody listens on, before anything is started."""
        if self.dagster == self.api:
            raise ConfigurationError(f"--dagster-port and --api-port are both {self.api}")
        for option, port in (("--dagster-port", self.dagster), ("--api-port", self.api)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError:
                    raise ConfigurationError(
                        f"port {port} is in use: choose another with {option}"
                    ) from None


def serve(ports: Ports, settings: Settings) -> None:
    """Serve until Ctrl-C or SIGTERM; both processes end with this one.

    Raises:
        SigmaSightError: if one of them does not start or dies, naming its log.
    """
    logs = settings.home.resolve() / "logs"
    logs.mkdir(exist_ok=True)
    home = Path(os.environ["DAGSTER_HOME"])
    dagster = [sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml")]
    dagster += ["-h", LOOPBACK, "-p", str(ports.dagster)]
    api = [sys.executable, "-m", "uvicorn", "--factory", "sigmasight_api.main:create_app"]
    api += ["--host", LOOPBACK, "--port", str(ports.api)]
    with (
        _terminating(),
        # Batches are started by Dagster and inherit its place behind the service.
        _process("dagster", dagster, logs / "dagster.log", BATCH_NICENESS) as ui,
        _process("api", api, logs / "api.log", 0) as service,
    ):
        log.info("starting the Dagster UI and the API (logs in %s)", logs)
        _await(f"http://{LOOPBACK}:{ports.api}/health/live", service, logs / "api.log")
        _await(f"http://{LOOPBACK}:{ports.dagster}/server_info", ui, logs / "dagster.log")
        print(f"Dagster UI  http://{LOOPBACK}:{ports.dagster}")
        print(f"API         http://{LOOPBACK}:{ports.api}")
        print("Ctrl-C stops both", flush=True)
        while True:
            for process, log_file in ((ui, "dagster.log"), (service, "api.log")):
                if process.poll() is not None:
                    raise SigmaSightError(f"a server ended by itself; see {logs / log_file}")
            time.sleep(0.5)


@contextmanager
def _terminating() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does, so that nothing is left running."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _process(
    name: str, command: Sequence[str], log_file: Path, niceness: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in its own session: Ctrl-C reaches it from here, once, and all it started."""
    with log_file.open("wb") as output:
        child = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    os.setpriority(os.PRIO_PROCESS, child.pid, niceness)
    try:
        yield child
    finally:
        log.info("stopping %s", name)
        _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("process %d did not stop, killing it", child.pid)
    # Whatever of its process group is left: the group ends with its leader.
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()


def _await(url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise SigmaSightError(f"the server at {url} did not start; see {log_file}")
