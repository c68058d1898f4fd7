"""One portfolio's books kept by hand: the oracle of the accounting (methodology, section 4).

Decimal arithmetic, one trade at a time, every figure worked out afresh for the session asked
about. It imports nothing that it is meant to check. NAV comes from the cash book, daily P&L from
the price changes of each trade, so that the identity between the two is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from sigmasight_assets_tests.ledger_inputs import Market, Portfolio, Position

LOOK_BACK = 280
STALE_AFTER = 5
ZERO = Decimal(0)


@dataclass(frozen=True)
class Quote:
    """A price used for a trade, the session of the close it is, and what is wrong with it."""

    price: Decimal
    close_session: date | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Trade:
    """A position in today's shares, with its exit whoever made it: owner or expiration."""

    position: Position
    quantity: Decimal
    entry_price: Decimal
    exit_date: date | None
    exit_price: Decimal
    exit_problem: str | None = None

    @property
    def units(self) -> Decimal:
        return self.quantity * (100 if self.position.investment_class == "OPTIONS" else 1)

    def entered_in(self, after: date, until: date) -> bool:
        return after < self.position.entry_date <= until

    def exited_in(self, after: date, until: date) -> bool:
        return self.exit_date is not None and after < self.exit_date <= until

    def is_open(self, session: date) -> bool:
        gone = self.exit_date is not None and self.exit_date <= session
        return self.position.entry_date <= session and not gone


@dataclass(frozen=True)
class LedgerRow:
    """One portfolio on one session; the names are the columns of portfolio_snapshots."""

    net_asset_value: Decimal
    cash_value: Decimal
    long_value: Decimal
    short_value: Decimal
    gross_exposure: Decimal
    net_exposure: Decimal
    total_cost: Decimal
    total_pnl: Decimal
    pnl_percent: Decimal | None
    daily_pnl: Decimal
    daily_return: Decimal | None
    realized_pnl: Decimal
    cumulative_realized_pnl: Decimal
    unrealized_pnl: Decimal
    dividends: Decimal
    cumulative_dividends: Decimal
    capital_flow: Decimal
    cumulative_capital_flow: Decimal
    num_positions: int
    num_long_positions: int
    num_short_positions: int
    num_option_positions: int
    num_private_positions: int
    hhi: Decimal | None
    effective_num_positions: Decimal | None
    top_3_concentration: Decimal | None
    top_10_concentration: Decimal | None
    private_allocation_pct: Decimal | None
    is_partial: bool
    missing_symbols: tuple[tuple[str, str], ...]
    price_date: date | None


def ledger(portfolio: Portfolio, market: Market, session: date) -> LedgerRow:
    """The books of one portfolio on one session, its inception or a later one."""
    if session < portfolio.inception:
        raise ValueError(f"{portfolio.id} begins on {portfolio.inception}, after {session}")
    with localcontext(prec=60):
        return _Books(portfolio, market).row(session)


