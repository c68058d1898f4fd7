"""Arguments of the `sigmasight` command: what it takes, and what `--help` says of it."""

from __future__ import annotations

import argparse
import re
from datetime import date
from pathlib import Path
from typing import Final, NoReturn

DESCRIPTION: Final = """
SigmaSight: prices in, risk tables out, for every NYSE session. Start with `sigmasight up`.
"""
EXIT_CODES: Final = """
exit codes: 0 done; 1 a run failed; 2 bad arguments or settings, an unreadable price file, a
database that cannot be reached; 130 interrupted
"""
FILES_OF_SYMBOLS: Final = """
What exists as a file, has a / in it or ends in .csv or .txt is a FILE: one symbol per line, with
remarks behind a #, or CSV with a column named `symbol`. Anything else is a SYMBOL. One that cannot
be added keeps all of them out; one that was retired, delisted or in error is asked for again.
Prices come with the next night, or at once with `sigmasight run --session DATE`.
"""
MEANINGS: Final = """
pending, processing: waiting for the first prices; active: fetched every night; delisted: no new
price for 20 sessions; retired: taken out, or an option contract that nobody holds any more; error:
no source has a price, and the last column says why.
"""
NOT_RETIRED: Final = """
Factor proxies, benchmarks and whatever an open position needs cannot be retired: then none of the
symbols given is. `sigmasight universe add` brings a retired symbol back.
"""
STATUSES: Final = ("pending", "processing", "active", "delisted", "retired", "error")
MOST_SESSIONS: Final = 5000

# date.fromisoformat() also takes 20260131 and week dates.
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} (try {self.prog} --help)\n")


def command_parser() -> argparse.ArgumentParser:
    """The parser of every command; it exits with 2 on a bad argument."""
    parser = _Parser(
        prog="sigmasight", description=DESCRIPTION, epilog=EXIT_CODES, allow_abbrev=False
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    _add_up(commands)
    _add_run(commands)
    _add_backfill(commands)
    _add_universe(commands)
    _add_db(commands)
    return parser


def _add_up(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "bring everything up: prices, results, then the Dagster UI and the API until Ctrl-C"
    up = commands.add_parser("up", help=text, description=text, allow_abbrev=False)
    up.add_argument(
        "--source",
        choices=["synthetic", "files", "yfinance"],
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


def _add_universe(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "the symbols whose prices are fetched every night: add, list or retire them"
    universe = commands.add_parser("universe", help=text, description=text, allow_abbrev=False)
    actions = universe.add_subparsers(
        dest="action", required=True, metavar="ACTION", parser_class=_Parser
    )
    text = "fetch prices of these symbols every night from now on"
    add = actions.add_parser(
        "add", help=text, description=text, epilog=FILES_OF_SYMBOLS, allow_abbrev=False
    )
    add.add_argument("symbols", nargs="+", metavar="FILE|SYMBOL", help="such as AAPL or BRK.B")
    text = "print every symbol with its status, its prices and who asked for it"
    listing = actions.add_parser(
        "list", help=text, description=text, epilog=MEANINGS, allow_abbrev=False
    )
    listing.add_argument("--status", choices=STATUSES, help="only the symbols of one status")
    text = "stop fetching prices of these symbols; stored prices and results stay"
    retire = actions.add_parser(
        "retire", help=text, description=text, epilog=NOT_RETIRED, allow_abbrev=False
    )
    retire.add_argument("symbols", nargs="+", metavar="SYMBOL", help="such as AAPL or BRK.B")


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


def one_line(message: str) -> str:
    """A message as one line, as every complaint is."""
    return " ".join(message.split())
