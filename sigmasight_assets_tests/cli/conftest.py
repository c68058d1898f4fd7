"""A home, and the command inside this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmasight_assets.cli.main import main
from sigmasight_assets_tests.cli.commands import NOW, Done, Run, remove


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that nobody has made yet."""
    yield tmp_path / "home"
    remove(tmp_path / "home")


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command inside this process: what is refused should not cost an interpreter each."""

    def call(*arguments: str, **settings: str) -> Done:
        given = {"SIGMASIGHT_HOME": str(home), "SIGMASIGHT_NOW": NOW, **settings}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        for name in settings:
            monkeypatch.delenv(name)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return call