class _Books:
    def __init__(self, portfolio: Portfolio, market: Market) -> None:
        self.portfolio = portfolio
        self.market = market
        self.start = portfolio.inception
        self.trades = [self.trade(position) for position in portfolio.positions]

    # Prices

    def split_factor(self, symbol: str, after: date) -> Decimal:
        factor = Decimal(1)
        for split in self.market.splits:
            if split.symbol == symbol and split.ex_date > after:
                factor *= split.ratio
        return factor

    def last_close(self, symbol: str, session: date) -> Quote | None:
        closes = self.market.prices.get(symbol, {})
        here = self.market.sessions.index(session)
        for age in range(min(LOOK_BACK, here + 1)):
            day = self.market.sessions[here - age]
            if day in closes:
                return Quote(closes[day], day, "stale" if age > STALE_AFTER else None)
        return None

    def market_quote(self, position: Position, entry_price: Decimal, session: date) -> Quote:
        return self.last_close(position.symbol, session) or Quote(entry_price, None, "at_cost")

    def quote(self, trade: Trade, session: date) -> Quote:
        if trade.position.investment_class != "PRIVATE":
            return self.market_quote(trade.position, trade.entry_price, session)
        stated = trade.position.stated_value(session)
        if stated is None:
            return Quote(trade.entry_price, None, "at_cost")
        return Quote(stated / trade.units)

    # Trades

    def trade(self, position: Position) -> Trade:
        if position.investment_class == "OPTIONS" and position.exit_date is None:
            return self.expiring(position)
        entry_factor = exit_factor = Decimal(1)
        if position.investment_class == "PUBLIC":
            exit_recorded = position.exit_recorded_on or position.recorded_on
            entry_factor = self.split_factor(position.symbol, position.recorded_on)
            exit_factor = self.split_factor(position.symbol, exit_recorded)
        return Trade(
            position,
            position.quantity * entry_factor,
            position.entry_price / entry_factor,
            position.exit_date,
            (position.exit_price or ZERO) / exit_factor,
        )

    def expiring(self, position: Position) -> Trade:
        sessions = self.market.sessions
        held = Trade(position, position.quantity, position.entry_price, None, ZERO)
        if position.expiration > sessions[-1] or position.entry_date > sessions[-1]:
            return held
        entered = min(day for day in sessions if day >= position.entry_date)
        session = max([day for day in sessions if day <= position.expiration], default=entered)
        session = max(session, entered)
        closing = self.settlement(position, session)
        return replace(
            held, exit_date=session, exit_price=closing.price, exit_problem=closing.problem
        )

    def settlement(self, position: Position, session: date) -> Quote:
        """Intrinsic value; the option's own price, never as good as a fresh one, without it."""
        under = self.last_close(position.underlying, session)
        if under is None:
            own = self.market_quote(position, position.entry_price, session)
            return replace(own, problem=own.problem or "stale")
        as_traded = under.price * self.split_factor(position.underlying, session)
        gain = as_traded - position.strike if position.is_call else position.strike - as_traded
        return Quote(max(gain, ZERO), under.close_session, under.problem)

    # Books

    def before(self, session: date) -> date:
        return self.market.sessions[self.market.sessions.index(session) - 1]

    def value(self, trade: Trade, session: date) -> Decimal:
        stated = trade.position.stated_value(session)
        return self.quote(trade, session).price * trade.units if stated is None else stated

    def realized(self, after: date, until: date) -> Decimal:
        total = ZERO
        for trade in self.trades:
            if trade.exited_in(after, until):
                total += (trade.exit_price - trade.entry_price) * trade.units
        return total

    def received(self, after: date, until: date) -> Decimal:
        """Dividends to the trades that were open at the close before each ex-date."""
        total = ZERO
        for dividend in self.market.dividends:
            if after < dividend.ex_date <= until:
                eve = max(day for day in self.market.sessions if day < dividend.ex_date)
                for trade in self.trades:
                    held = trade.position.symbol == dividend.symbol and trade.is_open(eve)
                    total += dividend.amount * trade.quantity if held else ZERO
        return total

    def contributed(self, after: date, until: date) -> Decimal:
        amounts = [flow.amount for flow in self.portfolio.flows if after < flow.date <= until]
        return sum(amounts, ZERO)

    def cash(self, session: date) -> Decimal:
        balance = self.portfolio.starting_equity
        for trade in self.trades:
            if trade.is_open(self.start):
                balance -= self.value(trade, self.start)
            if trade.entered_in(self.start, session):
                balance -= trade.entry_price * trade.units
            if trade.exited_in(self.start, session):
                balance += trade.exit_price * trade.units
        balance += self.contributed(self.start, session)
        return balance + self.received(self.start, session)

    def net_asset_value(self, session: date) -> Decimal:
        held = [self.value(trade, session) for trade in self.trades if trade.is_open(session)]
        return self.cash(session) + sum(held, ZERO)

    def daily_pnl(self, eve: date, session: date) -> Decimal:
        total = self.received(eve, session)
        for trade in self.trades:
            was_open, is_open = trade.is_open(eve), trade.is_open(session)
            if was_open or trade.entered_in(eve, session):
                first = self.quote(trade, eve).price if was_open else trade.entry_price
                last = self.quote(trade, session).price if is_open else trade.exit_price
                total += (last - first) * trade.units
        return total

    def row(self, session: date) -> LedgerRow:
        opened = [trade for trade in self.trades if trade.is_open(session)]
        quotes = [self.quote(trade, session) for trade in opened]
        values = [self.value(trade, session) for trade in opened]
        return LedgerRow(
            **self.balance(opened, values, session),
            **self.performance(session),
            **_counts(opened),
            **_concentration(opened, values),
            **self.gaps(opened, quotes, session),
        )

    def balance(self, opened: list[Trade], values: list[Decimal], session: date) -> dict[str, Any]:
        nav = self.net_asset_value(session)
        long_value = sum([value for value in values if value > 0], ZERO)
        short_value = sum([value for value in values if value < 0], ZERO)
        costs = [trade.entry_price * trade.units for trade in opened]
        private = ZERO
        for trade, value in zip(opened, values, strict=True):
            private += value if trade.position.investment_class == "PRIVATE" else ZERO
        return {
            "net_asset_value": nav,
            "cash_value": self.cash(session),
            "long_value": long_value,
            "short_value": short_value,
            "gross_exposure": long_value - short_value,
            "net_exposure": long_value + short_value,
            "total_cost": sum([abs(cost) for cost in costs], ZERO),
            "unrealized_pnl": sum(values, ZERO) - sum(costs, ZERO),
            "private_allocation_pct": 100 * private / nav if nav > 0 else None,
        }

    def performance(self, session: date) -> dict[str, Any]:
        first, at_start = self.start, session == self.start
        eve = session if at_start else self.before(session)
        flows = self.contributed(first, session)
        invested = self.portfolio.starting_equity + flows
        total_pnl = self.net_asset_value(session) - invested
        daily_pnl, nav_before = self.daily_pnl(eve, session), self.net_asset_value(eve)
        daily_return = daily_pnl / nav_before if nav_before > 0 else None
        return {
            "total_pnl": total_pnl,
            "pnl_percent": 100 * total_pnl / invested if invested > 0 else None,
            "daily_pnl": daily_pnl,
            "daily_return": ZERO if at_start else daily_return,
            "realized_pnl": self.realized(eve, session),
            "cumulative_realized_pnl": self.realized(first, session),
            "dividends": self.received(eve, session),
            "cumulative_dividends": self.received(first, session),
            "capital_flow": self.contributed(eve, session),
            "cumulative_capital_flow": flows,
        }

    def gaps(self, opened: list[Trade], quotes: list[Quote], session: date) -> dict[str, Any]:
        """What is wrong with the prices of open trades and of the expirations of the session."""
        eve = session if session == self.start else self.before(session)
        expired = [trade for trade in self.trades if trade.exited_in(eve, session)]
        found = {
            *((trade.position.symbol, q.problem) for trade, q in zip(opened, quotes, strict=True)),
            *((trade.position.symbol, trade.exit_problem) for trade in expired),
        }
        problems = sorted((symbol, problem) for symbol, problem in found if problem)
        closes = [quote.close_session for quote in quotes if quote.close_session]
        return {
            "is_partial": bool(problems),
            "missing_symbols": tuple(problems),
            "price_date": max(closes, default=None),
        }


