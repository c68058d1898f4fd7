"""Which prices a command works on, and what the home remembers of them between commands."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sigmasight_assets.core import sessions
from sigmasight_assets.core.errors import ConfigurationError, PriceFileUnreadable
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.price_columns import match_columns
from sigmasight_assets.core.market.source import PriceSource
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.sessions import Sessions
from sigmasight_assets.core.settings import PriceSourceName, Settings
from sigmasight_assets.core.symbols import always_in_universe

SAMPLE: Final = 50
REMEMBERED: Final = ("price_source", "fallback_price_source", "price_files")


@dataclass(frozen=True)
class Prices:
    """What the configured source offers by itself, before anything is started.

    sessions: from the first partition to the latest completed session; of a source that can be
    read beforehand those between the first and the last with a price. fingerprint: equal for
    equal contents.
    """

    source_name: str
    listed: tuple[str, ...]
    sessions: Sessions
    fingerprint: str


def open_prices(settings: Settings) -> Prices:
    """The configured prices, found usable before anything is started. No remote source is asked.

    Raises:
        PriceFileUnreadable: naming the file and what is wrong with it.
    """
    name = settings.source_name()
    marks = [_mark(each, settings) for each in (name, settings.fallback_price_source) if each]
    if name is PriceSourceName.YFINANCE:
        latest = sessions.latest_completed(settings.clock())
        days = sessions.between(settings.start_date, latest)
        return Prices(name, (), days, " then ".join(marks))
    source: PriceSource = SyntheticSource()
    if name is PriceSourceName.FILES and settings.price_files:
        source = FilesSource(settings.price_files)
    listed = source.listed_symbols()
    return Prices(name, listed, _sessions(settings, source, listed), " then ".join(marks))


def _sessions(settings: Settings, source: PriceSource, listed: tuple[str, ...]) -> Sessions:
    """Told by some symbols: the proxies if the source lists them, and the first of the others."""
    latest = sessions.latest_completed(settings.clock())
    proxies = set(always_in_universe()) & set(listed)
    sample = [*sorted(proxies), *listed[:SAMPLE]]
    days = source.fetch(sample, settings.start_date, latest).bars.date
    if not len(days):
        raise ConfigurationError(
            f"there is no price from {settings.start_date} (SIGMASIGHT_START_DATE) to {latest} "
            f"in {settings.price_files or source.name}"
        )
    return sessions.between(days.min().astype(object), days.max().astype(object))


def _mark(name: PriceSourceName, settings: Settings) -> str:
    if name is not PriceSourceName.FILES or settings.price_files is None:
        return name
    try:
        return _fingerprint(settings.price_files)
    except OSError as error:
        raise PriceFileUnreadable(f"{error.filename}: {error.strerror}") from error


def _fingerprint(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(path):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """The price files; of a folder each CSV file, whose header is looked at here.

    A header that names no prices would else be found only once that symbol's turn comes.
    """
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.iterdir()):
        if file.suffix.lower() == ".csv" and not file.name.startswith("."):
            _check_header(file)
            yield file


def _check_header(file: Path) -> None:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            match_columns(file, next(csv.reader(lines), []), ("date",))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PriceFileUnreadable(f"{file}: not a readable CSV file: {error}") from error


def remembered_choice(home: Path) -> dict[str, str]:
    """The settings of the source that `up` last ran on; none at first."""
    kept = _read(home)
    return {name: kept[name] for name in REMEMBERED if kept.get(name)}


def remember_choice(settings: Settings) -> None:
    """Let later commands use the same prices: a symbol's stored window has one source."""
    path = settings.price_files
    chosen = {
        "price_source": str(settings.source_name()),
        "fallback_price_source": settings.fallback_price_source,
        "price_files": str(path.resolve()) if path else None,
    }
    _write(settings.home, {**_read(settings.home), **chosen})


def filled_with(home: Path) -> str | None:
    """The fingerprint of the prices that all published results come from, if known."""
    fingerprint: str | None = _read(home).get("filled_with")
    return fingerprint


def remember_filled(home: Path, fingerprint: str | None) -> None:
    """All published results now come from these prices; None: not all of them."""
    _write(home, {**_read(home), "filled_with": fingerprint})


def _read(home: Path) -> dict[str, Any]:
    path = home / "price_source.json"
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    if not isinstance(kept, dict):
        raise ConfigurationError(f"{path} cannot be read: it holds no settings")
    return kept


def _write(home: Path, kept: dict[str, Any]) -> None:
    path = home / "price_source.json"
    # Of its own: two commands that start at once would take each other's away.
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(kept))
    draft.replace(path)
