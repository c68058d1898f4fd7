"""Sector weights of portfolios."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sigmasight_assets.core.risk.sectors import sector_exposure, sector_names
from sigmasight_assets.core.shapes.factors import Profiles
from sigmasight_assets_tests.core.risk.books import (
    Lot,
    Owner,
    make_book,
    make_panel,
    only_row,
    option,
    private,
    rows_on,
)


def profiles(**known: tuple[str, str]) -> Profiles:
    names = tuple(sorted(known))
    return Profiles(
        names,
        np.array([known[name][0] for name in names], dtype=object),
        np.array([known[name][1] for name in names], dtype=object),
    )


@pytest.mark.parametrize(
    ("sector", "quote_type", "name"),
    [
        ("Financial Services", "EQUITY", "Financials"),
        ("Consumer Cyclical", "EQUITY", "Consumer Discretionary"),
        ("Consumer Defensive", "EQUITY", "Consumer Staples"),
        ("Basic Materials", "EQUITY", "Materials"),
        ("Energy", "EQUITY", "Energy"),
        ("Energy", "", "Energy"),
        ("", "ETF", "ETFs"),
        ("Financial Services", "ETF", "ETFs"),
        ("", "EQUITY", "Unclassified"),
        ("", "", "Unclassified"),
    ],
)
def test_sectors_take_the_names_of_the_index_providers(sector: str, quote_type: str, name: str):
    symbols = np.array(["X"], dtype=object)
    assert sector_names(profiles(X=(sector, quote_type)), symbols).tolist() == [name]


def test_a_symbol_without_a_profile_is_unclassified():
    symbols = np.array(["A", "X", "Z"], dtype=object)
    named = sector_names(profiles(X=("Energy", "EQUITY")), symbols)
    assert named.tolist() == ["Unclassified", "Energy", "Unclassified"]


def test_net_and_gross_are_fractions_of_nav_over_lots():
    documents = sector_exposure(
        np.array([0, 0, 0, 2]),
        np.array(["Energy", "Utilities", "Energy", "Energy"], dtype=object),
        np.array([300.0, 100.0, -200.0, 50.0]),
        np.array([1_000.0, 500.0, 0.0, np.nan]),
    )
    assert documents[0] == {
        "Energy": {"net": pytest.approx(0.1), "gross": pytest.approx(0.5)},
        "Utilities": {"net": pytest.approx(0.1), "gross": pytest.approx(0.1)},
    }
    assert list(documents[0]) == ["Energy", "Utilities"]
    assert documents[1] == {}
    assert documents[2] is None
    assert documents[3] is None


def test_options_and_private_lots_belong_to_no_sector():
    panel = make_panel({"STOCK": {"2024-01-02": 10.0}, "OPT": {"2024-01-02": 10.0}})
    lots = [
        Lot("STOCK", 10, 5, "2023-12-01"),
        option("OPT", 1, 5, "2023-12-01", is_call=True, strike=9, expiration="2024-06-21"),
        private("P_ONE", 1, 500, "2023-12-01", {}),
    ]
    known = profiles(STOCK=("Energy", "EQUITY"), OPT=("Energy", "OPTION"), P_ONE=("Energy", ""))
    book = make_book(Owner(2_000, "2024-01-02", lots))
    row = only_row(rows_on(book, panel, "2024-01-02", profiles=known))
    assert row["sector_exposure"] == {"Energy": {"net": 0.05, "gross": 0.05}}


def test_the_document_is_plain_json():
    documents = sector_exposure(
        np.array([0]), np.array(["Energy"], dtype=object), np.array([1.0]), np.array([3.0])
    )
    assert json.loads(json.dumps(documents[0])) == documents[0]
