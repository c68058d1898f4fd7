"""The benchmark's sector weights: the file as published, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from sigmasight_assets.core.db import tables
from sigmasight_assets.core.errors import SectorWeightFileInvalid
from sigmasight_assets.core.risk.benchmark_sectors import (
    load_sector_weights,
    sector_weight_rows,
)
from sigmasight_assets.core.risk.sectors import RENAMED
from sigmasight_assets.core.sectors import SECTORS

# S&P Dow Jones Indices, S&P 500 fact sheets: sector breakdown, percent.
PUBLISHED = {
    "2023-12-29": {
        "Technology": 28.9, "Financials": 13.0, "Healthcare": 12.6,
        "Consumer Discretionary": 10.9, "Industrials": 8.8, "Communication Services": 8.6,
        "Consumer Staples": 6.2, "Energy": 3.9, "Real Estate": 2.5, "Materials": 2.4,
        "Utilities": 2.3,
    },
    "2024-12-31": {
        "Technology": 32.5, "Financials": 13.6, "Consumer Discretionary": 11.3,
        "Healthcare": 10.1, "Communication Services": 9.4, "Industrials": 8.2,
        "Consumer Staples": 5.5, "Energy": 3.2, "Utilities": 2.3, "Real Estate": 2.1,
        "Materials": 1.9,
    },
    "2025-06-30": {
        "Technology": 33.1, "Financials": 14.0, "Consumer Discretionary": 10.4,
        "Communication Services": 9.8, "Healthcare": 9.3, "Industrials": 8.6,
        "Consumer Staples": 5.5, "Energy": 3.0, "Utilities": 2.4, "Real Estate": 2.0,
        "Materials": 1.9,
    },
}  # fmt: skip

# The sectors that Yahoo gives companies.
YAHOO = (
    "Basic Materials",
    "Communication Services",
    "Consumer Cyclical",
    "Consumer Defensive",
    "Energy",
    "Financial Services",
    "Healthcare",
    "Industrials",
    "Real Estate",
    "Technology",
    "Utilities",
)


def test_the_file_holds_the_published_weights_as_fractions() -> None:
    found = {each.as_of_date.isoformat(): dict(each.weights) for each in load_sector_weights()}
    assert found == {
        stated: {sector: pytest.approx(percent / 100) for sector, percent in weights.items()}
        for stated, weights in PUBLISHED.items()
    }
    assert list(found) == sorted(PUBLISHED)


def test_benchmark_and_portfolios_name_sectors_alike() -> None:
    assert sorted(RENAMED.get(name, name) for name in YAHOO) == list(SECTORS)


def test_rows_have_the_tables_columns_and_are_sorted() -> None:
    rows = sector_weight_rows(load_sector_weights())
    assert len(rows) == 33
    for row in rows:
        assert set(row) == set(tables.benchmark_sector_weights.columns.keys())
        assert row["benchmark"] == "SP500"
    keys = [(row["as_of_date"], row["sector"]) for row in rows]
    assert keys == sorted(keys)
    assert keys[0] == (date(2023, 12, 29), "Communication Services")


EQUAL = dict.fromkeys(SECTORS, "0.0909")
HEAD = 4
"""The lines of an entry before its weights."""


def weight_file(tmp_path: Path, *entries: tuple[str, Mapping[str, str]]) -> Path:
    blocks = [
        f"[[weights]]\nas_of_date = {stated}\n\n[weights.sectors]\n"
        + "".join(f'"{sector}" = {weight}\n' for sector, weight in weights.items())
        for stated, weights in entries
    ]
    path = tmp_path / "weights.toml"
    path.write_text("".join(blocks))
    return path


def refused(path: Path, problem: str) -> int | None:
    with pytest.raises(SectorWeightFileInvalid, match=re.escape(problem)) as refusal:
        load_sector_weights(path)
    return refusal.value.line


SECOND_ENTRY = HEAD + len(EQUAL) + 1


def test_weights_that_add_up_to_one_within_half_a_percent_are_taken(tmp_path: Path) -> None:
    for energy in ("0.0955", "0.0865"):
        path = weight_file(tmp_path, ("2024-01-31", {**EQUAL, "Energy": energy}))
        (found,) = load_sector_weights(path)
        assert found.as_of_date == date(2024, 1, 31)
        assert found.weights["Energy"] == float(energy)


@pytest.mark.parametrize(("energy", "total"), [("0.0965", "1.0055"), ("0.0855", "0.9945")])
def test_weights_that_add_up_to_something_else_are_refused(
    tmp_path: Path, energy: str, total: str
) -> None:
    path = weight_file(tmp_path, ("2024-01-31", EQUAL), ("2024-02-29", {**EQUAL, "Energy": energy}))
    assert refused(path, f"add up to {total}, not to 1") == SECOND_ENTRY + HEAD - 1


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        ("-0.0001", "-0.0001"),
        ("1.0001", "1.0001"),
        ("9.1", "9.1"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("true", "True"),
        ('"0.1"', "'0.1'"),
        ("{}", "{}"),
        ("2024-01-31", "datetime.date"),
    ],
)
def test_a_weight_that_is_no_fraction_is_refused_with_its_line(
    tmp_path: Path, weight: str, shown: str
) -> None:
    weights = {**EQUAL, "Industrials": weight}
    path = weight_file(tmp_path, ("2024-01-31", EQUAL), ("2024-02-29", weights))
    line = SECOND_ENTRY + HEAD + SECTORS.index("Industrials")
    assert refused(path, f"the weight of Industrials, {shown}") == line


def test_the_ends_of_the_range_are_allowed(tmp_path: Path) -> None:
    weights = {**dict.fromkeys(SECTORS, "0"), "Energy": "1"}
    (found,) = load_sector_weights(weight_file(tmp_path, ("2024-01-31", weights)))
    assert found.weights["Energy"] == 1.0


def test_an_unknown_sector_is_refused_with_its_line(tmp_path: Path) -> None:
    weights = {**EQUAL, "Information Technology": "0.1"}
    line = HEAD + len(EQUAL) + 1
    found = refused(weight_file(tmp_path, ("2024-01-31", weights)), "'Information Technology' is")
    assert found == line


def test_missing_sectors_are_named(tmp_path: Path) -> None:
    weights = {name: weight for name, weight in EQUAL.items() if name[:4] not in ("Ener", "Util")}
    path = weight_file(tmp_path, ("2024-01-31", weights))
    assert refused(path, "no weight of Energy, Utilities") == HEAD


def test_a_sector_named_twice_is_refused_with_the_second_line(tmp_path: Path) -> None:
    path = weight_file(tmp_path, ("2024-01-31", EQUAL))
    path.write_text(path.read_text() + '"Energy" = 0.1\n')
    assert refused(path, "Cannot overwrite a value") == HEAD + len(EQUAL) + 1


@pytest.mark.parametrize("second", ["2024-01-31", "2024-01-30"])
def test_days_ascend(tmp_path: Path, second: str) -> None:
    path = weight_file(tmp_path, ("2024-01-31", EQUAL), (second, EQUAL))
    assert refused(path, "as_of_date does not come after 2024-01-31") == SECOND_ENTRY + 1


@pytest.mark.parametrize("stated", ['"2024-01-31"', "2024-01-31T00:00:00", "20240131", "true"])
def test_a_day_is_a_day(tmp_path: Path, stated: str) -> None:
    assert refused(weight_file(tmp_path, (stated, EQUAL)), "as_of_date must be a day") == 2


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("", "expected [[weights]] entries", 1),
        ("\nweights = 1", "expected [[weights]] entries", 2),
        ("\nweights = []", "expected [[weights]] entries", 2),
        ("benchmark = 'SP500'\n[[weights]]", "expected [[weights]] entries", 1),
        ("weights = [1]", "an entry is a table", 1),
        ("\n[[weights]]\n[weights.sectors]", "as_of_date must be a day, not None", 2),
        ("\n[[weights]]\nas_of_date = 2024-01-31", "sectors must be a table", 2),
        ("[[weights]]\nas_of_date = 2024-01-31\nsectors = 1", "sectors must be a table", 3),
        ("[[weights]]\nas_of_date = 2024-01-31\n\nsource = ''", "unknown field 'source'", 4),
        ("[[weights]]\nas_of_date = 2024-02-30\n", "Invalid date", 2),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_line(
    tmp_path: Path, text: str, problem: str, line: int
) -> None:
    path = tmp_path / "weights.toml"
    path.write_text(text)
    assert refused(path, problem) == line


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere.toml", "nowhere.toml: No such file") is None
