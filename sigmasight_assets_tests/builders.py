"""Small builders that put prices and accounts into a test's database, and run its nights.

Ids come from names, so that two databases built alike are alike to the last byte.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Claim, Layer, claim_sessions
from sigmasight_assets.core.db.write.accounts import Account, Position, add_accounts
from sigmasight_assets.core.db.write.asked_symbols import Asking
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.market.bars import join, make_bars
from sigmasight_assets.core.market.chains import ATTEMPTS, PriceSources
from sigmasight_assets.core.market.screening import outcomes, screen
from sigmasight_assets.core.market.source import Outcome, PriceAnswer, PriceSource
from sigmasight_assets.core.nightly.portfolio_sessions import (
    ASSET_TABLES,
    PortfolioSession,
    Rules,
    SkippedSession,
)
from sigmasight_assets.core.nightly.portfolios import refresh_portfolios
from sigmasight_assets.core.nightly.prices import PriceReport, refresh_prices
from sigmasight_assets.core.nightly.symbols import SymbolSession, refresh_symbols
from sigmasight_assets.core.risk.stress_scenario_moves import DEFAULT_RATES
from sigmasight_assets.core.symbols import classify, option_contract

RULES = Rules(DEFAULT_RATES, matrix_sessions=3)
"""How the tests' nights are run: matrices of the newest three sessions are kept."""


def day(text: str) -> date:
    """A day from its ISO form."""
    return date.fromisoformat(text)


def days(first: str, last: str) -> list[date]:
    """The sessions from first to last, both included."""
    return sessions.as_dates(sessions.between(day(first), day(last)))


def lot(
    symbol: str,
    quantity: str,
    price: str,
    entered: str,
    *,
    name: str = "",
    value: str | None = None,
) -> Position:
    """A lot whose class and side follow from its symbol and the sign of its quantity.

    value: the stated market value on entry of a private lot.
    """
    contract = option_contract(symbol)
    side = "S" if Decimal(quantity) < 0 else "L"
    kind = "SHORT" if side == "S" else "LONG"
    return Position(
        position_id=uuid5(NAMESPACE_URL, f"lot {symbol} {entered} {name}"),
        symbol=symbol,
        investment_class=str(classify(symbol)),
        investment_subtype=None,
        position_type=f"{side}{'C' if contract.is_call else 'P'}" if contract else kind,
        quantity=Decimal(quantity),
        entry_price=Decimal(price),
        entry_date=day(entered),
        contract=contract,
        market_value=Decimal(value) if value else None,
    )


def add_portfolio(
    database: Database,
    *lots: Position,
    inception: str,
    equity: str = "100000",
    name: str = "Book",
) -> str:
    """Add a portfolio of one owner with its lots; returns its id as text."""
    portfolio_id = uuid5(NAMESPACE_URL, f"portfolio {name}")
    owner = uuid5(NAMESPACE_URL, "owner")
    account = Account(
        portfolio_id,
        owner,
        "owner@example.com",
        "Owner",
        name,
        Decimal(equity),
        day(inception),
        lots,
    )
    add_accounts(database, [account])
    return str(portfolio_id)


def add_flow(database: Database, portfolio_id: str, on: str, amount: str) -> UUID:
    """A contribution, or a withdrawal when the amount is negative; returns its id."""
    flow_id = uuid5(NAMESPACE_URL, f"flow {portfolio_id} {on} {amount}")
    kind = "WITHDRAWAL" if Decimal(amount) < 0 else "CONTRIBUTION"
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO equity_changes (id, portfolio_id, change_type, amount, change_date) "
            "VALUES (%s, %s, %s, %s, %s)",
            (flow_id, portfolio_id, kind, abs(Decimal(amount)), on),
        )
    return flow_id


def add_valuation(database: Database, position_id: UUID, on: str, value: str) -> None:
    """A dated value that the owner states for a private lot."""
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO position_valuations (position_id, valuation_date, market_value, "
            "entered_by) VALUES (%s, %s, %s, 'owner')",
            (position_id, on, value),
        )


