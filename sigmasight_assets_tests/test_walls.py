"""Which rooms load which libraries, seen in fresh interpreters.

import-linter reads import statements; this sees what a package drags in by being imported.
"""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence

import pytest

import sigmasight_api
from sigmasight_assets import core


def test_no_module_of_core_loads_dagster_fastapi_or_the_service() -> None:
    modules = [module.name for module in pkgutil.walk_packages(core.__path__, f"{core.__name__}.")]
    modules = [name for name in modules if ".migrations." not in name]
    assert len(modules) > 50
    assert loaded(modules, ["dagster", "fastapi", "sigmasight_api"]) == []


def test_no_module_of_the_service_loads_dagster_or_its_rooms() -> None:
    walked = pkgutil.walk_packages(sigmasight_api.__path__, f"{sigmasight_api.__name__}.")
    modules = [module.name for module in walked]
    assert "sigmasight_api.main" in modules
    assert loaded(modules, ["dagster", "sigmasight_assets.definitions"]) == []


def test_the_package_imports_nothing() -> None:
    code = """
        import sys
        before = set(sys.modules)
        import sigmasight_assets
        print(*sorted(set(sys.modules) - before))
    """
    assert run(code).split() == ["sigmasight_assets"]


def test_definitions_load_without_a_database_a_network_a_secret_or_a_home(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    nowhere = tmp_path_factory.mktemp("nowhere")
    code = """
        import socket
        def refuse(*args, **kwargs): raise AssertionError("a connection was tried")
        socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
        from sigmasight_assets.definitions import defs
        repository = defs.get_repository_def()
        assert repository.has_job("symbol_batch") and repository.has_job("portfolio_refresh")
    """
    run(code, cwd=str(nowhere))
    assert list(nowhere.iterdir()) == []


def test_loading_definitions_shows_a_user_no_warning() -> None:
    code = "import warnings; warnings.simplefilter('default'); import sigmasight_assets.definitions"
    assert "Beta" not in run(code, stderr=subprocess.STDOUT)


def loaded(modules: Sequence[str], unwanted: Sequence[str]) -> list[str]:
    """Which of the unwanted modules are loaded after importing the modules."""
    code = f"""
        import importlib, sys
        for name in {list(modules)!r}: importlib.import_module(name)
        print(*(name for name in {list(unwanted)!r} if name in sys.modules))
    """
    return run(code).split()


def run(code: str, cwd: str | None = None, stderr: int | None = None) -> str:
    """What a fresh interpreter prints; it sees no settings of ours."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=cwd,
        env=environment,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
