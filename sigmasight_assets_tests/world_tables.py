"""Puts a world into the database, row by row as owners and sources would have left it.

Ids are made from the names of a world, so that what is read back can be matched with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets_tests.ledger_inputs import Flow, Portfolio, Position
from sigmasight_assets_tests.table_worlds import SINGLE_SERIES, TableWorld

Row = tuple[Any, ...]

POSITION_COLUMNS = (
    "id", "portfolio_id", "symbol", "investment_class", "position_type", "quantity",
    "entry_price", "entry_date", "exit_price", "exit_date", "recorded_on", "exit_recorded_on",
    "underlying_symbol", "strike_price", "expiration_date", "option_type", "split_from",
)  # fmt: skip


def key_of(name: str) -> UUID:
    """The id in the tables of what a world calls by this name."""
    return uuid5(NAMESPACE_URL, f"world {name}")


def put_world(database: Database, world: TableWorld) -> None:
    """Everything that was entered, and the market; nothing computed, nothing deleted yet."""
    with database.connection() as connection:
        put_market(connection, world)
        put_portfolios(connection, world.entered)


def put_market(connection: Connection, world: TableWorld) -> None:
    """Prices, corporate actions, the universe and companies."""
    put(connection, "symbol_universe", _UNIVERSE, _universe(world))
    put(connection, "market_data_cache", _PRICE, _prices(world))
    put(connection, "corporate_actions", _ACTION, _actions(world))
    companies = [(each.symbol, each.sector, each.quote_type, each.beta) for each in world.companies]
    put(connection, "company_profiles", ("symbol", "sector", "quote_type", "beta"), companies)
    put(connection, "stress_test_scenarios", _SCENARIO, _OWN_SCENARIOS)


def put_portfolios(connection: Connection, portfolios: Sequence[Portfolio]) -> None:
    """Portfolios of three owners with their lots, valuations and flows, in the order given."""
    owners = [(key_of(f"owner {k}"), f"owner{k}@example.com") for k in range(3)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO users (id, email) VALUES (%s, %s) ON CONFLICT DO NOTHING", owners
        )
    put(connection, "portfolios", _PORTFOLIO, [_portfolio(one) for one in portfolios])
    put(connection, "positions", POSITION_COLUMNS, _positions(portfolios))
    put(connection, "position_valuations", _VALUATION, _valuations(portfolios))
    flows = [_flow(one, flow) for one in portfolios for flow in one.flows]
    put(connection, "equity_changes", _FLOW, flows)


def delete_what_is_gone(database: Database, world: TableWorld) -> None:
    """Soft deletion of every portfolio, lot and flow that was entered and is no longer there."""
    there = {one.id: one for one in world.portfolios}
    gone: dict[str, list[UUID]] = {"portfolios": [], "positions": [], "equity_changes": []}
    for entered in world.entered:
        left = there.get(entered.id)
        if left is None:
            gone["portfolios"].append(key_of(entered.id))
            continue
        lots, flows = set(left.positions), set(left.flows)
        gone["positions"] += [key_of(lot.id) for lot in entered.positions if lot not in lots]
        gone["equity_changes"] += [
            _flow_key(entered, flow) for flow in entered.flows if flow not in flows
        ]
    with database.connection() as connection:
        for table, ids in gone.items():
            delete = sql.SQL("UPDATE {} SET deleted_at = now() WHERE id = ANY(%s)")
            connection.execute(delete.format(sql.Identifier(table)), (ids,))


def put(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """COPY rows into a table."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


# The market

_UNIVERSE = (
    "symbol", "investment_class", "status", "price_source", "single_series", "last_price_date",
)  # fmt: skip
_PRICE = ("symbol", "date", "close", "adj_close", "data_source")
_ACTION = ("symbol", "action_date", "action_type", "value", "data_source")
_SCENARIO = (
    "scenario_id", "name", "description", "category", "severity", "shocks", "style_shocks",
    "is_active", "display_order",
)  # fmt: skip
_OWN_SCENARIOS: list[Row] = [
    (f"custom_{name}", name, name, "market", "extreme", Jsonb(shocks), styles, active, 100)
    for name, shocks, styles, active in (
        ("floored", {"Market": -0.9, "Size": -0.9, "Interest_Rate": 0.03}, "excess", True),
        ("absolute", {"Market": -0.45, "Growth": -0.6, "Value": 0.2}, "absolute", True),
        ("inactive", {"Market": -0.01}, "excess", False),
    )
]
_STATUS = {"DELISTED": "delisted", "EMPTY": "error", "YOUNG": "pending"}


