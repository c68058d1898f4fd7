"""Run a program as somebody other than root: `unprivileged.py WHO FOLDER PROGRAM [ARGUMENT...]`.

PostgreSQL refuses uid 0. WHO is `namespace`, a user namespace in which root bears an ordinary
uid while files stay root's own, so that no folder has to be opened to anybody; or `UID:GID`,
for kernels that refuse namespaces. FOLDER is where the program will work: whether that identity
may enter it is found out here, before anything is written.

A program of its own rather than Popen's preexec_fn, which can deadlock in a process that has
threads. It is run by path with `python -I -S` and imports the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

NAMESPACE = "namespace"
REFUSED = 77
_CLONE_NEWUSER = 0x10000000


def main(arguments: list[str]) -> None:
    """Become WHO, enter FOLDER and turn into PROGRAM; exit with REFUSED and one line otherwise."""
    who, folder, program = arguments[:3]
    try:
        if who == NAMESPACE:
            _enter_user_namespace()
        else:
            _become(*map(int, who.split(":")))
        os.chdir(folder)
        os.execv(program, arguments[2:])
    except OSError as error:
        at = f" ({error.filename or program})"
        sys.stderr.write(f"{who}: {error.strerror}{at}\n")
        sys.exit(REFUSED)


def _enter_user_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid, inner = os.geteuid(), os.getegid(), _a_known_uid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "user namespace")
    # The kernel wants this order: a gid map is refused while setgroups is still allowed.
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inner} {uid} 1")
    _write("/proc/self/gid_map", f"{inner} {gid} 1")


def _a_known_uid() -> int:
    # initdb looks its user up by name, so the uid must have an entry, whichever it is.
    return next((user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0), 65534)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


if __name__ == "__main__":
    main(sys.argv[1:])
