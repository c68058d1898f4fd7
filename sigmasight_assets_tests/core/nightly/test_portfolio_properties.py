"""What must hold for any portfolio, through the tables: mirrored, split, richer, reordered.

Each example enters two copies of a few portfolios of a world, one of them changed, computes them
in one refresh and says of every column of every row what it should be in the other copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets_tests.core.nightly.changed_copies import (
    Place,
    Stage,
    Told,
    in_two,
    joined,
    opposite,
    richer,
    unlike,
    with_lots,
)
from sigmasight_assets_tests.ledger_inputs import Portfolio, Position
from sigmasight_assets_tests.postgres import drop_database, fresh_database
from sigmasight_assets_tests.table_proof import fill_symbols
from sigmasight_assets_tests.table_worlds import make_table_world
from sigmasight_assets_tests.world_tables import put_market

WORLD = make_table_world(31, portfolios=16, sessions=5)
CASH = Decimal(10_000_000)
"""Enough for NAV to stay above zero whatever is withdrawn or lost."""

chosen = st.lists(st.sampled_from(WORLD.portfolios), min_size=2, max_size=6, unique=True)
quickly = settings(max_examples=5)

Group = list[Portfolio]

VOLATILITIES = {"realized_volatility_21d", "realized_volatility_63d", "expected_volatility_21d"}
SIGNED_OVER_NAV = {
    "beta_calculated_90d", "beta_provider_1y", "private_allocation_pct", "exposure_value",
    "weight",
}  # fmt: skip
NEGATED = {
    "net_exposure", "total_pnl", "cumulative_pnl", "pnl_percent", "daily_pnl", "realized_pnl",
    "cumulative_realized_pnl", "unrealized_pnl", "dividends", "cumulative_dividends",
    "exposure_dollar", "exposure_invested", "direct_pnl", "correlated_pnl", "correlation_effect",
}  # fmt: skip
SWAPPED = {
    "long_value": ("short_value", -1),
    "short_value": ("long_value", -1),
    "num_long_positions": ("num_short_positions", 1),
    "num_short_positions": ("num_long_positions", 1),
}


@pytest.fixture(scope="module")
def stage(server: EmbeddedPostgres, template: str) -> Iterator[Stage]:
    database = Database(fresh_database(server, template=template))
    with database.connection() as connection:
        put_market(connection, WORLD)
    fill_symbols(database, WORLD)
    yield Stage(database, WORLD)
    drop_database(server, database.url)


class Books:
    """The snapshots that rows belong to."""

    def __init__(self, told: Told, group: Group) -> None:
        self.owner = {lot.id: one.id for one in group for lot in one.positions}
        self.told = told

    def snapshot(self, place: Place) -> dict[str, Any]:
        session, _, key = place
        return self._snapshot(session, key[0])

    def before(self, place: Place) -> dict[str, Any]:
        """Of the session before; that of inception itself on inception."""
        session, _, key = place
        eve = WORLD.window[max(WORLD.window.index(session) - 1, 0)]
        owner = self.owner.get(key[0], key[0])
        there = (eve, "portfolio_snapshots", (owner,)) in self.told
        return self._snapshot(eve if there else session, owner)

    def _snapshot(self, session: date, name: str) -> dict[str, Any]:
        owner = self.owner.get(name, name)
        return self.told[session, "portfolio_snapshots", (owner,)]


def scaled(value: Any, by: float) -> Any:
    return None if value is None else value * by


def sectors(value: dict[str, dict[str, float]], net: float, gross: float) -> dict[str, Any]:
    return {
        sector: {"net": sides["net"] * net, "gross": sides["gross"] * gross}
        for sector, sides in value.items()
    }


@quickly
@given(chosen)
def test_reversing_every_position_negates_exposures_pnl_and_stress_in_dollars(
    stage: Stage, group: Group
) -> None:
    solvent = richer(group, CASH)
    told, mirrored = stage.told(solvent, with_lots(solvent, opposite))
    books = Books(told, group)

    def mirror_nav(row: dict[str, Any]) -> Decimal:
        mirrored_nav: Decimal = row["net_asset_value"] - 2 * row["total_pnl"]
        return mirrored_nav

    def expected(place: Place, column: str, value: Any) -> Any:
        row, eve = books.snapshot(place), books.before(place)
        ratio = float(row["net_asset_value"] / mirror_nav(row))
        if column in SWAPPED:
            other, sign = SWAPPED[column]
            return sign * row[other]
        if column in VOLATILITIES or column in SIGNED_OVER_NAV:
            return scaled(value, ratio if column in VOLATILITIES else -ratio)
        if column == "sector_exposure":
            return sectors(value, -ratio, ratio)
        if column == "daily_return":
            return -value * float(eve["net_asset_value"] / mirror_nav(eve))
        if column in ("net_asset_value", "total_value", "cash_value"):
            return mirror_nav(row) + (row["net_exposure"] if column == "cash_value" else 0)
        return scaled(value, -1) if column in NEGATED else value

    assert unlike(told, mirrored, expected) == []


@quickly
@given(chosen, st.lists(st.decimals("0.01", "0.99", places=2), min_size=40, max_size=40))
def test_splitting_lots_in_two_changes_nothing(
    stage: Stage, group: Group, shares: list[Decimal]
) -> None:
    def halve(lot: Position) -> list[Position]:
        return in_two(lot, shares[int(lot.id[-3:]) % len(shares)])

    told, halved = stage.told(group, with_lots(group, halve))
    assert unlike(told, joined(halved), lambda place, column, value: value) == []


@quickly
@given(chosen, st.decimals(1, 10**8, places=2))
def test_more_cash_changes_weights_over_nav_alone(
    stage: Stage, group: Group, cash: Decimal
) -> None:
    solvent = richer(group, CASH)
    told, rich = stage.told(solvent, richer(solvent, cash))
    books = Books(told, group)

    def expected(place: Place, column: str, value: Any) -> Any:
        row, eve = books.snapshot(place), books.before(place)
        ratio = float(row["net_asset_value"] / (row["net_asset_value"] + cash))
        if column in VOLATILITIES or column in SIGNED_OVER_NAV:
            return scaled(value, ratio)
        if column == "sector_exposure":
            return sectors(value, ratio, ratio)
        if column == "daily_return":
            return value * float(eve["net_asset_value"] / (eve["net_asset_value"] + cash))
        if column in ("net_asset_value", "total_value", "cash_value"):
            return value + cash
        if column == "pnl_percent":
            invested = row["net_asset_value"] - row["total_pnl"]
            return value * float(invested / (invested + cash))
        return value

    assert unlike(told, rich, expected) == []


@quickly
@given(chosen, st.randoms(use_true_random=False))
def test_the_order_of_positions_changes_nothing(stage: Stage, group: Group, random: Random) -> None:
    """The copies differ in the order of entry, and in ids: the order in which sums are taken."""
    reordered = [_shuffled(one, random) for one in random.sample(group, len(group))]
    told, other = stage.told(group, reordered)
    assert unlike(told, other, lambda place, column, value: value) == []


def _shuffled(one: Portfolio, random: Random) -> Portfolio:
    return replace(one, positions=tuple(random.sample(one.positions, len(one.positions))))
