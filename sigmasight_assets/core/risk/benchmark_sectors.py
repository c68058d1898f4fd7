"""Sector weights of the benchmark: reviewed, dated data (methodology, section 7, Sectors)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from sigmasight_assets.core.errors import SectorWeightFileInvalid
from sigmasight_assets.core.risk.reviewed_files import Fault, read_reviewed
from sigmasight_assets.core.sectors import SECTORS

SECTOR_WEIGHT_FILE: Final = Path(__file__).with_name("benchmark_sector_weights.toml")

BENCHMARK: Final = "SP500"

ROUNDING: Final = 0.005
"""How far the weights of a day may add up from 1: eleven of them, each rounded to 0.001."""


@dataclass(frozen=True)
class SectorWeights:
    """What a benchmark consists of from a day on. weights: sector -> fraction, about 1 in all."""

    as_of_date: date
    weights: Mapping[str, float]


def load_sector_weights(path: Path = SECTOR_WEIGHT_FILE) -> tuple[SectorWeights, ...]:
    """The sector weights of the S&P 500, by day.

    Raises:
        SectorWeightFileInvalid: naming the line of a syntax error, of a field that is missing,
            unknown or of the wrong kind, of a day that does not come after the one before it, of
            a missing or unknown sector, of a weight outside 0 to 1, or of weights that do not
            add up to 1 within 0.005.
    """
    return read_reviewed(path, _statements, SectorWeightFileInvalid)


def sector_weight_rows(statements: Sequence[SectorWeights]) -> list[Mapping[str, object]]:
    """Rows of benchmark_sector_weights, sorted by day and sector."""
    return [
        {"benchmark": BENCHMARK, "as_of_date": each.as_of_date, "sector": sector, "weight": weight}
        for each in statements
        for sector, weight in sorted(each.weights.items())
    ]


def _statements(document: Mapping[str, Any]) -> tuple[SectorWeights, ...]:
    entries = document.get("weights")
    other = next((key for key in document if key != "weights"), "weights")
    if other != "weights" or not isinstance(entries, list) or not entries:
        raise Fault("expected [[weights]] entries, nothing else", other)
    found: list[SectorWeights] = []
    for at, entry in enumerate(entries):
        found.append(_statement(entry, at))
        if at and found[at].as_of_date <= found[at - 1].as_of_date:
            before = found[at - 1].as_of_date
            raise Fault(f"as_of_date does not come after {before}", "weights", at, "as_of_date")
    return tuple(found)


def _statement(entry: object, at: int) -> SectorWeights:
    place = ("weights", at)
    if not isinstance(entry, dict):
        raise Fault("an entry is a table", *place)
    for name in entry:
        if name not in ("as_of_date", "sectors"):
            raise Fault(f"unknown field {name!r}", *place, name)
    stated, sectors = entry.get("as_of_date"), entry.get("sectors")
    if type(stated) is not date:
        raise Fault(f"as_of_date must be a day, not {stated!r}", *place, "as_of_date")
    if not isinstance(sectors, dict):
        raise Fault("sectors must be a table", *place, "sectors")
    _check_weights(sectors, *place, "sectors")
    return SectorWeights(stated, {sector: float(weight) for sector, weight in sectors.items()})


def _check_weights(sectors: Mapping[str, Any], *place: str | int) -> None:
    for sector, weight in sectors.items():
        if sector not in SECTORS:
            raise Fault(f"sector {sector!r} is not one of {', '.join(SECTORS)}", *place, sector)
        if type(weight) not in (int, float) or not 0 <= weight <= 1:
            raise Fault(f"the weight of {sector}, {weight!r}, is outside 0 to 1", *place, sector)
    if missing := [sector for sector in SECTORS if sector not in sectors]:
        raise Fault(f"no weight of {', '.join(missing)}", *place)
    total = sum(sectors.values())
    if abs(total - 1) > ROUNDING:
        raise Fault(f"the weights add up to {total:.4f}, not to 1", *place)
