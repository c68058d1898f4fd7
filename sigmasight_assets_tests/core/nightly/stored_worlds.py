"""Invented worlds put into a database as their owners and the sources state them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets_tests.ledger_inputs import Market, Portfolio, Position

OWNER = uuid5(NAMESPACE_URL, "owner of a world")
STORED = Decimal("0.000001")


@dataclass(frozen=True)
class StoredWorld:
    """Market and people as the database holds them: figures rounded to six decimals.

    portfolios: by the text of their id in the database.
    """

    window: Sequence[date]
    market: Market
    portfolios: Mapping[str, Portfolio]


def store_world(
    database: Database, window: Sequence[date], market: Market, people: Iterable[Portfolio]
) -> StoredWorld:
    """Put people and prices into the database; the symbols of the window count as computed."""
    owners = {str(_id(owner.id)): _rounded(owner) for owner in people}
    with database.connection() as connection:
        _store_market(connection, market)
        connection.execute(
            "INSERT INTO users (id, email) VALUES (%s, 'world@example.test')", [OWNER]
        )
        for portfolio_id, owner in owners.items():
            _store_portfolio(connection, portfolio_id, owner)
        connection.execute(
            "INSERT INTO published_sessions (layer, session, epoch, data_version) "
            "SELECT 'symbols', day, 1, nextval('data_version') FROM unnest(%s::date[]) AS day",
            [list(window)],
        )
    return StoredWorld(window, market, owners)


def _store_market(connection: Connection, market: Market) -> None:
    known = {symbol: prices for symbol, prices in market.prices.items() if prices}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO symbol_universe (symbol, investment_class, status, last_price_date) "
            "VALUES (%s, %s, 'active', %s)",
            [
                (symbol, "OPTIONS" if any(map(str.isdigit, symbol)) else "PUBLIC", max(prices))
                for symbol, prices in known.items()
            ],
        )
        with cursor.copy(
            "COPY market_data_cache (symbol, date, close, adj_close, data_source) FROM STDIN"
        ) as rows:
            for symbol, prices in known.items():
                for day, close in prices.items():
                    rows.write_row((symbol, day, close, close, "a world"))
        cursor.executemany(
            "INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source) "
            "VALUES (%s, %s, %s, %s, 'a world')",
            [
                *((each.symbol, each.ex_date, "split", each.ratio) for each in market.splits),
                *(
                    (each.symbol, each.ex_date, "dividend", each.amount)
                    for each in market.dividends
                ),
            ],
        )


def _store_portfolio(connection: Connection, portfolio_id: str, owner: Portfolio) -> None:
    connection.execute(
        "INSERT INTO portfolios (id, user_id, account_name, starting_equity, inception_date) "
        "VALUES (%s, %s, %s, %s, %s)",
        (portfolio_id, OWNER, owner.id, owner.starting_equity, owner.inception),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO positions (id, portfolio_id, symbol, investment_class, position_type, "
            "quantity, entry_price, entry_date, exit_price, exit_date, recorded_on, "
            "exit_recorded_on, underlying_symbol, strike_price, expiration_date, option_type) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [_position_row(portfolio_id, position) for position in owner.positions],
        )
        cursor.executemany(
            "INSERT INTO position_valuations (position_id, valuation_date, market_value, "
            "entered_by) VALUES (%s, %s, %s, 'owner')",
            [
                (_id(position.id), value.date, value.market_value)
                for position in owner.positions
                for value in position.valuations
            ],
        )
        cursor.executemany(
            "INSERT INTO equity_changes (portfolio_id, change_type, amount, change_date) "
            "VALUES (%s, %s, %s, %s)",
            [
                (
                    portfolio_id,
                    "CONTRIBUTION" if flow.amount > 0 else "WITHDRAWAL",
                    abs(flow.amount),
                    flow.date,
                )
                for flow in owner.flows
            ],
        )


def _position_row(portfolio_id: str, position: Position) -> tuple[object, ...]:
    side = "L" if position.quantity > 0 else "S"
    is_option = position.investment_class == "OPTIONS"
    right = ("CALL" if position.is_call else "PUT") if is_option else None
    kind = f"{side}{right[0]}" if right else {"L": "LONG", "S": "SHORT"}[side]
    return (
        _id(position.id),
        portfolio_id,
        position.symbol,
        position.investment_class,
        kind,
        position.quantity,
        position.entry_price,
        position.entry_date,
        position.exit_price,
        position.exit_date,
        position.recorded_on,
        position.exit_recorded_on,
        *((position.underlying, position.strike, position.expiration) if is_option else [None] * 3),
        right,
    )


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"of a world {name}")


def _rounded(owner: Portfolio) -> Portfolio:
    """With every figure as a money column keeps it."""
    return replace(
        owner,
        positions=tuple(
            replace(
                position,
                quantity=position.quantity.quantize(STORED),
                valuations=tuple(
                    replace(value, market_value=value.market_value.quantize(STORED))
                    for value in position.valuations
                ),
            )
            for position in owner.positions
        ),
    )
