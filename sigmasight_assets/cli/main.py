"""The `sigmasight` command, and what an error looks like: one line, exit 2."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from sigmasight_assets.cli.arguments import command_parser, one_line
from sigmasight_assets.cli.interrupts import interruptible
from sigmasight_assets.cli.progress import show_progress
from sigmasight_assets.core.errors import SigmaSightError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code, as `--help` lists them."""
    parsed = command_parser().parse_args(arguments)
    show_progress()
    try:
        with interruptible():
            return _run(parsed)
    except SigmaSightError as error:
        print(f"sigmasight: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sigmasight: stopped", file=sys.stderr)
        return 130


def _run(parsed: argparse.Namespace) -> int:
    """Commands are imported when they run: `--help` should not wait for Dagster."""
    warnings.filterwarnings("ignore", message=".*is currently in beta")
    from sigmasight_assets.cli import database, runs, up  # noqa: PLC0415

    match parsed.command:
        case "up":
            return up.up(
                up.UpOptions(
                    source=parsed.source,
                    prices=parsed.prices,
                    first=parsed.first,
                    last=parsed.last,
                    sessions=parsed.sessions,
                    once=parsed.once,
                    dagster_port=parsed.dagster_port,
                    api_port=parsed.api_port,
                )
            )
        case "run":
            return runs.run(parsed.session, parsed.portfolio, parsed.force)
        case "backfill":
            return runs.backfill(parsed.first, parsed.last)
        case "universe":
            return _run_universe(parsed)
        case _:
            return database.database(parsed.action)


def _run_universe(parsed: argparse.Namespace) -> int:
    from sigmasight_assets.cli import universe  # noqa: PLC0415

    match parsed.action:
        case "add":
            return universe.add(parsed.symbols)
        case "retire":
            return universe.retire(parsed.symbols)
        case _:
            return universe.show(parsed.status)


if __name__ == "__main__":
    sys.exit(main())
