"""The portfolio tables against the ledger and the oracles, through the database.

The short form of `python -m benchmarks.ledger_proof`: every column of every row of two small
worlds, each with entries, exits, partial exits, shorts, options, revaluations, flows, gaps,
splits, dividends and deletions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import pytest

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets_tests.postgres import drop_database, fresh_database
from sigmasight_assets_tests.table_proof import (
    SESSION_TABLES,
    Findings,
    compare,
    fill,
    identity_gaps,
)
from sigmasight_assets_tests.table_worlds import TableWorld, make_table_world

WORLDS = {
    "young proxy": make_table_world(11, portfolios=20, sessions=6, young_proxy=True),
    "whole histories": make_table_world(12, portfolios=24, sessions=10),
}

Filled = dict[str, tuple[Database, Findings]]


@pytest.fixture(scope="module")
def filled(server: EmbeddedPostgres, template: str) -> Iterator[Filled]:
    """By world, its database with every table computed, and how that compares."""
    found = {}
    for name, world in WORLDS.items():
        database = Database(fresh_database(server, template=template))
        matrices_from = fill(database, world)
        found[name] = (database, compare(database, world, matrices_from))
    yield found
    for database, _ in found.values():
        drop_database(server, database.url)


@pytest.mark.parametrize("name", WORLDS)
def test_every_column_of_every_row_is_what_the_ledger_and_the_oracles_say(
    filled: Filled, name: str
) -> None:
    _, found = filled[name]
    assert not found.differences, "\n".join(str(each) for each in found.differences[:20])
    assert all(found.rows[table] > 0 for table in SESSION_TABLES)


@pytest.mark.parametrize("name", WORLDS)
def test_no_column_was_left_out_of_the_comparison(filled: Filled, name: str) -> None:
    _, found = filled[name]
    for table in SESSION_TABLES:
        stored = metadata.tables[table]
        wanted = {column.name for column in stored.columns if not column.primary_key}
        assert {column for place, column in found.worst if place == table} == wanted


@pytest.mark.parametrize("name", WORLDS)
def test_the_change_of_nav_is_what_was_earned_and_paid_in(filled: Filled, name: str) -> None:
    database, _ = filled[name]
    assert identity_gaps(database) == []


CASES: dict[str, tuple[LiteralString, set[Any]]] = {
    "why no exposures": (
        "SELECT DISTINCT factor_exposures_reason FROM portfolio_snapshots",
        {None, "no_public_positions", "non_positive_nav"},
    ),
    "why no direct figure": (
        "SELECT DISTINCT direct_reason FROM stress_test_results",
        {None, "no_public_positions", "non_positive_nav", "no_exposure"},
    ),
    "why no correlated figure": (
        "SELECT DISTINCT correlated_reason FROM stress_test_results",
        {None, "no_public_positions", "insufficient_history", "no_exposure"},
    ),
    "a fallback beside joint betas": (
        "SELECT DISTINCT fallback_symbols <> '[]' FROM stress_test_results "
        "WHERE correlated_pnl IS NOT NULL",
        {True, False},
    ),
    "a floored return": (
        "SELECT DISTINCT floored_symbols <> '[]' FROM stress_test_results",
        {True, False},
    ),
    "implausible scenarios": (
        "SELECT DISTINCT implausible FROM stress_scenario_moves",
        {True, False},
    ),
    "a proxy at its floor": (
        "SELECT DISTINCT (implied_moves ->> 'IWM')::float8 = -0.95 FROM stress_scenario_moves "
        "WHERE implied_moves IS NOT NULL",
        {True, False},
    ),
    "quality of correlations": (
        "SELECT DISTINCT data_quality FROM correlation_calculations",
        {"sufficient", "limited", "insufficient"},
    ),
    "why a symbol is excluded": (
        "SELECT DISTINCT e ->> 'reason' "
        "FROM correlation_calculations, jsonb_array_elements(symbols_excluded) AS e",
        {"insufficient_history", "no_variance", "zero_weight"},
    ),
    "an impossible matrix": (
        "SELECT DISTINCT psd_adjusted FROM correlation_calculations",
        {True, False},
    ),
    "an unknown pair": (
        "SELECT DISTINCT array_position(correlations, NULL) IS NULL FROM correlation_matrices",
        {True, False},
    ),
    "clusters with a sector and without": (
        "SELECT DISTINCT e -> 'symbols' ? (e ->> 'name') "
        "FROM correlation_calculations, jsonb_array_elements(clusters) AS e",
        {True, False},
    ),
    "volatility": (
        "SELECT DISTINCT volatility_trend FROM portfolio_snapshots",
        {None, "stable", "increasing"},
    ),
    "a forecast": (
        "SELECT DISTINCT expected_volatility_21d IS NULL FROM portfolio_snapshots "
        "WHERE realized_volatility_63d > 0",
        {True, False},
    ),
    "NAV of every sign": (
        "SELECT DISTINCT sign(net_asset_value) FROM portfolio_snapshots",
        {1, 0, -1},
    ),
    "margin": ("SELECT DISTINCT cash_value < 0 FROM portfolio_snapshots", {True, False}),
    "prices that are not there": (
        "SELECT DISTINCT e ->> 'reason' "
        "FROM portfolio_snapshots, jsonb_array_elements(missing_symbols) AS e",
        {"stale", "at_cost"},
    ),
    "deletions": (
        "SELECT DISTINCT name FROM (SELECT 'lot', deleted_at FROM positions "
        "UNION ALL SELECT 'flow', deleted_at FROM equity_changes "
        "UNION ALL SELECT 'portfolio', deleted_at FROM portfolios) AS gone (name, deleted_at) "
        "WHERE deleted_at IS NOT NULL",
        {"lot", "flow", "portfolio"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_worlds_hold_every_case(filled: Filled, case: str) -> None:
    query, wanted = CASES[case]
    met: set[Any] = set()
    for database, _ in filled.values():
        with database.connection() as connection:
            met |= {value for (value,) in connection.execute(query)}
    assert met >= wanted


def test_a_world_is_decided_by_its_seed() -> None:
    world = WORLDS["young proxy"]
    assert make_table_world(11, portfolios=20, sessions=6, young_proxy=True) == world
    assert isinstance(world, TableWorld)
