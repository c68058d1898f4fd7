"""What a person's price file holds: which column is which field, and what was read of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from sigmasight_assets.core.errors import PriceFileUnreadable
from sigmasight_assets.core.market.bars import VALUE_FIELDS
from sigmasight_assets.core.market.source import PriceBars, RejectedBar


@dataclass(frozen=True)
class FileContents:
    """Bars read from a file, unscreened, in any order, with the rows that made no bar.

    without_close, without_adj_close: symbols asked for that have no value of that field on any
    date of the file, inside the range asked for or not.
    """

    bars: PriceBars
    rejected: list[RejectedBar]
    without_close: frozenset[str]
    without_adj_close: frozenset[str]


def match_columns(path: Path, names: Iterable[str], keys: Collection[str]) -> dict[str, str]:
    """Field -> the file's own name of its column; case, blanks and `_` do not matter.

    keys: the fields that every row must have, besides close or adj_close. Other columns are
    left alone.

    Raises:
        PriceFileUnreadable: if a needed column is missing or two columns claim one field.
    """
    fields = {field.replace("_", ""): field for field in (*keys, *VALUE_FIELDS)}
    found: dict[str, str] = {}
    for name in names:
        field = fields.get(name.strip().lower().replace("_", "").replace(" ", ""))
        if field is None:
            continue
        if field in found:
            raise PriceFileUnreadable(f"{path}: columns {found[field]!r} and {name!r} are the same")
        found[field] = name
    missing = [key for key in keys if key not in found]
    if "close" not in found and "adj_close" not in found:
        missing.append("close or adj_close")
    if missing:
        raise PriceFileUnreadable(f"{path}: missing columns: {', '.join(missing)}")
    return found
