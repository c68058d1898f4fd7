"""`sigmasight universe`: the symbols that every night asks prices for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final

from sigmasight_assets.cli.platform import bring_up_to_date, command_settings
from sigmasight_assets.cli.servers import our_database
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.universe_members import UniverseMember, universe_members
from sigmasight_assets.core.db.write.universe_members import add_members, retire_members
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.symbol_lists import read_symbols
from sigmasight_assets.core.symbols import canonical

SHOWN: Final = 5
HEADER: Final = (
    "symbol",
    "class",
    "status",
    "source",
    "first price",
    "last price",
    "last factors",
    "requested by",
    "why",
)


def add(arguments: Sequence[str]) -> int:
    """Add symbols, typed or in files; one that cannot be added keeps all of them out."""
    named = read_symbols(arguments)
    if named.wrong:
        raise ConfigurationError(f"nothing was added: {_first([str(one) for one in named.wrong])}")
    with _migrated_database() as database:
        added = add_members(database, named.symbols)
    print(
        f"{len(added.new):,} added, {len(added.asked_again):,} asked again, "
        f"{len(added.there):,} there already"
    )
    if added.new or added.asked_again:
        print(
            "prices come with the next night, or at once with `sigmasight run --session DATE`",
            file=sys.stderr,
        )
    return 0


def show(status: str | None) -> int:
    """Print the symbols, or those of one status, as a table; how many goes to stderr."""
    with _migrated_database() as database, database.connection() as connection:
        members = universe_members(connection, status)
    _print_table([HEADER, *(_cells(member) for member in members)])
    print(f"{len(members):,} symbol{'' if len(members) == 1 else 's'}", file=sys.stderr)
    return 0


def retire(symbols: Sequence[str]) -> int:
    """Retire symbols; one that cannot be retired keeps all of them in."""
    with _migrated_database() as database:
        retired = retire_members(database, [canonical(symbol) for symbol in symbols])
    if retired.refused:
        reasons = [f"{symbol!r} {reason}" for symbol, reason in retired.refused.items()]
        raise ConfigurationError(f"nothing was retired: {_first(reasons)}")
    print(f"{len(retired.now):,} retired, {len(retired.before):,} retired already")
    return 0


@contextmanager
def _migrated_database() -> Iterator[Database]:
    with our_database(command_settings()) as database:
        bring_up_to_date(database)
        yield database


def _first(problems: Sequence[str]) -> str:
    """The first problems, and how many more there are."""
    more = len(problems) - SHOWN
    return "; ".join(problems[:SHOWN]) + (f"; and {more:,} more" if more > 0 else "")


def _cells(member: UniverseMember) -> tuple[str, ...]:
    return (
        member.symbol,
        member.investment_class,
        member.status,
        _text(member.price_source),
        _text(member.history_from),
        _text(member.last_price_date),
        _text(member.last_factor_date),
        _text(member.requested_by),
        _text(member.error_message),
    )


def _text(value: str | date | None) -> str:
    return " ".join(str(value).split()) if value else "-"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell, the last as it comes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    layout = "  ".join(f"{{:{width}}}" for width in widths) + "  {}"
    try:
        print("\n".join(layout.format(*row) for row in rows), flush=True)
    except BrokenPipeError:
        # `head` has seen enough; Python, as it exits, would write the rest once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
