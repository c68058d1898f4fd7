"""Arguments of the `sigmasight` command, and what an error looks like: one line, exit 2."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, NoReturn

from sigmasight_assets.cli.interrupts import interruptible
from sigmasight_assets.cli.progress import show_progress
from sigmasight_assets.core.errors import SigmaSightError

DESCRIPTION: Final = """
SigmaSight: prices in, risk tables out, for every NYSE session. Start with `sigmasight up`.
"""
EXIT_CODES: Final = """
exit codes: 0 done; 1 a run failed; 2 bad arguments or settings, an unreadable price file, a
database that cannot be reached; 130 interrupted
"""
MOST_SESSIONS: Final = 5000

# date.fromisoformat() also takes 20260131 and week dates.
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {_one_line(message)} (try {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code, as EXIT_CODES lists them."""
    parsed = _parser().parse_args(arguments)
    show_progress()
    try:
        with interruptible():
            return _run(parsed)
    except SigmaSightError as error:
        print(f"sigmasight: {_one_line(str(error))}", file=sys.stderr)
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
        case _:
            return database.database(parsed.action)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sigmasight", description=DESCRIPTION, epilog=EXIT_CODES, allow_abbrev=False
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    _add_up(commands)
    _add_run(commands)
    _add_backfill(commands)
    _add_db(commands)
    return parser


def _add_up(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "bring everything up: prices, results, then the Dagster UI and the API until Ctrl-C"
    up = commands.add_parser("up", help=text, description=text, allow_abbrev=False)
    up.add_argument(
        "--source",
        choices=["synthetic", "files"],
        help="where prices come from (default: as last time, at first synthetic)",
    )
    up.add_argument(
        "--prices", type=Path, metavar="PATH", help="Parquet file or folder of CSV files"
    )
    _add_day(up, "--from", "first", "first session to fill")
    _add_day(up, "--to", "last", "last session to fill (default: the newest that has prices)")
    up.add_argument(
        "--sessions",
        type=_count,
        metavar="N",
        help="sessions to fill when --from is not given (default: 60)",
    )
    up.add_argument("--once", action="store_true", help="everything but the serving, then exit")
    up.add_argument("--dagster-port", type=_port, default=3000, metavar="P", help="default: 3000")
    up.add_argument("--api-port", type=_port, default=8000, metavar="P", help="default: 8000")


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "run or re-run one session"
    run = commands.add_parser("run", help=text, description=text, allow_abbrev=False)
    _add_day(run, "--session", "session", "the session", required=True)
    run.add_argument("--portfolio", metavar="ID", help="refresh this portfolio alone")
    run.add_argument(
        "--force", action="store_true", help="on a day without trading, take the session before"
    )


def _add_backfill(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "run or re-run every session of a range, as one run of each job"
    backfill = commands.add_parser("backfill", help=text, description=text, allow_abbrev=False)
    _add_day(backfill, "--from", "first", "first session", required=True)
    _add_day(backfill, "--to", "last", "last session", required=True)


def _add_db(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "the database: print its URL, migrate it, checksum its tables, stop it"
    db = commands.add_parser("db", help=text, description=text, allow_abbrev=False)
    db.add_argument("action", choices=["url", "migrate", "checksum", "stop"])


def _add_day(
    parser: argparse.ArgumentParser, option: str, name: str, text: str, *, required: bool = False
) -> None:
    parser.add_argument(
        option, dest=name, type=_day, metavar="YYYY-MM-DD", help=text, required=required
    )


def _day(text: str) -> date:
    """A day that the calendar knows."""
    from sigmasight_assets.core.sessions import FIRST_KNOWN, LAST_KNOWN  # noqa: PLC0415

    try:
        day = date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-01-31") from None
    if not FIRST_KNOWN <= day <= LAST_KNOWN:
        raise argparse.ArgumentTypeError(
            f"the calendar goes from {FIRST_KNOWN} to {LAST_KNOWN}, without {day}"
        )
    return day


def _count(text: str) -> int:
    return _bounded(text, 1, MOST_SESSIONS)


def _port(text: str) -> int:
    return _bounded(text, 1, 65535)


def _bounded(text: str, lowest: int, highest: int) -> int:
    if not (re.fullmatch("[0-9]{1,5}", text) and lowest <= int(text) <= highest):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lowest} to {highest}")
    return int(text)


def _one_line(message: str) -> str:
    return " ".join(message.split())


if __name__ == "__main__":
    sys.exit(main())
