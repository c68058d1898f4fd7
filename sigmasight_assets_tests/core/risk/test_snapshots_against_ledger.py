"""Portfolio snapshots against the books kept by hand, column by column, session by session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from sigmasight_assets.core.factors import BETA_COLUMNS, JOINT_COLUMNS
from sigmasight_assets.core.risk.portfolio_snapshots import portfolio_snapshots
from sigmasight_assets.core.shapes.factors import Profiles, SymbolFactors
from sigmasight_assets_tests.ledger import LedgerRow, ledger
from sigmasight_assets_tests.worlds import World, make_world

USD = (Decimal("1e-6"), Decimal("1e-12"))
RATIO = (Decimal("1e-10"), Decimal("1e-10"))
"""Absolute and relative: a ratio to a NAV near nothing magnifies the rounding of its parts."""

RATIOS = {
    "pnl_percent",
    "daily_return",
    "hhi",
    "effective_num_positions",
    "top_3_concentration",
    "top_10_concentration",
    "private_allocation_pct",
}
NO_FACTORS = SymbolFactors(
    (), np.empty((0, len(BETA_COLUMNS))), np.empty((0, len(JOINT_COLUMNS))), np.empty(0)
)
NO_PROFILES = Profiles((), np.array([], dtype=str), np.array([], dtype=str))


@pytest.fixture(scope="module", params=[(101, 60), (202, 21), (303, 40)])
def world(request) -> World:
    seed, sessions = request.param
    return make_world(seed, portfolios=30, sessions=sessions)


def test_every_column_equals_the_ledger_on_every_session(world):
    wrong = []
    for session in world.window:
        owners = [one for one in world.portfolios if one.inception <= session]
        columns = portfolio_snapshots(world.book, world.panel, session, NO_FACTORS, NO_PROFILES)
        assert list(columns["portfolio_id"]) == [one.id for one in owners]
        for row, owner in enumerate(owners):
            expected = ledger(owner, world.market, session)
            wrong += [
                (owner.id, session.isoformat(), *difference)
                for difference in _differences(columns, row, expected)
            ]
    assert wrong == []


def _differences(
    columns: Mapping[str, Any], row: int, expected: LedgerRow
) -> list[tuple[str, Any, Any]]:
    """(column, computed, expected) wherever the two disagree."""
    found = []
    for name in (field.name for field in fields(expected)):
        computed, right = _plain(columns[name][row]), getattr(expected, name)
        if not _agree(name, computed, right):
            found.append((name, computed, float(right) if isinstance(right, Decimal) else right))
    return found


def _agree(name: str, computed: Any, right: Any) -> bool:
    if not isinstance(right, Decimal) or computed is None:
        return type(computed) is type(right) and computed == right
    absolute, relative = RATIO if name in RATIOS else USD
    return abs(Decimal(computed) - right) <= max(absolute, relative * abs(right))


def _plain(value: Any) -> Any:
    """An entry of a result column as a ledger would write it; NaN and NaT as None."""
    if isinstance(value, list):
        return tuple((entry["symbol"], entry["reason"]) for entry in value)
    if isinstance(value, np.datetime64):
        day: date | None = value.astype("datetime64[D]").item()
        return day
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
