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
    ask,
    descendants,
    free_ports,
    is_one_complaint,
    read_until,
    remove,
    running,
    server_pids,
    sigmasight,
    wait_until,
)

READY = "Ctrl-C stops both"


ONCE = ("up", "--once", "--sessions", "2")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that the tests share."""
    home = tmp_path_factory.mktemp("serving") / "home"
    yield home
    remove(home)


@pytest.fixture(scope="module")
def ports() -> list[str]:
    return [str(port) for port in free_ports(2)]


@pytest.fixture(scope="module")
def up(ports: list[str]) -> list[str]:
    dagster, api = ports
    return ["up", "--sessions", "2", "--dagster-port", dagster, "--api-port", api]


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
    return descendants(process.pid) | database_processes(home)


def database_processes(home: Path) -> set[int]:
    return set().union(*(descendants(pid) for pid in server_pids(home)))


def end(process: subprocess.Popen[str], number: int, *, group: bool) -> str:
    """Send a signal, to the whole group as a terminal does; what the command still says."""
    if group:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    said, _ = process.communicate(timeout=30)
    return said


def test_an_interrupted_fill_leaves_nothing_running_and_is_completed_by_the_next(
    home: Path,
) -> None:
    with running(home, *ONCE) as process:
        read_until(process, "symbol_batch")
        started = everything(process, home)
        assert len(started) > 1
        end(process, signal.SIGINT, group=True)
        # Dagster ends the run as failed, or lets the interrupt through: it is a matter of when.
        assert process.returncode in (1, 130)
        wait_until(lambda: not alive(started), seconds=5)
    done = sigmasight(home, *ONCE)
    assert done.code == 0, done.err
    sessions = "SELECT count(*) FROM published_sessions"
    assert ask(home, sessions) == [(4,)]


def test_two_signals_while_it_starts_leave_nothing(home: Path, up: list[str]) -> None:
    with running(home, *up) as process:
        read_until(process, "API         http")
        started = everything(process, home)
        os.kill(process.pid, signal.SIGTERM)
        said = end(process, signal.SIGINT, group=True)
        assert process.returncode == 130
        assert said.splitlines()[-1] == "sigmasight: stopped"
        assert "Traceback" not in said
        wait_until(lambda: not alive(started), seconds=5)


def test_a_killed_up_takes_its_servers_along_and_the_next_serves_until_ctrl_c(
    home: Path, ports: list[str], up: list[str]
) -> None:
    dagster, api = ports
    with running(home, *up) as killed:
        read_until(killed, READY)
        servers = descendants(killed.pid) - database_processes(home)
        assert len(servers) > 4
        end(killed, signal.SIGKILL, group=False)
        wait_until(lambda: not alive(servers), seconds=10)
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

        started = descendants(process.pid)
        said = end(process, signal.SIGINT, group=True)
        assert process.returncode == 0
        assert said.splitlines() == ["stopping the Dagster UI", "stopping the API"]
        assert alive(started) == set()
