"""Symbols as people hand them over: typed one by one, or in files (methodology, section 2)."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.symbols import (
    MAX_LENGTH,
    InvestmentClass,
    canonical,
    classify,
    sorted_symbols,
)

MOST_SYMBOLS: Final = 100_000
COLUMN: Final = "symbol"

_FORM: Final = re.compile(r"[A-Z0-9^=-]*[A-Z0-9][A-Z0-9^=-]*")
_SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True)
class WrongSymbol:
    """Something that is no symbol to ask prices for. where: file and line, '' if it was typed."""

    where: str
    text: str
    reason: str

    def __str__(self) -> str:
        text = self.text
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
        return f"{self.where}: {shown!r} {self.reason}".removeprefix(": ")


@dataclass(frozen=True)
class SymbolList:
    """Stored forms, sorted and distinct, and whatever else was named."""

    symbols: tuple[str, ...]
    wrong: tuple[WrongSymbol, ...]


def read_symbols(arguments: Sequence[str]) -> SymbolList:
    """The symbols that the arguments name, each a symbol or a file of them.

    A file is what exists as one, has a path separator or ends in .csv or .txt. It holds one symbol
    per line, each perhaps with a # and a remark behind it, or CSV under a header with a column
    `symbol`, in any case. Blank lines and lines that begin with # are passed over. Nothing is read
    as a number, a date or a truth value.

    Raises:
        ConfigurationError: naming a file that cannot be read, or for more than 100,000 symbols.
    """
    symbols: list[str] = []
    wrong: list[WrongSymbol] = []
    for where, text in _named(arguments):
        if len(symbols) + len(wrong) == MOST_SYMBOLS:
            raise ConfigurationError(f"more than {MOST_SYMBOLS:,} symbols: add them in parts")
        reason = why_not_public(text)
        if reason:
            wrong.append(WrongSymbol(where, text, reason))
        else:
            symbols.append(canonical(text))
    return SymbolList(sorted_symbols(symbols), tuple(wrong))


def why_not_public(text: str) -> str | None:
    """Why the text is no symbol that prices are asked for, as a predicate; None if it is one."""
    name, kind = canonical(text), classify(text)
    # Upper case makes ASCII of some letters that are none.
    is_plain = text.strip().isascii() and _FORM.fullmatch(name)
    faults = {
        "is empty": not name,
        "is an option: option contracts enter with the positions that hold them": (
            kind is InvestmentClass.OPTIONS
        ),
        "is named like a private holding, which has no market price": (
            kind is InvestmentClass.PRIVATE
        ),
        "has a space inside": any(character.isspace() for character in name),
        f"is longer than {MAX_LENGTH} characters": len(name) > MAX_LENGTH,
        "has a character other than A-Z 0-9 . - ^ =": not is_plain,
    }
    return next((reason for reason, holds in faults.items() if holds), None)


def _named(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Everything that is named: where ('' if typed), and the text."""
    for argument in arguments:
        if _is_file(argument):
            yield from _listed(Path(argument))
        else:
            yield "", argument


def _is_file(argument: str) -> bool:
    is_path = os.sep in argument or (os.altsep or os.sep) in argument
    return is_path or argument.lower().endswith((".csv", ".txt")) or os.path.isfile(argument)


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """Where and what, of every line of a file that says something."""
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        return
    column = _column(path, *first)
    for number, cells in chain([first], rows) if column is None else rows:
        where = f"{path} line {number}"
        if column is None:
            yield where, _without_remark(cells)
        else:
            yield where, cells[column] if column < len(cells) else ""


def _column(path: Path, number: int, cells: list[str]) -> int | None:
    """The place of the symbols if the cells are a header, None if they are a symbol.

    Raises:
        ConfigurationError: if they are a header that does not name one column `symbol`.
    """
    names = [cell.lower() for cell in cells]
    if names.count(COLUMN) == 1:
        return names.index(COLUMN)
    if COLUMN in names or "," in _without_remark(cells):
        raise ConfigurationError(
            f"{path} line {number}: a CSV file needs a header with one column named `{COLUMN}`, "
            "a plain list has one symbol per line"
        )
    return None


def _without_remark(cells: list[str]) -> str:
    return ",".join(cells).partition("#")[0].rstrip()


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of the lines with something on them, without blanks around the cells."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # A comment becomes a blank line: a quote in it opens no cell, and lines keep count.
            lines = ("\n" if line.lstrip().startswith("#") else line for line in file)
            rows = csv.reader(lines, strict=True)
            for cells in rows:
                number = rows.line_num
                stripped = [cell.strip() for cell in cells]
                if any(stripped):
                    yield number, stripped
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not a text file in UTF-8") from None
    except csv.Error as error:
        raise ConfigurationError(
            f"{path}: not readable as CSV after line {number}: {error}"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