def _counts(opened: list[Trade]) -> dict[str, Any]:
    netted: dict[str, Decimal] = {}
    for trade in opened:
        symbol = trade.position.symbol
        netted[symbol] = netted.get(symbol, ZERO) + trade.quantity
    return {
        "num_positions": len(netted),
        "num_long_positions": len([1 for quantity in netted.values() if quantity > 0]),
        "num_short_positions": len([1 for quantity in netted.values() if quantity < 0]),
        "num_option_positions": _symbols_of(opened, "OPTIONS"),
        "num_private_positions": _symbols_of(opened, "PRIVATE"),
    }


def _symbols_of(opened: list[Trade], investment_class: str) -> int:
    positions = [trade.position for trade in opened]
    return len({p.symbol for p in positions if p.investment_class == investment_class})


def _concentration(opened: list[Trade], values: list[Decimal]) -> dict[str, Any]:
    netted: dict[str, Decimal] = {}
    for trade, value in zip(opened, values, strict=True):
        symbol = trade.position.symbol
        netted[symbol] = netted.get(symbol, ZERO) + value
    gross = sum([abs(value) for value in netted.values()], ZERO)
    names = ("hhi", "effective_num_positions", "top_3_concentration", "top_10_concentration")
    if gross == 0:
        return dict.fromkeys(names)
    weights = sorted([abs(value) / gross for value in netted.values()], reverse=True)
    hhi = 10000 * sum([weight * weight for weight in weights], ZERO)
    figures = (hhi, 10000 / hhi, sum(weights[:3], ZERO), sum(weights[:10], ZERO))
    return dict(zip(names, figures, strict=True))
