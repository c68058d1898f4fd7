"""Arguments of the `sigmasight` command, and what an error looks like: one line, exit 2."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from sigmasight_assets.core.errors import SigmaSightError


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0 done, 1 a run failed, 2 bad arguments or settings, an unreadable price file, a database
    that cannot be reached.
    """
    parsed = _parser().parse_args(arguments)
    _show_progress()
    try:
        return _run(parsed)
    except SigmaSightError as error:
        print(f"sigmasight: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nsigmasight: stopped", file=sys.stderr)
        return 130


def _show_progress() -> None:
    """Our own messages go to stderr; Dagster's, to its event log, where its UI shows them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours = logging.getLogger("sigmasight_assets")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False


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
        case _:
            return database.database(parsed.action)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sigmasight", description=__doc__)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    _add_up(commands.add_parser("up", help="bring everything up: prices, results, UI and API"))
    run = commands.add_parser("run", help="run or re-run one session")
    run.add_argument("--session", type=_day, required=True, metavar="YYYY-MM-DD")
    run.add_argument("--portfolio", metavar="ID", help="refresh this portfolio alone")
    run.add_argument(
        "--force", action="store_true", help="on a day without trading, take the session before"
    )
    backfill = commands.add_parser("backfill", help="run every session of a range, in one run")
    backfill.add_argument("--from", dest="first", type=_day, required=True, metavar="YYYY-MM-DD")
    backfill.add_argument("--to", dest="last", type=_day, required=True, metavar="YYYY-MM-DD")
    db = commands.add_parser("db", help="the database: its URL, its tables, stopping it")
    db.add_argument("action", choices=["url", "migrate", "checksum", "stop"])
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--source", choices=["synthetic", "files"], help="where prices come from")
    up.add_argument(
        "--prices", type=Path, metavar="PATH", help="Parquet file or folder of CSV files"
    )
    up.add_argument("--from", dest="first", type=_day, metavar="YYYY-MM-DD")
    up.add_argument("--to", dest="last", type=_day, metavar="YYYY-MM-DD")
    up.add_argument(
        "--sessions", type=_count, metavar="N", help="sessions to fill when --from is not given"
    )
    up.add_argument("--once", action="store_true", help="everything but the serving, then exit")
    up.add_argument("--dagster-port", type=_port, default=3000, metavar="P")
    up.add_argument("--api-port", type=_port, default=8000, metavar="P")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-01-31") from None


def _count(text: str) -> int:
    return _bounded(text, 1, 5000)


def _port(text: str) -> int:
    return _bounded(text, 1, 65535)


def _bounded(text: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lowest} to {highest}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
