"""Portfolios of a world and changed copies of them, computed side by side in the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import sql

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets_tests.builders import run_portfolios
from sigmasight_assets_tests.ledger_inputs import Portfolio, Position
from sigmasight_assets_tests.table_people import ONE_SIX
from sigmasight_assets_tests.table_proof import SESSION_TABLES, deviation, stored_rows
from sigmasight_assets_tests.table_worlds import TableWorld
from sigmasight_assets_tests.world_tables import key_of, put_portfolios

OWNED_TABLES = tuple(name for name in SESSION_TABLES if name != "stress_scenario_moves")

Place = tuple[date, str, tuple[str, ...]]
Told = dict[Place, dict[str, Any]]
"""What the tables say: (session, table, rest of the key in names of the world) -> row."""


@dataclass
class Stage:
    """A market with its symbol layer, on which portfolios come and go."""

    database: Database
    world: TableWorld
    entered: int = 0

    def told(self, *groups: Sequence[Portfolio]) -> list[Told]:
        """What the tables say of each group; groups may hold portfolios of the same name."""
        self.entered += 1
        named = [
            [_renamed(one, f"{self.entered}-{number}") for one in group]
            for number, group in enumerate(groups)
        ]
        people = [one for group in named for one in group]
        with self.database.connection() as connection:
            put_portfolios(connection, people)
        ids = [str(key_of(one.id)) for one in people]
        run_portfolios(self.database, self.world.window, f"run {self.entered}", ids)
        found = [self._read(group) for group in named]
        with self.database.connection() as connection:
            for table in ("portfolios", *OWNED_TABLES):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        return found

    def _read(self, group: Sequence[Portfolio]) -> Told:
        name_of = {str(key_of(name)): name.split("/")[0] for name in _names(group)}
        told = {}
        with self.database.connection() as connection:
            for session in self.world.window:
                for table in OWNED_TABLES:
                    for key, row in stored_rows(connection, table, session).items():
                        if key[0] in name_of:
                            row.pop("portfolio_id", None)
                            told[session, table, (name_of[key[0]], *key[1:])] = row
        return told


def _names(group: Sequence[Portfolio]) -> Iterator[str]:
    for one in group:
        yield one.id
        yield from (lot.id for lot in one.positions)


def _renamed(one: Portfolio, tag: str) -> Portfolio:
    lots = tuple(replace(lot, id=f"{lot.id}/{tag}") for lot in one.positions)
    return replace(one, id=f"{one.id}/{tag}", positions=lots)


def unlike(told: Told, other: Told, expected: Callable[[Place, str, Any], Any]) -> list[Any]:
    """(place, column, told, stored) wherever `other` is not what is expected from `told`."""
    assert set(told) == set(other)
    assert told
    return [
        (place, column, value, other[place][column])
        for place, row in told.items()
        for column, value in row.items()
        if max(deviation(other[place][column], expected(place, column, value)), default=0) > 1
    ]


def richer(group: Sequence[Portfolio], cash: Decimal) -> list[Portfolio]:
    """The same with so much more to start with."""
    return [replace(one, starting_equity=one.starting_equity + cash) for one in group]


def with_lots(
    group: Sequence[Portfolio], change: Callable[[Position], Sequence[Position]]
) -> list[Portfolio]:
    """The same with each lot replaced by those it is changed into."""
    return [
        replace(one, positions=tuple(new for lot in one.positions for new in change(lot)))
        for one in group
    ]


def opposite(lot: Position) -> list[Position]:
    """What is short where the lot is long."""
    values = tuple(replace(each, market_value=-each.market_value) for each in lot.valuations)
    return [replace(lot, quantity=-lot.quantity, valuations=values)]


def in_two(lot: Position, share: Decimal) -> list[Position]:
    """A share of the lot and the rest of it, valuations too; the rest is named so."""
    part = (lot.quantity * share).quantize(ONE_SIX)
    if part in (0, lot.quantity):
        return [lot]
    values = [(each.market_value * share).quantize(ONE_SIX) for each in lot.valuations]
    pairs = list(zip(lot.valuations, values, strict=True))
    first = tuple(replace(each, market_value=value) for each, value in pairs)
    rest = tuple(replace(each, market_value=each.market_value - value) for each, value in pairs)
    return [
        replace(lot, quantity=part, valuations=first),
        replace(lot, id=f"{lot.id}rest", quantity=lot.quantity - part, valuations=rest),
    ]


def joined(told: Told) -> Told:
    """With the weights of a lot and of its rest added up."""
    found: Told = {}
    for (session, table, key), row in told.items():
        place = (session, table, (key[0].removesuffix("rest"), *key[1:]))
        weight = {"weight": row["weight"] + found[place]["weight"]} if place in found else {}
        found[place] = row | weight
    return found
