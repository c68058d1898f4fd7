"""What the benchmarks say."""

from __future__ import annotations

import sys

from benchmarks.measure import Timing


class Report:
    """Prints results as they come and remembers whether a goal was missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def title(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def say(self, text: str) -> None:
        print(f"    {text}", flush=True)

    def time(self, name: str, timing: Timing, goal_seconds: float | None = None) -> None:
        self._line(name, timing.seconds, "s", goal_seconds)
        self.say(
            f"processor seconds: {timing.own_cpu:.2f} of this process, "
            f"{timing.server_cpu:.2f} of PostgreSQL"
        )

    def goal(self, name: str, value: float, unit: str, most: float) -> None:
        """A figure that must not exceed its goal."""
        self._line(name, value, unit, most)

    def memory(self, name: str, peak_bytes: int, goal_gigabytes: float | None = None) -> None:
        self._line(name, peak_bytes / 1e9, "GB", goal_gigabytes)

    def ratio(self, loop: str, loop_seconds: float, seconds: float) -> None:
        self._line(f"times faster than {loop}", loop_seconds / seconds, "x", None)

    def exit_code(self) -> int:
        """Says which goals were missed; 1 if any was."""
        for missed in self.missed:
            print(f"MISSED {missed}", file=sys.stderr)
        return 1 if self.missed else 0

    def _line(self, name: str, value: float, unit: str, goal: float | None) -> None:
        verdict = ""
        if goal is not None:
            verdict = f"   goal {goal:g} {unit}: {'met' if value <= goal else 'MISSED'}"
            if value > goal:
                self.missed.append(f"{name}: {value:.2f} {unit}, goal {goal:g} {unit}")
        print(f"  {name:<60}{value:9.2f} {unit}{verdict}", flush=True)
