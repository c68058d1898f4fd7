"""A small market behind loopback servers, and nights on it with the real clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.patience import Patience, Unlimited
from sigmasight_assets.core.market.polygon_source import PolygonSource
from sigmasight_assets.core.market.source import PriceSource
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.market.yahoo import YahooSource
from sigmasight_assets.core.nightly.prices import PriceReport, refresh_prices
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.builders import (
    add_portfolio,
    claim,
    day,
    lot,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.market_servers.loopback import LoopbackServer
from sigmasight_assets_tests.market_servers.polygon import Bar, PolygonRoute
from sigmasight_assets_tests.market_servers.yahoo import ChartServer
from sigmasight_assets_tests.market_servers.yahoo_listing import Listing, listings_from_parquet

REAL_PRICES: Final = (
    Path(__file__).parents[4] / "shared" / "market_data" / "us_daily_prices.parquet"
)
KEY: Final = "a-key-that-nobody-may-see"
OWN: Final = (
    "AAPL",
    "AMD",
    "BRK-B",
    "COST",
    "CVX",
    "GE",
    "INTC",
    "JNJ",
    "KO",
    "MSFT",
    "NVDA",
    "XOM",
)
CONTRACT: Final = "AAPL260918C00250000"
HISTORY_FROM: Final = day("2024-12-02")
LAST_LISTED: Final = day("2026-04-30")
NIGHTS: Final = [day("2026-03-10"), day("2026-03-11"), day("2026-03-12")]
"""Three sessions in a row."""


def listings(last: date = LAST_LISTED) -> list[Listing]:
    """What Yahoo knows: real prices where they are there, else those of the synthetic market.

    A second series stands for dividends: real prices here have one alone.
    """
    symbols = [*always_in_universe(), *OWN]
    if REAL_PRICES.exists():
        found = listings_from_parquet(REAL_PRICES, symbols, HISTORY_FROM, last)
    else:
        bars = SyntheticSource().fetch(symbols, HISTORY_FROM, last).bars
        found = [
            Listing(name, bars.date[mine], bars.close[mine], bars.adj_close[mine])
            for number, name in enumerate(bars.symbols)
            if (mine := bars.symbol == number).any()
        ]
    return found


def contract_bars(missing: Sequence[date] = ()) -> dict[str, dict[str, Bar]]:
    """Bars of the one contract; it does not trade on the days that are missing."""
    days = sessions.as_dates(sessions.between(day("2026-01-02"), LAST_LISTED))
    marks = np.random.default_rng(5).uniform(8, 12, len(days)).round(2).tolist()
    stated = {
        on.isoformat(): (mark, mark + 0.5, mark - 0.5, mark, 10.0)
        for on, mark in zip(days, marks, strict=True)
        if on not in missing
    }
    return {f"O:{CONTRACT}": stated}


@dataclass
class Market:
    """The two servers, and how to ask them."""

    server: LoopbackServer
    charts: ChartServer
    polygon: PolygonRoute
    key: str | None = KEY
    more: list[PriceSource] = field(default_factory=list)

    def sources(self) -> PriceSources:
        """Sources of one run."""
        yahoo = YahooSource(Unlimited(), self.server.url, timeout=0.7, patience=_quick("yfinance"))
        polygon = PolygonSource(
            self.key, Unlimited(), self.server.url, timeout=0.7, patience=_quick("polygon")
        )
        return PriceSources((yahoo, *self.more), (polygon, *self.more))

    def prices(self, database: Database, on: Sequence[date], run_id: str) -> PriceReport:
        """Bring the prices of the sessions in."""
        gather_universe(database, on[0], on[-1])
        held = claim(database, Layer.SYMBOLS, on, run_id)
        now = sessions.completes_at(on[-1]) + timedelta(hours=5)
        return refresh_prices(database, self.sources(), held, on[0], on[-1], now)

    def night(self, database: Database, on: Sequence[date], run_id: str) -> PriceReport:
        """Everything that a night does."""
        report = self.prices(database, on, run_id)
        run_symbols(database, on, run_id)
        run_portfolios(database, on, run_id)
        return report

    def asked(self, symbol: str) -> int:
        """How many requests there were for a symbol."""
        return sum(request.path.endswith(f"/{symbol}") for request in self.server.requests)


@contextmanager
def market() -> Iterator[Market]:
    """A market in good health."""
    charts, polygon = ChartServer(listings()), PolygonRoute(KEY, contract_bars())
    with LoopbackServer(charts, polygon).running() as server:
        yield Market(server, charts, polygon)


def open_books(database: Database) -> None:
    """Every symbol of the market is in the universe; two portfolios hold some of them."""
    add_symbols(database, OWN, NIGHTS[0], "a test")
    bought = "2026-03-10"
    add_portfolio(
        database,
        lot("AAPL", "10", "200", bought),
        lot("KO", "100", "70", bought),
        lot(CONTRACT, "2", "10", bought),
        inception=bought,
    )
    add_portfolio(
        database,
        lot("MSFT", "5", "400", bought),
        lot("XOM", "-20", "110", bought),
        inception=bought,
        name="Short",
    )


def _quick(source: str) -> Patience:
    return Patience(source, Unlimited(), first_wait=0.001, first_pause=timedelta(milliseconds=1))
