"""Cash, market values and NAV of every portfolio on one session (methodology, section 4).

cash_t = starting_equity - sum MV(inception) + flows + dividends - cost of entries after inception
+ proceeds of exits after inception, and NAV_t = cash_t + sum MV_t. Each is summed afresh from the
book: no total of another session is read back, so sessions may be computed in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from sigmasight_assets.core.risk.dividends import DividendPayments, dividend_payments
from sigmasight_assets.core.risk.last_closes import LastCloses, last_closes
from sigmasight_assets.core.risk.lots import EffectiveLots, effective_lots
from sigmasight_assets.core.risk.portfolio_sums import portfolio_sums
from sigmasight_assets.core.risk.position_prices import PositionPrices, position_prices
from sigmasight_assets.core.sessions import require_session, session_number
from sigmasight_assets.core.shapes.book import Book, Ints, Valuation
from sigmasight_assets.core.shapes.panel import Bools, Floats, PricePanel


@dataclass(frozen=True)
class PricedBook:
    """A book on a panel of prices: all that does not depend on the session being computed.

    inception: (P,) calendar positions. opening_value: (P,) USD, the market value of the lots open
    on inception at that session's prices. flow_session: calendar position of each capital flow.
    """

    book: Book
    closes: LastCloses
    lots: EffectiveLots
    dividends: DividendPayments
    inception: Ints
    opening_value: Floats
    flow_session: Ints

    def total(self, amount: Floats, counted: Bools) -> Floats:
        """The sum per portfolio of an amount per lot, (N,) to (P,)."""
        return portfolio_sums(self.book.lots.portfolio, amount, counted, len(self.book.portfolios))


@dataclass(frozen=True)
class BookValue:
    """Every portfolio at the close of one session.

    session: its calendar position. prices: of every lot, open or not. cash, flows, dividends:
    (P,) USD, flows and dividends since inception; meaningless where the portfolio does not exist.
    """

    session: int
    valuation: Valuation
    prices: PositionPrices
    cash: Floats
    flows: Floats
    dividends: Floats


def price_book(book: Book, panel: PricePanel) -> PricedBook:
    """Prepare a book for any number of sessions of a panel.

    Raises:
        ValueError: if a portfolio's inception is before the panel's first session.
    """
    early = book.portfolios.inception < panel.sessions[0]
    if early.any():
        raise ValueError(
            f"prices start on {panel.sessions[0]}, after the inception of portfolio "
            f"{book.portfolios.id[early][0]} on {book.portfolios.inception[early][0]}"
        )
    return price_at(book, last_closes(panel))


def price_at(book: Book, closes: LastCloses) -> PricedBook:
    """Prepare a book, or a part of one, for closes that many of them share.

    They must hold every stored close of the 280 sessions up to each inception: before the first
    of them a lot counts at cost.
    """
    lots = effective_lots(book, closes)
    at_inception = position_prices(book, lots, closes, lots.inception)
    return PricedBook(
        book=book,
        closes=closes,
        lots=lots,
        dividends=dividend_payments(book, lots),
        inception=session_number(book.portfolios.inception),
        opening_value=portfolio_sums(
            book.lots.portfolio,
            at_inception.market_value,
            lots.open_on(lots.inception),
            len(book.portfolios),
        ),
        flow_session=session_number(book.flows.date),
    )


def value_book(book: Book, panel: PricePanel, session: date) -> Valuation:
    """The book at the prices of one session.

    Raises:
        NotASession: for a day without trading.
        KeyError: if the panel does not hold the session.
    """
    panel.row(require_session(session))
    return value_on(price_book(book, panel), int(session_number(session))).valuation


def value_on(priced: PricedBook, session: int) -> BookValue:
    """The value of every portfolio on one session, given as a calendar position."""
    book, lots = priced.book, priced.lots
    equity, exists = book.portfolios.starting_equity, priced.inception <= session
    prices = position_prices(book, lots, priced.closes, np.full(len(book.lots), session))
    is_open = lots.open_on(session) & (lots.inception <= session)
    flows, dividends = _flows(priced, session), _dividends(priced, session)
    cash = equity - priced.opening_value + flows + dividends + _traded(priced, session)
    value = cash + priced.total(prices.market_value, is_open)
    valuation = Valuation(
        is_open=is_open,
        market_value=np.where(is_open, prices.market_value, 0.0),
        price=np.where(is_open, prices.price, np.nan),
        exists=exists,
        net_asset_value=np.where(
            exists, np.where(priced.inception == session, equity, value), np.nan
        ),
    )
    return BookValue(session, valuation, prices, cash, flows, dividends)


def _traded(priced: PricedBook, session: int) -> Floats:
    """Cash from exits less cash for entries, of those after inception and up to the session."""
    lots = priced.lots
    bought = (lots.entry_session > lots.inception) & (lots.entry_session <= session)
    sold = (lots.exit_session > lots.inception) & (lots.exit_session <= session)
    return priced.total(lots.units * lots.exit_price, sold) - priced.total(
        lots.units * lots.entry_price, bought
    )


def _flows(priced: PricedBook, session: int) -> Floats:
    """Contributions less withdrawals after inception and up to the session."""
    flows, when = priced.book.flows, priced.flow_session
    counted = (when > priced.inception[flows.portfolio]) & (when <= session)
    return portfolio_sums(flows.portfolio, flows.amount, counted, len(priced.inception))


def _dividends(priced: PricedBook, session: int) -> Floats:
    """Dividends received less paid, after inception and up to the session."""
    paid = priced.dividends
    return portfolio_sums(
        paid.portfolio, paid.amount, paid.session <= session, len(priced.inception)
    )
