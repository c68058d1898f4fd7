"""A run that dies at any of its statements: the next one leaves what an undisturbed one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from sigmasight_assets.core.db import engine
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets_tests.builders import run_portfolios, run_symbols
from sigmasight_assets_tests.core.nightly.market import NIGHTS, Market, market, open_books
from sigmasight_assets_tests.postgres import drop_database, fresh_database

FIRST, SECOND, _ = NIGHTS

HALF_WRITTEN = """
    SELECT w.session, w.row_count, count(e.symbol)
    FROM written_slices w LEFT JOIN symbol_factor_exposures e ON e.calculation_date = w.session
    WHERE w.table_name = 'symbol_factor_exposures'
    GROUP BY w.session, w.row_count HAVING w.row_count <> count(e.symbol)
"""


class Died(BaseException):
    """The process is gone: nobody catches this."""


class Death:
    """Comes before the n-th statement or COMMIT of all connections together."""

    def __init__(self, before: int) -> None:
        self.before = before
        self.statements = 0

    def about_to(self, connection: psycopg.Connection[Any]) -> None:
        self.statements += 1
        if self.statements == self.before:
            connection.close()
            raise Died


@contextmanager
def dying(before: int) -> Iterator[Death]:
    """While it lasts, our process dies before its n-th statement; never at 0."""
    death = Death(before)

    class MortalCursor(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            death.about_to(self.connection)
            return super().execute(*args, **kwargs)

        def copy(self, *args: Any, **kwargs: Any) -> Any:
            death.about_to(self.connection)
            return super().copy(*args, **kwargs)

    class MortalConnection(psycopg.Connection[Any]):
        def commit(self) -> None:
            death.about_to(self)
            super().commit()

    def connect(*args: Any, **kwargs: Any) -> psycopg.Connection[Any]:
        return MortalConnection.connect(*args, cursor_factory=MortalCursor, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.psycopg, "connect", connect)
        yield death


def two_nights(database: Database, exchange: Market) -> None:
    """A computed night, and the prices of the next: a split, a dividend, a corrected close."""
    open_books(database)
    exchange.night(database, [FIRST], "first")
    exchange.charts.split("AAPL", SECOND, 4.0)
    exchange.charts.dividend("SPY", SECOND, 1.97)
    corrected = exchange.charts._listings["COST"]
    corrected.close[corrected.date == FIRST] *= 1.01
    exchange.prices(database, [SECOND], "second")


def test_a_symbol_layer_that_dies_at_any_statement_is_finished_by_the_next_run(
    server: EmbeddedPostgres, template: str
) -> None:
    """It dies once before each statement in turn, and a session is never there by half."""
    calm, doomed = (Database(fresh_database(server, template=template)) for _ in range(2))
    for database in (calm, doomed):
        with market() as exchange:
            two_nights(database, exchange)
    run_symbols(calm, [SECOND], "calm")
    run_portfolios(calm, [SECOND], "calm")
    moment = 0
    while True:
        moment += 1
        with dying(moment):
            try:
                run_symbols(doomed, [SECOND], f"run {moment}")
            except Died:
                pass
            else:
                break
        with doomed.connection() as connection:
            assert connection.execute(HALF_WRITTEN).fetchall() == [], moment
    assert moment > 60, "it had two sessions to write, one of them again"
    run_portfolios(doomed, [SECOND], "after")
    assert table_checksums(doomed) == table_checksums(calm)
    for database in (calm, doomed):
        drop_database(server, database.url)


# What the prices alone decide, and not yet the symbol layer.
OF_PRICES = ("price_warnings", "market_data_cache", "corporate_actions", "symbol_universe")


def test_prices_that_die_at_any_statement_are_finished_by_the_next_run(
    server: EmbeddedPostgres, template: str
) -> None:
    """With what follows from them: warnings, notes of what changed, marks of portfolios."""
    before = Database(fresh_database(server, template=template))
    with market() as exchange:
        open_books(before)
        exchange.night(before, [FIRST], "first")
        exchange.charts.split("AAPL", SECOND, 4.0)
        exchange.charts.dividend("KO", SECOND, 0.51)
        jumped = exchange.charts._listings["XOM"]
        jumped.close[jumped.date == SECOND] *= 2.5
        name = urlsplit(before.url).path.removeprefix("/")

        def prices_of(moment: int) -> tuple[list[Any], int]:
            database = Database(fresh_database(server, template=name))
            with dying(moment) as death, suppress(Died):
                exchange.prices(database, [SECOND], "doomed")
            exchange.prices(database, [SECOND], "again")
            sums = table_checksums(database)
            with database.connection() as connection:
                marks = connection.execute(MARKS).fetchall()
                notes = connection.execute(NOTES).fetchall()
            drop_database(server, database.url)
            return [[sums[table] for table in OF_PRICES], marks, notes], death.statements

        calm, count = prices_of(0)
        for moment in range(1, count + 1, 4):
            assert prices_of(moment)[0] == calm, moment
    drop_database(server, before.url)


MARKS = "SELECT id, stale_from FROM portfolios ORDER BY id"
NOTES = "SELECT symbol, first_changed, last_changed, settled FROM changed_prices ORDER BY symbol"
