"""Accounts with their positions enter the database whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.symbols import OptionContract


@dataclass(frozen=True)
class Position:
    """One lot as its owner states it. market_value: a private lot's value on entry, USD."""

    position_id: UUID
    symbol: str
    investment_class: str
    investment_subtype: str | None
    position_type: str
    quantity: Decimal
    entry_price: Decimal
    entry_date: date
    contract: OptionContract | None
    market_value: Decimal | None


@dataclass(frozen=True)
class Account:
    """A portfolio with its owner and its lots."""

    portfolio_id: UUID
    user_id: UUID
    email: str
    full_name: str
    account_name: str
    starting_equity: Decimal
    inception_date: date
    positions: tuple[Position, ...]


USER: Final = """
    INSERT INTO users (id, email, full_name) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""

PORTFOLIO: Final = """
    INSERT INTO portfolios (id, user_id, account_name, starting_equity, inception_date)
    VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""

POSITION: Final = """
    INSERT INTO positions
        (id, portfolio_id, symbol, investment_class, investment_subtype, position_type, quantity,
         entry_price, entry_date, recorded_on, underlying_symbol, strike_price, expiration_date,
         option_type)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

VALUATION: Final = """
    INSERT INTO position_valuations (position_id, valuation_date, market_value, entered_by)
    VALUES (%s, %s, %s, %s)
"""


def add_accounts(database: Database, accounts: Iterable[Account]) -> int:
    """Add the accounts that are not there yet, each whole; returns how many were added."""

    def work(connection: Connection) -> int:
        return sum(_add(connection, account) for account in accounts)

    return database.transaction(work)


def _add(connection: Connection, account: Account) -> bool:
    connection.execute(USER, (account.user_id, account.email, account.full_name))
    inserted = connection.execute(
        PORTFOLIO,
        (
            account.portfolio_id,
            account.user_id,
            account.account_name,
            account.starting_equity,
            account.inception_date,
        ),
    )
    if not inserted.rowcount:
        return False
    with connection.cursor() as cursor:
        cursor.executemany(POSITION, [_row(account, position) for position in account.positions])
        cursor.executemany(
            VALUATION,
            [
                (each.position_id, each.entry_date, each.market_value, account.email)
                for each in account.positions
                if each.market_value is not None
            ],
        )
    return True


def _row(account: Account, position: Position) -> tuple[object, ...]:
    contract = position.contract
    return (
        position.position_id,
        account.portfolio_id,
        position.symbol,
        position.investment_class,
        position.investment_subtype,
        position.position_type,
        position.quantity,
        position.entry_price,
        position.entry_date,
        position.entry_date,
        *(
            (
                contract.root,
                Decimal(repr(contract.strike)),
                contract.expiration,
                "CALL" if contract.is_call else "PUT",
            )
            if contract
            else (None, None, None, None)
        ),
    )
