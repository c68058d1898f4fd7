"""Yahoo's JSON values made clean: whatever is not what it should be is unknown, None.

A value is plain or wrapped as {"raw": value, "fmt": text}; an unknown one may be absent, null, {},
"Infinity", NaN or a text where a number belongs.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

FIRST_DAY: Final = date(1980, 1, 1)
LAST_DAY: Final = date(2099, 12, 31)
LARGEST_COUNT: Final = 2**31 - 1
LONGEST_NAME: Final = 200
LONGEST_SYMBOL: Final = 30

# Controls, among them NUL, and surrogates, which no UTF-8 has.
UNSTORABLE: Final = frozenset({"Cc", "Cs"})


def inner(document: object, *keys: str) -> Any:  # noqa: ANN401  (JSON is anything)
    """What lies under the keys, None as soon as one is absent or no object is on the way."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def items(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def number(value: object) -> float | None:
    """A finite number."""
    value = _raw(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def positive(value: object) -> float | None:
    """A number above zero."""
    found = number(value)
    return found if found is not None and found > 0 else None


def count(value: object) -> int | None:
    """A whole number from 0 to what an integer column holds."""
    found = number(value)
    if found is None or not found.is_integer() or not 0 <= found <= LARGEST_COUNT:
        return None
    return int(found)


def text(value: object, longest: int = LONGEST_NAME) -> str | None:
    """A text without surrounding blanks and control characters, cut to `longest` characters."""
    if not isinstance(value, str):
        return None
    kept = (
        each for each in value if each in "\n\t" or unicodedata.category(each) not in UNSTORABLE
    )
    return "".join(kept).strip()[:longest].rstrip() or None


def day(value: object) -> date | None:
    """A day from 1980 to 2099, from its ISO form or from seconds since 1970 in UTC."""
    value = _raw(value)
    try:
        if isinstance(value, str):
            found = date.fromisoformat(value)
        else:
            found = datetime.fromtimestamp(number(value) or 0.0, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return found if FIRST_DAY <= found <= LAST_DAY else None


def other_symbol(symbol: str, named: Iterable[object]) -> str:
    """Why an answer that names these symbols, or None, is not about this one; '' if it is."""
    said = [each for each in named if each is not None]
    if not said:
        return "the answer names no symbol"
    strange = [str(each) for each in said if each != symbol]
    return f"the answer is about {text(strange[0], LONGEST_SYMBOL)}" if strange else ""


def _raw(value: object) -> object:
    return value.get("raw") if isinstance(value, dict) else value
