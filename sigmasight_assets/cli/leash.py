"""Runs a server that ends with its starter, however that ends: `leash.py NICENESS COMMAND...`.

The starter holds the other end of stdin. When it is gone, killed included, the kernel closes
that end, and the server goes with all processes of its group. Started by path, in a bare
interpreter: standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(niceness: int, command: Sequence[str]) -> int:
    """Run the command until it or the starter ends; a signal is passed on to it alone."""
    os.nice(niceness)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: server.send_signal(number))
    threading.Thread(target=_end_with_starter, daemon=True).start()
    return server.wait()


def _end_with_starter() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
