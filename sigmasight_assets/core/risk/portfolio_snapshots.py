"""One row per portfolio and session: what it is worth, earned and holds (methodology, 4 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from sigmasight_assets.core.factors import BETA_COLUMNS
from sigmasight_assets.core.risk.concentration import concentration, counts, netted_positions
from sigmasight_assets.core.risk.portfolio_returns import past_returns, portfolio_returns
from sigmasight_assets.core.risk.price_gaps import missing_symbols, price_dates
from sigmasight_assets.core.risk.profit_and_loss import profit_and_loss
from sigmasight_assets.core.risk.sectors import sector_exposure, sector_names
from sigmasight_assets.core.risk.valuation import BookValue, PricedBook, price_book, value_on
from sigmasight_assets.core.risk.volatility import RETURNS_USED, volatility
from sigmasight_assets.core.sessions import require_session, session_number
from sigmasight_assets.core.shapes.book import Book, Texts, Valuation
from sigmasight_assets.core.shapes.factors import Profiles, SymbolFactors
from sigmasight_assets.core.shapes.panel import Columns, Floats, PricePanel, locate


@dataclass(frozen=True)
class Snapshots:
    """The book at one session's prices, and the rows of portfolio_snapshots made from it.

    columns: every column but factor_exposures_reason, for the portfolios that exist on the
    session, sorted by portfolio_id.
    """

    valuation: Valuation
    columns: Columns


def portfolio_snapshots(
    book: Book, panel: PricePanel, session: date, factors: SymbolFactors, profiles: Profiles
) -> Columns:
    """The rows of portfolio_snapshots of one session, as Snapshots.columns describes them."""
    return snapshot_book(price_book(book, panel), session, factors, profiles).columns


def snapshot_book(
    priced: PricedBook, session: date, factors: SymbolFactors, profiles: Profiles
) -> Snapshots:
    """Value a prepared book on one session and describe every portfolio.

    No price, valuation, flow or trade dated after the session has any influence; the splits of
    the whole panel do, because its prices are adjusted for them.

    Raises:
        NotASession: for a day without trading.
        KeyError: if the panel does not hold the session.
    """
    row = priced.closes.panel.row(require_session(session))
    today = value_on(priced, int(session_number(session)))
    netted = netted_positions(priced, today)
    size = len(priced.inception)
    columns = {
        "portfolio_id": priced.book.portfolios.id,
        "snapshot_date": np.full(size, np.datetime64(session, "D")),
        **accounts(priced, today),
        **counts(netted, size),
        **concentration(netted, size),
        **volatility(_return_series(priced, today, row)),
        **_coverage(priced, today, factors),
        "sector_exposure": _sectors(priced, today, profiles),
        **_price_quality(priced, today),
    }
    exists = today.valuation.exists
    return Snapshots(today.valuation, {name: rows[exists] for name, rows in columns.items()})


def accounts(priced: PricedBook, today: BookValue) -> Columns:
    """Balances, P&L and flows of every portfolio, (P,) each; USD but pnl_percent, daily_return.

    Meaningless where the portfolio does not exist.
    """
    return {**_values(priced, today), **_profit_columns(priced, today)}


def _values(priced: PricedBook, today: BookValue) -> Columns:
    """Balances: NAV, cash and the values of open lots, in USD."""
    value, is_open = today.valuation.market_value, today.valuation.is_open
    long_value = priced.total(value, value > 0)
    short_value = priced.total(value, value < 0)
    cost = np.abs(priced.lots.units * priced.lots.entry_price)
    return {
        "net_asset_value": today.valuation.net_asset_value,
        "total_value": today.valuation.net_asset_value,
        "cash_value": today.cash,
        "long_value": long_value,
        "short_value": short_value,
        "gross_exposure": long_value - short_value,
        "net_exposure": long_value + short_value,
        "total_cost": priced.total(cost, is_open),
    }


def _profit_columns(priced: PricedBook, today: BookValue) -> Columns:
    """P&L, dividends and flows, of the session and since inception."""
    earned = profit_and_loss(priced, today)
    invested = priced.book.portfolios.starting_equity + today.flows
    total_pnl = today.valuation.net_asset_value - invested
    return {
        "total_pnl": total_pnl,
        "cumulative_pnl": total_pnl,
        "pnl_percent": 100 * _ratio(total_pnl, invested),
        "daily_pnl": earned.daily_pnl,
        "daily_return": earned.daily_return,
        "realized_pnl": earned.realized,
        "cumulative_realized_pnl": earned.cumulative_realized,
        "unrealized_pnl": earned.unrealized,
        "dividends": earned.dividends,
        "cumulative_dividends": today.dividends,
        "capital_flow": earned.capital_flow,
        "cumulative_capital_flow": today.flows,
    }


def _return_series(priced: PricedBook, today: BookValue, row: int) -> Floats:
    """The past returns of what each portfolio holds on the session. (P, 273)."""
    value = today.valuation
    held = np.flatnonzero(value.is_open & priced.book.lots.is_public)
    columns, symbol = np.unique(priced.lots.symbols.column[held], return_inverse=True)
    return portfolio_returns(
        past_returns(priced.closes.panel, row, columns, RETURNS_USED),
        symbol,
        priced.book.lots.portfolio[held],
        value.market_value[held],
        value.net_asset_value,
    )


def _coverage(priced: PricedBook, today: BookValue, factors: SymbolFactors) -> Columns:
    """Betas of the whole portfolio, and how much of it they and the price history cover."""
    nav, gross_value = today.valuation.net_asset_value, np.abs(today.valuation.market_value)
    gross = priced.total(gross_value, today.valuation.is_open)
    market = _lot_betas(priced, factors, factors.betas[:, BETA_COLUMNS.index("market_beta")])
    provider = _lot_betas(priced, factors, factors.provider_beta)
    private = priced.total(today.valuation.market_value, priced.book.lots.is_private)
    return {
        "beta_calculated_90d": _weighted_beta(priced, today, market),
        "beta_provider_1y": _weighted_beta(priced, today, provider),
        "beta_provider_coverage_pct": 100
        * _ratio(priced.total(gross_value, np.isfinite(provider)), gross),
        "coverage_pct": 100 * _ratio(priced.total(gross_value, np.isfinite(market)), gross),
        "private_allocation_pct": 100 * _ratio(private, nav),
    }


def _lot_betas(priced: PricedBook, factors: SymbolFactors, beta: Floats) -> Floats:
    """The beta of each PUBLIC lot's symbol, NaN where it has none. (N,)."""
    symbols = priced.lots.symbols
    row = locate(factors.symbols, symbols.names)
    by_name = np.full(len(row), np.nan)
    by_name[row >= 0] = beta[row[row >= 0]]
    return np.where(priced.book.lots.is_public, by_name[symbols.symbol], np.nan)


