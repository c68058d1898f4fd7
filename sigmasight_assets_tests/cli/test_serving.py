"""`up` while it serves: what answers, and what is left when it ends in one way or another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmasight_assets_tests.cli.commands import (
    alive,
    descendants,
    end_server,
    free_ports,
    is_one_complaint,
    read_until,
    running,
    server_pids,
    sigmasight,
    wait_until,
)

READY = "Ctrl-C stops both"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with one session in it."""
    home = tmp_path_factory.mktemp("serving") / "home"
    done = sigmasight(home, "up", "--once", "--sessions", "1")
    assert done.code == 0, done.err
    yield home
    end_server(home)


@pytest.fixture(scope="module")
def ports() -> list[str]:
    return [str(port) for port in free_ports(2)]


@pytest.fixture(scope="module")
def up(ports: list[str]) -> list[str]:
    dagster, api = ports
    return ["up", "--sessions", "1", "--dagster-port", dagster, "--api-port", api]


def get(url: str, body: dict[str, str] | None = None) -> dict:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode() if body else None,
        headers={"content-type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        found: dict = json.load(answer)
        return found


def everything(process: subprocess.Popen[str], home: Path) -> set[int]:
    """All that the command has started, the embedded server in its own session included."""
    return descendants(process.pid) | server_pids(home)


def end(process: subprocess.Popen[str], number: int, *, group: bool) -> str:
    """Send a signal, to the whole group as a terminal does; what the command still says."""
    if group:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    said, _ = process.communicate(timeout=30)
    return said


def test_a_killed_up_takes_its_servers_along_and_the_next_serves_until_ctrl_c(
    home: Path, ports: list[str], up: list[str]
) -> None:
    dagster, api = ports
    with running(home, *up) as killed:
        read_until(killed, READY)
        started = everything(killed, home) - server_pids(home)
        assert len(started) > 4
        end(killed, signal.SIGKILL, group=False)
        wait_until(lambda: not alive(started), seconds=10)
    with running(home, *up) as process:
        said = read_until(process, READY)
        assert f"API         http://127.0.0.1:{api}\n" in said
        assert f"Dagster UI  http://127.0.0.1:{dagster}\n" in said
        assert get(f"http://127.0.0.1:{api}/health/live")["status"] == "alive"
        assert "dagster_version" in get(f"http://127.0.0.1:{dagster}/server_info")
        locations = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
        answer = get(f"http://127.0.0.1:{dagster}/graphql", {"query": locations})
        entries = answer["data"]["workspaceOrError"]["locationEntries"]
        assert [each["loadStatus"] for each in entries] == ["LOADED"]

        second = sigmasight(home, *up)
        assert is_one_complaint(second), second
        assert second.err.count("\n") == 1
        assert f"port {dagster} is in use" in second.err
        assert sigmasight(home, "up", "--once", "--sessions", "1").code == 0

        started = descendants(process.pid)
        said = end(process, signal.SIGINT, group=True)
        assert process.returncode == 0
        assert said.splitlines() == ["stopping the Dagster UI", "stopping the API"]
        assert alive(started) == set()


def test_sigterm_ends_everything_it_started_the_embedded_server_too(
    home: Path, up: list[str]
) -> None:
    end_server(home)
    with running(home, *up) as process:
        read_until(process, READY)
        started = everything(process, home)
        assert server_pids(home) <= started
        assert len(server_pids(home)) == 1
        said = end(process, signal.SIGTERM, group=False)
        assert process.returncode == 0
        assert "Traceback" not in said
        wait_until(lambda: not alive(started), seconds=5)


def test_ctrl_c_twice_while_it_starts_leaves_nothing(home: Path, up: list[str]) -> None:
    end_server(home)
    with running(home, *up) as process:
        read_until(process, "API         http")
        started = everything(process, home)
        os.killpg(process.pid, signal.SIGINT)
        said = end(process, signal.SIGINT, group=True)
        assert process.returncode == 130
        assert said.splitlines()[-1] == "sigmasight: stopped"
        assert "Traceback" not in said
        wait_until(lambda: not alive(started), seconds=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_fill_leaves_nothing_running_and_is_completed_by_the_next(
    home: Path, number: signal.Signals
) -> None:
    end_server(home)
    first = {signal.SIGINT: "2025-12-01", signal.SIGTERM: "2025-11-20", signal.SIGHUP: "2025-11-10"}
    fill = ["up", "--once", "--from", first[number]]
    with running(home, *fill) as process:
        read_until(process, "symbol_batch")
        started = everything(process, home)
        end(process, number, group=True)
        assert process.returncode in (1, 130)
        wait_until(lambda: not alive(started), seconds=5)
    assert sigmasight(home, *fill).code == 0


def test_a_server_that_dies_ends_the_command_with_one_line(home: Path, up: list[str]) -> None:
    with running(home, *up) as process:
        read_until(process, READY)
        started = everything(process, home)
        [api] = [
            pid for pid in started if "uvicorn" in arguments(pid) and "leash" not in arguments(pid)
        ]
        os.kill(api, signal.SIGKILL)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "sigmasight: the API ended by itself; see " in said.splitlines()[-1]
        wait_until(lambda: not alive(started), seconds=5)


def arguments(pid: int) -> str:
    return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
