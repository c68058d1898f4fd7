"""Stored tables are a function of the stored prices, whatever happened on the way (I1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

import numpy as np
import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets.core.market.chains import PriceSources
from sigmasight_assets.core.market.source import PriceAnswer
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets_tests.builders import (
    add_portfolio,
    claim,
    days,
    lot,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.core.nightly.market import CONTRACT, Market, market
from sigmasight_assets_tests.core.nightly.test_market_crashes import Died, dying
from sigmasight_assets_tests.core.nightly.test_market_nights import FAULTS
from sigmasight_assets_tests.market_servers.loopback import Reply, Request
from sigmasight_assets_tests.postgres import drop_database, fresh_database

ON = days("2026-03-10", "2026-03-13")
OWN = ("AAPL", "KO", "MSFT", "XOM")
LOTS = [
    lot("AAPL", "10", "200", ON[0].isoformat()),
    lot("KO", "100", "70", ON[1].isoformat()),
    lot("MSFT", "-5", "400", ON[2].isoformat()),
    lot(CONTRACT, "2", "10", ON[1].isoformat()),
]
EDITS = (
    "UPDATE positions SET quantity = quantity * 2 WHERE symbol = '{symbol}'",
    "UPDATE positions SET exit_date = '2026-03-13', exit_price = 50 WHERE symbol = '{symbol}'",
    "UPDATE positions SET exit_date = NULL, exit_price = NULL WHERE symbol = '{symbol}'",
    "UPDATE positions SET deleted_at = '2026-03-20' WHERE symbol = '{symbol}'",
    "UPDATE positions SET deleted_at = NULL WHERE symbol = '{symbol}'",
)
# Time-outs would take too long here.
NO_ANSWERS = [reply for reply, _ in FAULTS.values() if not (reply.wait or reply.trickle)]


@dataclass
class History:
    """What happens to one database; `told` is the script, for whoever reads a red run."""

    database: Database
    exchange: Market
    chance: Random
    told: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)

    def happens(self) -> None:
        """Companies act, owners edit, and some sessions are run, one way or another."""
        for _ in range(self.chance.choice([0, 0, 1, 1, 2])):
            self.company_acts()
        if self.chance.random() < 0.4:
            self.owner_edits()
        ways = (self.faults, self.death, self.early_refresh, self.half_a_run, self.two_at_once)
        way, on = self.chance.choice(ways), self.some_sessions()
        run_id = f"{len(self.told)} {way.__name__}"
        self.told.append(f"{run_id} {on[0]} to {on[-1]}")
        way(on, run_id)
        self.exchange.server.heal()

    def some_sessions(self) -> list[date]:
        first = self.chance.randrange(len(ON))
        return ON[first : self.chance.randint(first + 1, len(ON))]

    def company_acts(self) -> None:
        charts, on = self.exchange.charts, self.chance.choice(ON)
        symbol = self.chance.choice([*OWN, "SPY", "MTUM"])
        kind = self.chance.choice(["split", "dividend", "correction", "restatement"])
        if kind == "split":
            charts.split(symbol, on, self.chance.choice([4.0, 0.5, 3.0]))
        elif kind == "dividend":
            charts.dividend(symbol, on, self.chance.choice([0.02, 0.51, 3.0]))
        else:
            each, factor = charts._listings[symbol], self.chance.choice([1.01, 0.9, 2.5])
            moved = each.date == np.datetime64(on)
            if kind == "restatement":
                moved = each.date < np.datetime64(on)
            close, adj_close = (
                np.where(moved, column * factor, column) for column in (each.close, each.adj_close)
            )
            charts.list(replace(each, close=close, adj_close=adj_close))
        self.told.append(f"{kind} of {symbol} on {on}")

    def owner_edits(self) -> None:
        edit = self.chance.choice(EDITS).format(symbol=self.chance.choice(LOTS[:3]).symbol)
        self.edits.append(edit)
        self.told.append(edit)
        execute(self.database, edit)

    def faults(self, on: Sequence[date], run_id: str) -> None:
        self.exchange.server.fault(lambda _: True, *[self.maybe_no_answer] * 3_000)
        self.night(on, run_id)

    def maybe_no_answer(self, _: Request) -> Reply | None:
        return self.chance.choice(NO_ANSWERS) if self.chance.random() < 0.4 else None

    def death(self, on: Sequence[date], run_id: str) -> None:
        with dying(self.chance.randint(1, 150)), suppress(Died):
            self.night(on, run_id)

    def early_refresh(self, on: Sequence[date], run_id: str) -> None:
        """Portfolios are refreshed between the prices and the factors that follow from them."""
        self.prices(on, run_id)
        self.portfolios(on, f"{run_id} early")
        self.computed(on, run_id)

    def half_a_run(self, on: Sequence[date], run_id: str) -> None:
        self.prices(on, run_id)
        held = claim(self.database, Layer.SYMBOLS, on, run_id)
        computing = refresh_symbols(self.database, held, on, sessions.offset(ON[-1], 1))
        next(computing)
        computing.close()  # type: ignore[attr-defined]

    def two_at_once(self, on: Sequence[date], run_id: str) -> None:
        """A whole night, and news, between the first answer of a run and its being stored."""
        other = self.some_sessions()
        self.told.append(f"within it {other[0]} to {other[-1]}")

        def between() -> None:
            self.company_acts()
            self.night(other, f"{run_id} within")

        sources = interrupted(self.exchange.sources(), between)
        with suppress(StaleEpoch):
            self.prices(on, run_id, sources)
            self.computed(on, run_id)

    def night(self, on: Sequence[date], run_id: str) -> None:
        self.prices(on, run_id)
        self.computed(on, run_id)

    def prices(
        self, on: Sequence[date], run_id: str, sources: PriceSources | None = None, hours: int = 5
    ) -> None:
        gather_universe(self.database, on[0], on[-1])
        held = claim(self.database, Layer.SYMBOLS, on, run_id)
        now = sessions.completes_at(on[-1]) + timedelta(hours=hours)
        asked = sources or self.exchange.sources()
        refresh_prices(self.database, asked, held, on[0], on[-1], now)

    def computed(self, on: Sequence[date], run_id: str) -> None:
        run_symbols(self.database, on, run_id)
        self.portfolios(on, run_id)

    def portfolios(self, on: Sequence[date], run_id: str) -> None:
        with self.database.connection() as connection:
            there = published(connection, Layer.SYMBOLS)
        ready = [session for session in on if session in there]
        if ready:
            run_portfolios(self.database, ready, run_id)

    def opens(self) -> None:
        add_symbols(self.database, OWN, ON[0], "a test")
        add_portfolio(self.database, *LOTS, inception=ON[0].isoformat())

    def ends_well(self) -> None:
        """One clean run of all sessions, so much later that every symbol is asked for."""
        self.prices(ON, "the last", hours=500)
        self.computed(ON, "the last")


def interrupted(sources: PriceSources, happens: Callable[[], None]) -> PriceSources:
    """Something happens between the first answer of these sources and its being stored."""
    first, fetch, due = sources.public[0], sources.public[0].fetch, [happens]

    def fetching(symbols: Sequence[str], since: date, until: date) -> PriceAnswer:
        answer = fetch(symbols, since, until)
        if due:
            due.pop()()
        return answer

    first.fetch = fetching  # type: ignore[assignment, method-assign]
    return sources


def execute(database: Database, statement: str) -> None:
    with database.connection() as connection:
        connection.execute(statement)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_history_a_clean_run_leaves_what_its_end_alone_would_have(
    server: EmbeddedPostgres, template: str, seed: int
) -> None:
    lived, told = (Database(fresh_database(server, template=template)) for _ in range(2))
    with market() as exchange:
        history = History(lived, exchange, Random(seed))
        history.opens()
        while len(history.told) < 10:
            history.happens()
        history.ends_well()
        end = History(told, exchange, Random(seed))
        end.opens()
        for edit in history.edits:
            execute(told, edit)
        end.ends_well()
    assert table_checksums(lived) == table_checksums(told), "\n".join(history.told)
    with lived.connection() as connection:
        assert connection.execute("SELECT FROM changed_prices WHERE NOT settled").fetchall() == []
        marks = connection.execute("SELECT stale_from FROM portfolios").fetchall()
    assert marks == [(None,)]
    for database in (lived, told):
        drop_database(server, database.url)
