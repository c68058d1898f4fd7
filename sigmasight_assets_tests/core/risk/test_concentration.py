"""Counts and concentration, symbols with their lots netted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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

PANEL = make_panel({name: {"2024-01-02": 10.0} for name in ("A", "B", "C", "OPT")})


def row_of(*lots: Lot) -> dict[str, Any]:
    return only_row(rows_on(make_book(Owner(10_000, "2024-01-02", lots)), PANEL, "2024-01-02"))


def held(symbol: str, quantity: float) -> Lot:
    return Lot(symbol, quantity, 10, "2023-12-01")


def counted(row: dict[str, Any]) -> list[int]:
    kinds = ("positions", "long_positions", "short_positions", "option_positions",
             "private_positions")  # fmt: skip
    return [int(row[f"num_{kind}"]) for kind in kinds]


def test_lots_of_one_symbol_count_once_by_the_sign_of_their_sum():
    row = row_of(held("A", 5), held("A", -8), held("B", 1), held("B", 1), held("C", 2))
    assert counted(row) == [3, 2, 1, 0, 0]


def test_a_symbol_whose_lots_cancel_is_held_but_neither_long_nor_short():
    # 0.1 + 0.2 - 0.3 is not 0 in binary
    row = row_of(held("A", 0.1), held("A", 0.2), held("A", -0.3), held("B", 2))
    assert counted(row) == [2, 1, 0, 0, 0]
    assert row["hhi"] == pytest.approx(10_000)
    assert row["gross_exposure"] == pytest.approx(26)


def test_options_and_private_lots_are_counted_and_weighed():
    row = row_of(
        held("A", 100),
        option("OPT", -1, 10, "2023-12-01", is_call=True, strike=9, expiration="2024-06-21"),
        private("P_ONE", 1, 2_000, "2023-12-01", {}),
    )
    assert counted(row) == [3, 2, 1, 1, 1]
    # |weights| 1/4, 1/4, 1/2
    assert row["hhi"] == pytest.approx(10_000 * (1 / 16 + 1 / 16 + 1 / 4))
    assert row["effective_num_positions"] == pytest.approx(1 / 0.375)


def test_top_n_adds_the_largest_weights_by_absolute_value():
    names = "ABCDEFGHIJKL"
    panel = make_panel({name: {"2024-01-02": 1.0} for name in names})
    lots = [Lot(name, (-1) ** n * float(n + 1), 1, "2023-12-01") for n, name in enumerate(names)]
    row = only_row(rows_on(make_book(Owner(1_000, "2024-01-02", lots)), panel, "2024-01-02"))
    assert row["top_3_concentration"] == pytest.approx((12 + 11 + 10) / 78)
    assert row["top_10_concentration"] == pytest.approx((78 - 1 - 2) / 78)


def test_top_n_of_few_positions_is_everything():
    row = row_of(held("A", 5), held("B", -5))
    assert row["top_3_concentration"] == pytest.approx(1)
    assert row["top_10_concentration"] == pytest.approx(1)


@pytest.mark.parametrize("lots", [[], [held("A", 1), held("A", -1)]])
def test_concentration_is_unknown_where_nothing_is_weighed(lots: list[Lot]):
    row = row_of(*lots)
    for name in ("hhi", "effective_num_positions", "top_3_concentration", "top_10_concentration"):
        assert np.isnan(row[name]), name


def test_portfolios_holding_the_same_symbol_are_netted_apart():
    book = make_book(
        Owner(1_000, "2024-01-02", [held("A", 5), held("B", 5)], id="x"),
        Owner(1_000, "2024-01-02", [held("A", -5)], id="y"),
        Owner(1_000, "2024-01-02", id="z"),
    )
    columns = rows_on(book, PANEL, "2024-01-02")
    assert columns["num_long_positions"].tolist() == [2, 0, 0]
    assert columns["num_short_positions"].tolist() == [0, 1, 0]
    assert columns["hhi"].tolist()[:2] == [5_000, 10_000]