@dataclass(frozen=True)
class StatedPrices:
    """A price source that says what a test states, and remembers what it was asked.

    closes: symbol -> ISO date -> close, which is the adjusted close too. limited: symbols it is
    too busy to answer.
    """

    closes: Mapping[str, Mapping[str, float]]
    name: str = "stated"
    limited: Collection[str] = ()
    metered: bool = False
    symbols_per_fetch: int = 2_000
    asked: list[tuple[tuple[str, ...], date, date]] = field(default_factory=list)

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        self.asked.append((tuple(symbols), first, last))
        parts = {}
        for symbol in (each for each in symbols if each not in self.limited):
            stated = sorted(self.closes.get(symbol, {}).items())
            wanted = [(on, close) for on, close in stated if first <= day(on) <= last]
            close = np.array([close for _, close in wanted], dtype=float)
            dates = np.array([on for on, _ in wanted], dtype="datetime64[D]")
            parts[symbol] = {"date": dates, "close": close, "adj_close": close}
        bars, rejected = screen(join(parts) if parts else make_bars((), NO_ROWS, NO_DAYS))
        found = outcomes(symbols, bars, rejected)
        busy = dict.fromkeys(set(symbols) & set(self.limited), Outcome.RATE_LIMITED)
        return PriceAnswer(self.name, bars, {**found, **busy}, rejected)

    def listed_symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.closes))


NO_ROWS = np.empty(0, dtype=np.int32)
NO_DAYS = np.empty(0, dtype="datetime64[D]")


def claim(database: Database, layer: Layer, on: Sequence[date], run_id: str) -> Claim:
    """Claim sessions for a run, in a transaction of its own."""
    return database.transaction(lambda connection: claim_sessions(connection, layer, on, run_id))


def asking_for(database: Database, held: Claim, alive_from: date) -> Asking:
    """A refresh of prices in the name of a claim, from the one source that a test states."""
    now = sessions.completes_at(max(held.epochs))
    query = (
        "SELECT symbol, CASE WHEN last_price_date IS NOT NULL THEN price_source END, "
        "CASE WHEN last_price_date IS NOT NULL THEN asked_from END FROM symbol_universe"
    )
    rows = database.transaction(lambda connection: connection.execute(query).fetchall())
    windows = {symbol: (source, asked_from) for symbol, source, asked_from in rows}
    return Asking(held, now, windows, ("stated",), alive_from, ATTEMPTS)


def add_prices(
    database: Database,
    source: PriceSource,
    first: str,
    last: str,
    symbols: Sequence[str] = (),
    run_id: str = "prices",
) -> PriceReport:
    """Bring symbols, besides those the night needs anyway, and their prices in."""
    add_symbols(database, symbols, day(first), "a test")
    gather_universe(database, day(first), day(last))
    held = claim(database, Layer.SYMBOLS, days(first, last), run_id)
    now = sessions.completes_at(day(last))
    return refresh_prices(database, alone(source), held, day(first), day(last), now)


def alone(source: PriceSource) -> PriceSources:
    """A source that prices every class."""
    return PriceSources(public=(source,), options=(source,))


def run_symbols(
    database: Database, on: Sequence[date], run_id: str = "symbols"
) -> list[SymbolSession]:
    """Compute the symbol layer of the sessions, none of which is the latest completed one."""
    held = claim(database, Layer.SYMBOLS, on, run_id)
    computed = refresh_symbols(database, held, on, sessions.offset(on[-1], 1))
    return [done for done in computed if isinstance(done, SymbolSession)]


def run_portfolios(
    database: Database,
    on: Sequence[date],
    run_id: str = "portfolios",
    portfolio_ids: Sequence[str] | None = None,
    assets: Collection[str] = tuple(ASSET_TABLES),
) -> list[PortfolioSession | SkippedSession]:
    """Refresh the portfolio layer of the sessions."""
    return list(refresh_portfolios(database, run_id, on, RULES, assets, portfolio_ids))


def run_night(
    database: Database, source: PriceSource, on: Sequence[date], run_id: str = "night"
) -> None:
    """Everything a night does for the sessions: universe, prices, symbols, portfolios."""
    add_prices(database, source, on[0].isoformat(), on[-1].isoformat(), run_id=run_id)
    run_symbols(database, on, run_id)
    run_portfolios(database, on, run_id)
