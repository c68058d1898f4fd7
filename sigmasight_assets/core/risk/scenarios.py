"""The stress scenarios: reviewed data, checked when it is read (methodology, section 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sigmasight_assets.core.errors import ScenarioFileInvalid
from sigmasight_assets.core.factors import PROXIES
from sigmasight_assets.core.risk.reviewed_files import Fault, read_reviewed

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
CUSTOM_PREFIX: Final = "custom_"
"""Begins the ids of scenarios that users of the database add, and of no others."""

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
    """One stress scenario as users see it; display_order is its place from 1."""

    name: str
    description: str
    category: str
    severity: str
    is_active: bool
    display_order: int


def load_scenarios(path: Path = SCENARIO_FILE) -> tuple[Scenario, ...]:
    """The scenarios of a file, in its order.

    Raises:
        ScenarioFileInvalid: naming the line of a syntax error, of a missing or unknown field, of
            a value of the wrong kind, of an unknown factor, category, severity or style_shocks,
            of a shock out of its range (yields +-0.04, returns -0.95 to 1), of an id or name
            that an earlier scenario has, or of an id kept for custom scenarios.
    """
    return read_reviewed(path, _scenarios, ScenarioFileInvalid)


def _scenarios(document: Mapping[str, Any]) -> tuple[Scenario, ...]:
    """The scenarios of a document; its faults are raised with their places."""
    entries = document.get("scenario")
    other = next((key for key in document if key != "scenario"), "scenario")
    if other != "scenario" or not isinstance(entries, list) or not entries:
        raise Fault("expected [[scenario]] entries, nothing else", other)
    seen: dict[str, set[str]] = {"id": set(), "name": set()}
    for at, entry in enumerate(entries):
        _check_entry(entry, at)
        for field, values in seen.items():
            if entry[field] in values:
                raise Fault(f"{field} {entry[field]!r} is taken", "scenario", at, field)
            values.add(entry[field])
    return tuple(_scenario(entry, order) for order, entry in enumerate(entries, start=1))


def _scenario(entry: Mapping[str, Any], order: int) -> Scenario:
    fields = {**_DEFAULTS, **entry}
    shocks = {factor: float(shock) for factor, shock in fields.pop("shocks").items()}
    return Scenario(scenario_id=fields.pop("id"), shocks=shocks, display_order=order, **fields)


def _check_entry(entry: object, at: int) -> None:
    place = ("scenario", at)
    if not isinstance(entry, dict):
        raise Fault("a scenario is a table", *place)
    wanted = (*_TEXTS, *_CHOICES, "is_active", "shocks")
    for name in entry:
        if name not in wanted:
            raise Fault(f"unknown field {name!r}", *place, name)
    fields = {**_DEFAULTS, **entry}
    for name in wanted:
        if name not in fields:
            raise Fault(f"missing field {name!r}", *place)
        if problem := _field_problem(name, fields[name]):
            raise Fault(problem, *place, name)
    check_shocks(fields["shocks"], *place, "shocks")


def _field_problem(name: str, value: object) -> str | None:
    if name in _TEXTS and not (isinstance(value, str) and value.strip()):
        return f"{name} must be a text, not {value!r}"
    if name in _CHOICES and value not in _CHOICES[name]:
        return f"{name} {value!r} is not one of {', '.join(_CHOICES[name])}"
    if name == "is_active" and not isinstance(value, bool):
        return f"is_active must be true or false, not {value!r}"
    if name == "id" and str(value).startswith(CUSTOM_PREFIX):
        return f"id {value!r}: {CUSTOM_PREFIX} begins the ids of scenarios that users add"
    return None


def check_shocks(shocks: object, *place: str | int) -> None:
    """Refuse what is not {factor: shock} with known factors and shocks in their ranges.

    The rules of shocks_are_valid in the database.

    Raises:
        Fault: at the place of the shock, or of the whole.
    """
    if not isinstance(shocks, dict) or not shocks:
        raise Fault("shocks must name at least one factor", *place)
    for factor, shock in shocks.items():
        if problem := _shock_problem(factor, shock):
            raise Fault(problem, *place, factor)


def _shock_problem(factor: str, shock: object) -> str | None:
    if factor not in SHOCKED_PROXIES:
        return f"factor {factor!r} is not one of {', '.join(SHOCKED_PROXIES)}"
    if isinstance(shock, bool) or not isinstance(shock, int | float):
        return f"the shock of {factor} must be a number, not {shock!r}"
    lowest, highest = YIELD_RANGE if factor == RATES else RETURN_RANGE
    if not lowest <= shock <= highest:
        return f"the shock of {factor}, {shock}, is outside {lowest} to {highest}"
    return None


def active(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """The active scenarios, sorted by scenario_id: the order of stored rows."""
    ordered = sorted(scenarios, key=lambda each: each.scenario_id)
    return tuple(each for each in ordered if each.is_active)


def scenario_rows(scenarios: Sequence[Scenario]) -> list[Mapping[str, object]]:
    """The package's rows of stress_test_scenarios, active and inactive, sorted by scenario_id."""
    ordered = sorted(scenarios, key=lambda each: each.scenario_id)
    return [{**asdict(each), "origin": "package"} for each in ordered]
