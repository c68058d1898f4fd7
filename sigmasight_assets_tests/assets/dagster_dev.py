"""The UI's server and the daemon in processes of their own, and what the UI asks of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sigmasight_assets_tests.assets.instances import ALL_ASSETS, Stage, eventually

LOCATION = {
    "repositoryLocationName": "sigmasight",
    "repositoryName": "__repository__",
}
# Built by hand, so that a proxy in the environment is not asked for the way to loopback.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

BACKFILL = """
    mutation Launch($params: LaunchBackfillParams!) {
        launchPartitionBackfill(backfillParams: $params) {
            ... on LaunchBackfillSuccess { backfillId }
            ... on PythonError { message }
        }
    }
"""

BACKFILL_STATUS = """
    query Status($id: String!) {
        partitionBackfillOrError(backfillId: $id) {
            ... on PartitionBackfill {
                status
                runs { runId status }
                assetBackfillData { assetBackfillStatuses {
                    ... on AssetPartitionsStatusCounts {
                        assetKey { path } numPartitionsTargeted numPartitionsMaterialized
                    }
                } }
            }
        }
    }
"""

RUN = """
    mutation Launch($params: ExecutionParams!) {
        launchPipelineExecution(executionParams: $params) {
            ... on LaunchRunSuccess { run { runId } }
            ... on PythonError { message }
        }
    }
"""


@dataclass(frozen=True)
class Ui:
    """What a person at the browser does, through the same GraphQL."""

    port: int

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of an answer without errors."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with DIRECTLY.open(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def backfill(self, days: Sequence[date]) -> str:
        """Materialize all assets for some partitions; returns the backfill's id."""
        params = {
            "assetSelection": [{"path": [asset]} for asset in ALL_ASSETS],
            "partitionNames": [str(day) for day in days],
            "fromFailure": False,
            "tags": [],
        }
        launched: str = self.ask(BACKFILL, params=params)["launchPartitionBackfill"]["backfillId"]
        return launched

    def backfill_status(self, backfill_id: str) -> dict[str, Any]:
        """Its status, runs and counts of partitions."""
        found: dict[str, Any] = self.ask(BACKFILL_STATUS, id=backfill_id)[
            "partitionBackfillOrError"
        ]
        return found

    def launch(self, job: str, day: date) -> str:
        """Launch a job for one partition; returns the run's id."""
        params = {
            "selector": {**LOCATION, "pipelineName": job},
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(day)}]},
        }
        launched: str = self.ask(RUN, params=params)["launchPipelineExecution"]["run"]["runId"]
        return launched


@contextmanager
def webserver(stage: Stage) -> Iterator[Ui]:
    """The UI's server without a daemon: what is launched waits."""
    port = _free_port()
    command = ["dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    with running(stage, command) as process:
        _await_answer(port, process)
        yield Ui(port)


def daemon(stage: Stage) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """The daemon alone."""
    return running(stage, ["dagster._daemon", "run"])


@contextmanager
def running(stage: Stage, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module as a process that leads a group, all of which is killed at the end."""
    home = Path(stage.environment["DAGSTER_HOME"])
    command = [sys.executable, "-m", *command, "-w", str(home / "workspace.yaml")]
    with (home / "dagster.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=stage.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    eventually(lambda: process.poll() is not None or _answers(port), 120)
    assert process.poll() is None, "it ended; see dagster.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    try:
        with DIRECTLY.open(f"http://127.0.0.1:{port}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