def _universe(world: TableWorld) -> list[Row]:
    lots = [lot for one in world.entered for lot in one.positions]
    options = {lot.symbol for lot in lots if lot.investment_class == "OPTIONS"}
    return [
        (
            symbol,
            "OPTIONS" if symbol in options else "PUBLIC",
            _STATUS.get(symbol, "active"),
            "world" if prices else None,
            symbol == SINGLE_SERIES,
            max(prices, default=None),
        )
        for symbol, prices in world.market.prices.items()
    ]


def _prices(world: TableWorld) -> list[Row]:
    return [
        (symbol, day, float(close), world.adj_close[symbol].get(day), "world")
        for symbol, closes in world.market.prices.items()
        for day, close in closes.items()
    ]


def _actions(world: TableWorld) -> list[Row]:
    splits = [(s.symbol, s.ex_date, "split", s.ratio, "world") for s in world.market.splits]
    paid = [(d.symbol, d.ex_date, "dividend", d.amount, "world") for d in world.dividends]
    return splits + paid


# The people

_PORTFOLIO = ("id", "user_id", "account_name", "starting_equity", "inception_date")
_VALUATION = ("position_id", "valuation_date", "market_value", "entered_by")
_FLOW = ("id", "portfolio_id", "change_type", "amount", "change_date")


def _portfolio(one: Portfolio) -> Row:
    owner = key_of(f"owner {key_of(one.id).int % 3}")
    return (key_of(one.id), owner, one.id, one.starting_equity, one.inception)


def _positions(portfolios: Sequence[Portfolio]) -> list[Row]:
    """A later part of what was one lot names the first; every second PUBLIC class is NULL."""
    rows = []
    for one in portfolios:
        first: dict[Row, UUID] = {}
        for lot in one.positions:
            key = key_of(lot.id)
            alike = (lot.symbol, lot.entry_date, lot.entry_price, lot.quantity > 0)
            origin = first.setdefault(alike, key)
            rows.append(_position(one, lot, None if origin == key else origin))
    return rows


def _position(one: Portfolio, lot: Position, split_from: UUID | None) -> Row:
    is_option = lot.investment_class == "OPTIONS"
    side = "L" if lot.quantity > 0 else "S"
    kind = {"L": "LONG", "S": "SHORT"}[side]
    unstated = lot.investment_class == "PUBLIC" and key_of(lot.id).int % 2
    contract: Row = (None, None, None, None)
    if is_option:
        kind = side + ("C" if lot.is_call else "P")
        named = "CALL" if lot.is_call else "PUT"
        contract = (lot.underlying, lot.strike, lot.expiration, named)
    return (
        key_of(lot.id),
        key_of(one.id),
        lot.symbol,
        None if unstated else lot.investment_class,
        kind,
        lot.quantity,
        lot.entry_price,
        lot.entry_date,
        lot.exit_price,
        lot.exit_date,
        lot.recorded_on,
        lot.exit_recorded_on,
        *contract,
        split_from,
    )


def _valuations(portfolios: Sequence[Portfolio]) -> list[Row]:
    return [
        (key_of(lot.id), value.date, value.market_value, "owner")
        for one in portfolios
        for lot in one.positions
        for value in lot.valuations
    ]


def _flow(one: Portfolio, flow: Flow) -> Row:
    kind = "CONTRIBUTION" if flow.amount > 0 else "WITHDRAWAL"
    return (_flow_key(one, flow), key_of(one.id), kind, abs(flow.amount), flow.date)


def _flow_key(one: Portfolio, flow: Flow) -> UUID:
    return key_of(f"{one.id} flow {flow.date} {flow.amount}")