def _weighted_beta(priced: PricedBook, today: BookValue, beta: Floats) -> Floats:
    """sum of MV / NAV x beta, uncovered lots as 0; NaN where NAV is not positive. (P,)."""
    value = today.valuation
    return _ratio(priced.total(value.market_value * beta, np.isfinite(beta)), value.net_asset_value)


def _sectors(priced: PricedBook, today: BookValue, profiles: Profiles) -> Texts:
    """The sector_exposure documents. (P,) object array."""
    held = np.flatnonzero(today.valuation.is_open & priced.book.lots.is_public)
    symbols = priced.lots.symbols
    return sector_exposure(
        priced.book.lots.portfolio[held],
        sector_names(profiles, symbols.names)[symbols.symbol[held]],
        today.valuation.market_value[held],
        today.valuation.net_asset_value,
    )


def _price_quality(priced: PricedBook, today: BookValue) -> Columns:
    """What is stale or at cost, and how new the prices are."""
    missing = missing_symbols(priced, today)
    return {
        "is_partial": np.array([bool(listed) for listed in missing], dtype=np.bool_),
        "missing_symbols": missing,
        "price_date": price_dates(priced, today),
    }


def _ratio(amount: Floats, base: Floats) -> Floats:
    """amount / base, NaN where the base is not positive."""
    positive = base > 0
    return np.where(positive, amount / np.where(positive, base, 1.0), np.nan)
