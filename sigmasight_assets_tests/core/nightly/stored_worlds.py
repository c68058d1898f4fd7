"""Invented worlds put into a database as their owners and the sources state them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets_tests.ledger_inputs import Market, Portfolio
from sigmasight_assets_tests.world_tables import key_of, put, put_portfolios

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
    owners = {str(key_of(owner.id)): _rounded(owner) for owner in people}
    with database.connection() as connection:
        _store_market(connection, market)
        put_portfolios(connection, list(owners.values()))
        connection.execute(
            "INSERT INTO published_sessions (layer, session, epoch, data_version) "
            "SELECT 'symbols', day, 1, nextval('data_version') FROM unnest(%s::date[]) AS day",
            [list(window)],
        )
    return StoredWorld(window, market, owners)


def _store_market(connection: Connection, market: Market) -> None:
    known = {symbol: prices for symbol, prices in market.prices.items() if prices}
    put(
        connection,
        "symbol_universe",
        ("symbol", "investment_class", "status", "last_price_date"),
        [(symbol, _class(symbol), "active", max(prices)) for symbol, prices in known.items()],
    )
    put(
        connection,
        "market_data_cache",
        ("symbol", "date", "close", "adj_close", "data_source"),
        [
            (symbol, day, close, close, "a world")
            for symbol, prices in known.items()
            for day, close in prices.items()
        ],
    )
    splits = [(each.symbol, each.ex_date, "split", each.ratio) for each in market.splits]
    paid = [(each.symbol, each.ex_date, "dividend", each.amount) for each in market.dividends]
    put(
        connection,
        "corporate_actions",
        ("symbol", "action_date", "action_type", "value", "data_source"),
        [(*action, "a world") for action in (*splits, *paid)],
    )


def _class(symbol: str) -> str:
    return "OPTIONS" if any(map(str.isdigit, symbol)) else "PUBLIC"


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
