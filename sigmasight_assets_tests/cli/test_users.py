"""As an ordinary user, also where root runs the tests; and homes nobody may write to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmasight_assets_tests.cli.commands import MODULE, Done, environment, is_one_complaint, remove

ORDINARY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the ordinary user's, below one that everybody may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="sigmasight-user-"))
    if os.geteuid() == 0:
        os.chown(folder, ORDINARY, ORDINARY)
    yield folder
    remove(folder / "home")
    shutil.rmtree(folder, ignore_errors=True)


def as_ordinary_user(folder: Path, home: Path, *arguments: str) -> Done:
    """Run the command as an ordinary user; skipped where that user cannot reach the project."""
    account = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
    how = account if os.geteuid() == 0 else {}
    try:
        reachable = subprocess.run(
            [sys.executable, "-c", "import sigmasight_assets.cli.main"],
            cwd=folder,
            capture_output=True,
            check=False,
            **how,
        )
    except PermissionError:
        pytest.skip(f"uid {ORDINARY} may not run {sys.executable}")
    if reachable.returncode != 0:
        pytest.skip(f"uid {ORDINARY} cannot import the project")
    done = subprocess.run(
        [*MODULE, *arguments],
        cwd=folder,
        env=environment(home, HOME=str(folder)),
        capture_output=True,
        text=True,
        check=False,
        **how,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_an_ordinary_user_brings_everything_up(folder: Path) -> None:
    done = as_ordinary_user(folder, folder / "home", "up", "--once", "--sessions", "1")
    assert done.code == 0, done.err
    assert done.out.count("\nDemo ") == 5


def test_a_home_that_may_not_be_made_is_one_line(folder: Path) -> None:
    done = as_ordinary_user(folder, Path("/sigmasight"), "up", "--once", "--sessions", "1")
    assert is_one_complaint(done), done
    assert "Permission denied" in done.err
    assert not Path("/sigmasight").exists()
