"""The stress scenarios: reviewed data, checked when it is read (methodology, section 8)."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sigmasight_assets.core.errors import ScenarioFileInvalid
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.risk.result_columns import documents
from sigmasight_assets.core.shapes.panel import Columns

SCENARIO_FILE: Final = Path(__file__).with_name("stress_scenarios.toml")

MARKET: Final = "Market"
RATES: Final = "Interest_Rate"
SHOCKED_PROXIES: Final = dict(
    zip(
        (MARKET, RATES, "Value", "Growth", "Momentum", "Quality", "Size", "Low Volatility"),
        PROXIES,
        strict=True,
    )
)
"""Factor that a scenario can shock -> the proxy that it moves."""

CATEGORIES: Final = ("market", "rates", "rotation", "volatility", "historical")
SEVERITIES: Final = ("mild", "base", "moderate", "severe", "extreme")
STYLE_SHOCKS: Final = ("excess", "absolute")

YIELD_RANGE: Final = (-0.04, 0.04)
RETURN_RANGE: Final = (-0.95, 1.0)

_TEXTS: Final = ("id", "name", "description")
_CHOICES: Final = {
    "category": CATEGORIES,
    "severity": SEVERITIES,
    "style_shocks": STYLE_SHOCKS,
}
_DEFAULTS: Final = {"style_shocks": "excess", "is_active": True}


@dataclass(frozen=True, kw_only=True)
class Shocks:
    """What a scenario moves, which is all that calculations need of it.

    shocks: factor of SHOCKED_PROXIES -> fraction: a return, of Interest_Rate a yield change. A
    factor shocked by 0 stands still; one that is absent moves as the others make it likely.
    style_shocks: 'excess' of the market's part where Market is shocked too, or 'absolute'.
    """

    scenario_id: str
    shocks: Mapping[str, float]
    style_shocks: str = "excess"


@dataclass(frozen=True, kw_only=True)
class Scenario(Shocks):
    """One stress scenario as users see it; display_order is its 1-based place in the file."""

    name: str
    description: str
    category: str
    severity: str
    is_active: bool
    display_order: int


def load_scenarios(path: Path = SCENARIO_FILE) -> tuple[Scenario, ...]:
    """The scenarios of a file, in its order.

    Raises:
        ScenarioFileInvalid: naming the line of a syntax error, else the scenario and its fault:
            a missing or unknown field, an unknown factor, category, severity or style_shocks, a
            shock out of its range (yields +-0.04, returns -0.95 to 1), or a repeated id.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioFileInvalid(str(path), "file", str(error)) from error
    entries = document.get("scenario")
    if set(document) != {"scenario"} or not isinstance(entries, list):
        raise ScenarioFileInvalid(str(path), "file", "expected [[scenario]] entries, nothing else")
    found = [_scenario(path, number, entry) for number, entry in enumerate(entries, start=1)]
    for scenario_id, times in Counter(each.scenario_id for each in found).items():
        if times > 1:
            raise ScenarioFileInvalid(str(path), scenario_id, f"the id appears {times} times")
    return tuple(found)


def _scenario(path: Path, number: int, entry: object) -> Scenario:
    where = f"scenario {number}"
    try:
        if not isinstance(entry, dict):
            raise ValueError("expected a table")
        where = str(entry.get("id", where))
        fields = {**_DEFAULTS, **entry}
        _check_fields(fields)
        shocks = {factor: float(shock) for factor, shock in fields.pop("shocks").items()}
    except ValueError as fault:
        raise ScenarioFileInvalid(str(path), where, str(fault)) from fault
    return Scenario(scenario_id=fields.pop("id"), shocks=shocks, display_order=number, **fields)


def _check_fields(fields: Mapping[str, Any]) -> None:
    wanted = {*_TEXTS, *_CHOICES, "is_active", "shocks"}
    if set(fields) != wanted:
        missing, unknown = sorted(wanted - set(fields)), sorted(set(fields) - wanted)
        raise ValueError(f"missing fields {missing}, unknown fields {unknown}")
    for name in _TEXTS:
        if not isinstance(fields[name], str) or not fields[name].strip():
            raise ValueError(f"{name} must be a text, not {fields[name]!r}")
    for name, legal in _CHOICES.items():
        if fields[name] not in legal:
            raise ValueError(f"{name} {fields[name]!r} is not one of {', '.join(legal)}")
    if not isinstance(fields["is_active"], bool):
        raise ValueError(f"is_active must be true or false, not {fields['is_active']!r}")
    if not isinstance(fields["shocks"], dict) or not fields["shocks"]:
        raise ValueError("shocks must name at least one factor")
    for factor, shock in fields["shocks"].items():
        _check_shock(factor, shock)


def _check_shock(factor: str, shock: object) -> None:
    if factor not in SHOCKED_PROXIES:
        raise ValueError(f"factor {factor!r} is not one of {', '.join(SHOCKED_PROXIES)}")
    if isinstance(shock, bool) or not isinstance(shock, int | float) or not math.isfinite(shock):
        raise ValueError(f"the shock of {factor} must be a number, not {shock!r}")
    lowest, highest = YIELD_RANGE if factor == RATES else RETURN_RANGE
    if not lowest <= shock <= highest:
        raise ValueError(f"the shock of {factor}, {shock}, is outside {lowest} to {highest}")


def active(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """The active scenarios, sorted by scenario_id: the order of stored rows."""
    ordered = sorted(scenarios, key=lambda each: each.scenario_id)
    return tuple(each for each in ordered if each.is_active)


def scenario_rows(scenarios: Sequence[Scenario]) -> Columns:
    """Rows of stress_test_scenarios, active and inactive, sorted by scenario_id."""
    ordered = sorted(scenarios, key=lambda each: each.scenario_id)
    texts = ("scenario_id", "name", "description", "category", "severity", "style_shocks")
    return {
        **{column: documents([getattr(each, column) for each in ordered]) for column in texts},
        "shocks": documents([dict(each.shocks) for each in ordered]),
        "is_active": np.array([each.is_active for each in ordered], dtype=np.bool_),
        "display_order": np.array([each.display_order for each in ordered], dtype=np.int64),
    }
