"""Reviewed data kept as TOML files; a refusal names the line at fault.

tomllib gives values without lines, and so does tomlkit. But every prefix of a TOML document that
ends between two of its statements is a document, and no other prefix that ends with a line is. So
tomllib itself finds where statements begin, whatever strings, arrays and comments look like.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from sigmasight_assets.core.errors import ReviewedFileInvalid

Made = TypeVar("Made")
Place = tuple[str | int, ...]
"""Keys from the top of a document down; entries of an array of tables by number, from 0."""

SYNTAX_ERROR_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)$")
SYNTAX_ERROR_AT_END: Final = "(at end of document)"


class Fault(Exception):
    """What is wrong with the value at a place of a document, or with what it lacks."""

    def __init__(self, problem: str, *place: str | int) -> None:
        self.place: Place = place
        super().__init__(problem)


def read_reviewed(
    path: Path, make: Callable[[Mapping[str, Any]], Made], refusal: type[ReviewedFileInvalid]
) -> Made:
    """What `make` makes of a file's document.

    Raises:
        ReviewedFileInvalid: as `refusal`, with the line of a syntax error, or of the Fault that
            `make` raised.
    """
    text = _text(path, refusal)
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise refusal(path, _syntax_error_line(text, str(error)), str(error)) from error
    try:
        return make(document)
    except Fault as fault:
        raise refusal(path, line_of(text, fault.place), str(fault)) from fault


def _text(path: Path, refusal: type[ReviewedFileInvalid]) -> str:
    """The text as it is: read as a text file, it would have other line ends than TOML knows."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise refusal(path, None, str(error.strerror)) from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refusal(path, line, "not UTF-8") from error


def _syntax_error_line(text: str, error: str) -> int | None:
    """The line that tomllib names; it names none for an integer of thousands of digits."""
    if error.endswith(SYNTAX_ERROR_AT_END):
        return text.count("\n") + 1
    found = SYNTAX_ERROR_LINE.search(error)
    return int(found[1]) if found else None


def line_of(text: str, place: Place) -> int:
    """The line, from 1, of the statement that gives a valid document its value at `place`.

    For a table of an array that is its header. What is stated nowhere is looked for where the
    nearest thing around it is stated, last of all on line 1.
    """
    lines = _lines(text)
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _lines(text: str) -> dict[Place, int]:
    """The line on which each place of a valid document is first stated."""
    lines: dict[Place, int] = {}
    tables: dict[Place, int] = {}
    header: Place = ()
    for line, statement in _statements(text):
        stated = tomllib.loads(statement)
        if statement.lstrip(" \t").startswith("["):
            header = _header(stated, tables)
            places = [header[:size] for size in range(1, len(header) + 1)]
        else:
            places = list(_places(stated, header))
        for place in places:
            lines.setdefault(place, line)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement of a valid document with the line on which it begins."""
    statement, begins = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield begins, statement
        statement, begins = "", number + 1


def _header(stated: Mapping[str, Any], tables: dict[Place, int]) -> Place:
    """Where the table of a header is; `tables` counts those of each array, also this one."""
    place: Place = ()
    inner: Any = stated
    while inner:
        ((name, inner),) = inner.items()
        place += (name,)
        if isinstance(inner, list):
            tables[place] = tables.get(place, 0) + 1
            inner = None
        if place in tables:
            place += (tables[place] - 1,)
    return place


def _places(stated: Mapping[str, Any], around: Place) -> Iterator[Place]:
    for name, value in stated.items():
        yield (*around, name)
        if isinstance(value, dict):
            yield from _places(value, (*around, name))
