"""A symbol onboarded after the batch: its rows, its holders, and who else is at work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer, check_claim
from sigmasight_assets.core.db.read.book import change_marks
from sigmasight_assets.core.db.read.late_symbols import late_symbols
from sigmasight_assets.core.db.write.portfolios import settle_refresh
from sigmasight_assets.core.market.bars import without
from sigmasight_assets.core.market.source import Outcome, PriceAnswer
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.nightly import symbol_sessions
from sigmasight_assets.core.nightly.late_symbols import complete_symbols
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.core.nightly.symbol_sessions import session_rows
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets_tests.builders import (
    add_portfolio,
    add_prices,
    alone,
    claim,
    days,
    lot,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.postgres import drop_database, fresh_database

ON = days("2025-07-01", "2025-07-07")
OPENED = ON[0].isoformat()
HELD = ("AAPL", "LATE", "MSFT")


class Withholding(SyntheticSource):
    """The synthetic market before it has heard of some symbols."""

    def __init__(self, *unknown: str) -> None:
        self.unknown = unknown

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        answer = without(super().fetch(symbols, first, last), self.unknown)
        silent = dict.fromkeys(set(symbols) & set(self.unknown), Outcome.NO_DATA)
        answer.outcomes.update(silent)  # type: ignore[attr-defined]
        return answer


class Corrected(SyntheticSource):
    """The synthetic market, with another price of the late symbol on one session."""

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> PriceAnswer:
        answer = super().fetch(symbols, first, last)
        bars = answer.bars
        late = np.array([name == "LATE" for name in bars.symbols])[bars.symbol]
        moved = late & (bars.date == np.datetime64(ON[1]))
        close = np.where(moved, bars.close + 0.25, bars.close)
        return replace(answer, bars=replace(bars, close=close, adj_close=close))


@dataclass(frozen=True)
class Ids:
    """Two portfolios that hold the late symbol, and one that does not."""

    holder: str
    neighbour: str
    other: str


def add_books(database: Database) -> Ids:
    late, apple = lot("LATE", "100", "50", OPENED), lot("AAPL", "10", "200", OPENED)
    short = lot("LATE", "-20", "50", ON[2].isoformat(), name="short")
    ordinary = lot("MSFT", "5", "400", OPENED)
    return Ids(
        add_portfolio(database, late, apple, inception=OPENED, name="Holder"),
        add_portfolio(database, short, inception=OPENED, name="Neighbour"),
        add_portfolio(database, ordinary, inception=OPENED, name="Other"),
    )


def arrive(database: Database, *unknown: str, run_id: str = "arrival") -> None:
    """The prices of all symbols but the unknown ones are fetched."""
    add_prices(database, Withholding(*unknown), OPENED, ON[-1].isoformat(), run_id=run_id)


@pytest.fixture(scope="module")
def whole_url(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """Everything was there from the start."""
    with made(server, template) as database:
        add_books(database)
        arrive(database)
        run_symbols(database, ON)
        run_portfolios(database, ON)
        yield database.url


@pytest.fixture(scope="module")
def before_url(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """Every session was run without the late symbol."""
    with made(server, template) as database:
        add_books(database)
        arrive(database, "LATE", run_id="before")
        run_symbols(database, ON)
        run_portfolios(database, ON)
        yield database.url


@pytest.fixture
def before(server: EmbeddedPostgres, before_url: str) -> Iterator[Database]:
    """The nights are over, and nobody has heard of the late symbol."""
    with made(server, name_of(before_url)) as database:
        yield database


@pytest.fixture
def arrived(before: Database) -> Database:
    """Its prices have just been stored, and nothing was computed since."""
    arrive(before)
    return before


@pytest.fixture
def ids(whole_url: str) -> Ids:
    """They are the same in every database."""
    found = {
        name: id
        for id, name in ask(Database(whole_url), "SELECT id::text, account_name FROM portfolios")
    }
    return Ids(found["Holder"], found["Neighbour"], found["Other"])


@pytest.fixture
def whole(whole_url: str) -> Mapping[str, str]:
    """The checksum of each table when everything was there from the start."""
    return table_checksums(Database(whole_url))


def test_late_rows_are_those_of_a_batch_that_had_the_symbol_from_the_start(
    arrived: Database, whole: Mapping[str, str]
) -> None:
    assert complete_symbols(arrived, "refresh", ON, HELD) == {on: ["LATE"] for on in ON}
    found = table_checksums(arrived)
    for table in (*LAYER_TABLES[Layer.SYMBOLS], "symbol_universe", "market_data_cache"):
        assert found[table] == whole[table], table


def test_a_portfolio_is_partial_without_the_symbol_and_complete_when_it_arrives(
    before: Database, ids: Ids, whole: Mapping[str, str]
) -> None:
    partial = "SELECT snapshot_date, missing_symbols FROM portfolio_snapshots WHERE is_partial"
    holders = f"{partial} AND portfolio_id = %s ORDER BY 1"
    at_cost = [{"symbol": "LATE", "reason": "at_cost"}]
    assert ask(before, holders, ids.holder) == [(session, at_cost) for session in ON]
    assert ask(before, holders, ids.other) == []
    arrive(before)
    assert stale(before) == {ids.holder: ON[0], ids.neighbour: ON[0]}
    complete_symbols(before, "refresh", ON, HELD)
    run_portfolios(before, ON[-1:], "refresh")
    assert ask(before, partial) == []
    assert stale(before) == {}
    assert table_checksums(before) == whole


def test_after_the_batch_that_heals_published_sessions_the_holders_are_refreshed(
    arrived: Database, ids: Ids, whole: Mapping[str, str]
) -> None:
    """They were refreshed between the prices and the factors, by someone who did not add them."""
    settled(arrived)
    run_symbols(arrived, ON[-1:], "the next night")
    assert stale(arrived) == {ids.holder: ON[0], ids.neighbour: ON[0]}
    assert complete_symbols(arrived, "refresh", ON, HELD) == {}
    run_portfolios(arrived, ON[-1:], "the next night")
    assert table_checksums(arrived) == whole


def test_a_refresh_of_the_newest_session_and_the_next_night_leave_nothing_behind(
    arrived: Database, whole: Mapping[str, str]
) -> None:
    """Nobody but they are at work: whatever the refresh did not complete, the batch heals."""
    run_portfolios(arrived, ON[-1:], "refresh")
    assert stale(arrived) == {}
    for layer in (run_symbols, run_portfolios):
        layer(arrived, ON[-1:], "the next night")
    assert table_checksums(arrived) == whole


def test_whoever_was_computed_without_the_factors_is_stale_from_the_first_late_session(
    arrived: Database, ids: Ids
) -> None:
    settled(arrived)
    versions = data_versions(arrived)
    complete_symbols(arrived, "refresh", ON[1:3], HELD)
    assert stale(arrived) == {ids.holder: ON[1], ids.neighbour: ON[1]}
    found = data_versions(arrived)
    assert found[ids.other] == versions[ids.other]
    assert min(found[one] - versions[one] for one in (ids.holder, ids.neighbour)) > 0


def test_a_refresh_of_one_holder_leaves_the_other_to_be_refreshed(
    arrived: Database, ids: Ids, whole: Mapping[str, str]
) -> None:
    complete_symbols(arrived, "one", ON, HELD)
    run_portfolios(arrived, ON[-1:], "one", [ids.holder])
    assert stale(arrived) == {ids.neighbour: ON[0]}
    run_portfolios(arrived, ON[-1:], "all")
    assert table_checksums(arrived) == whole


def test_a_refresh_that_read_its_marks_before_does_not_settle_the_holders(
    arrived: Database, ids: Ids
) -> None:
    with arrived.connection() as connection:
        marks = change_marks(connection, ON[-1])
    complete_symbols(arrived, "refresh", ON, HELD)
    settle_refresh(arrived, marks)
    assert stale(arrived) == {ids.holder: ON[0], ids.neighbour: ON[0]}


def test_a_completed_session_is_published_anew_and_a_complete_one_is_left_alone(
    arrived: Database,
) -> None:
    first = publications(arrived)
    complete_symbols(arrived, "refresh", ON[:2], HELD)
    second = publications(arrived)
    assert [second[on] > first[on] for on in ON] == [True, True, *[False] * (len(ON) - 2)]
    marks = data_versions(arrived)
    assert complete_symbols(arrived, "refresh", ON[:2], HELD) == {}
    assert (publications(arrived), data_versions(arrived)) == (second, marks)


def test_a_batch_under_way_keeps_its_right_to_write(arrived: Database) -> None:
    held = claim(arrived, Layer.SYMBOLS, ON, "a batch under way")
    assert set(complete_symbols(arrived, "refresh", ON, HELD)) == set(ON)
    with arrived.connection() as connection:
        check_claim(connection, held, ON)


def test_a_session_that_a_later_batch_claims_is_left_to_it(
    arrived: Database, whole: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(panel, returns, session, companies):  # type: ignore[no-untyped-def]
        if session == ON[1]:
            claim(arrived, Layer.SYMBOLS, [session], "a later batch")
        return session_rows(panel, returns, session, companies)

    monkeypatch.setattr(symbol_sessions, "session_rows", overtaken)
    others = [ON[0], *ON[2:]]
    assert complete_symbols(arrived, "refresh", ON, HELD) == {on: ["LATE"] for on in others}
    added = "SELECT calculation_date FROM symbol_factor_exposures WHERE symbol = 'LATE' ORDER BY 1"
    assert ask(arrived, added) == [(session,) for session in others]
    run_symbols(arrived, ON[1:2], "a later batch")
    run_portfolios(arrived, ON[-1:], "refresh")
    assert table_checksums(arrived) == whole


def test_a_slow_batch_that_takes_the_added_rows_away_is_made_good_by_the_next_refresh(
    before: Database, whole: Mapping[str, str]
) -> None:
    """It has read its prices before those of the symbol came, and replaces whole sessions."""
    held = claim(before, Layer.SYMBOLS, ON, "slow")
    slow = refresh_symbols(before, held, ON, sessions.offset(ON[-1], 1))
    next(slow)
    beside = claim(before, Layer.SYMBOLS, [sessions.offset(ON[-1], 1)], "arrival")
    now = sessions.completes_at(ON[-1])
    refresh_prices(before, alone(SyntheticSource()), beside, ON[0], ON[-1], now)
    assert set(complete_symbols(before, "refresh", ON, HELD)) == set(ON)
    run_portfolios(before, ON[-1:], "refresh")
    assert len(list(slow)) == len(ON) - 1
    assert set(complete_symbols(before, "the next", ON, HELD)) == set(ON[1:])
    run_portfolios(before, ON[-1:], "the next")
    assert table_checksums(before) == whole


def test_rows_of_prices_that_a_batch_has_replaced_and_settled_meanwhile_are_mended(
    server: EmbeddedPostgres, before_url: str, arrived: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch had claimed the sessions before, for its prices, so that nobody is overtaken."""
    held = claim(arrived, Layer.SYMBOLS, ON, "batch")
    now, later = sessions.completes_at(ON[-1]), sessions.offset(ON[-1], 1)
    to_come: list[Callable[[], object]] = [
        lambda: refresh_prices(arrived, alone(Corrected()), held, ON[0], ON[-1], now),
        lambda: list(refresh_symbols(arrived, held, ON, later)),
    ]

    def overtaken(panel, returns, session, companies):  # type: ignore[no-untyped-def]
        while to_come:
            to_come.pop(0)()
        return session_rows(panel, returns, session, companies)

    monkeypatch.setattr(symbol_sessions, "session_rows", overtaken)
    assert set(complete_symbols(arrived, "refresh", ON, HELD)) == set(ON)
    run_symbols(arrived, ON[-1:], "the next night")
    run_portfolios(arrived, ON[-1:], "the next night")
    with made(server, name_of(before_url)) as straight:
        add_prices(straight, Corrected(), OPENED, ON[-1].isoformat(), run_id="straight")
        run_symbols(straight, ON, "straight")
        run_portfolios(straight, ON, "straight")
        assert table_checksums(arrived) == table_checksums(straight)


def test_two_refreshes_at_once_add_the_rows_once(
    arrived: Database, whole: Mapping[str, str]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(complete_symbols, arrived, f"run {n}", ON, HELD) for n in range(2)]
        assert set().union(*(run.result() for run in runs)) == set(ON)
    run_portfolios(arrived, ON[-1:], "refresh")
    assert table_checksums(arrived) == whole


def test_nothing_is_written_when_nothing_is_late(
    before: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A symbol without a price belongs to no session, so it is not late."""
    found = publications(before)
    with caplog.at_level(logging.INFO):
        assert complete_symbols(before, "refresh", ON, HELD) == {}
        assert complete_symbols(before, "refresh", [], HELD) == {}
        assert complete_symbols(before, "refresh", ON, []) == {}
    assert publications(before) == found
    assert caplog.records == []
    assert ask(before, "SELECT FROM session_epochs WHERE run_id = 'refresh'") == []


@pytest.mark.parametrize(
    ("sessions_before", "late"), [(0, True), (19, True), (20, False), (-1, False)]
)
def test_a_symbol_belongs_by_a_close_in_the_twenty_sessions_up_to_the_session(
    database: Database, sessions_before: int, late: bool
) -> None:
    priced(database, "NEW", sessions.offset(ON[0], -sessions_before))
    publish(database, ON[:1])
    assert complete_symbols(database, "refresh", ON[:1], ["NEW"]) == (
        {ON[0]: ["NEW"]} if late else {}
    )
    stored = "SELECT symbol, calculation_date FROM symbol_factor_exposures"
    assert ask(database, stored) == ([("NEW", ON[0])] if late else [])


def test_only_public_symbols_that_are_asked_for_are_late_and_only_on_published_sessions(
    database: Database,
) -> None:
    for symbol in ("ASKED", "UNASKED", "OPTION", "DELISTED"):
        priced(database, symbol, ON[0])
    tell(
        database, "UPDATE symbol_universe SET investment_class = 'OPTIONS' WHERE symbol = 'OPTION'"
    )
    tell(database, "UPDATE symbol_universe SET status = 'delisted' WHERE symbol = 'DELISTED'")
    tell(
        database,
        "INSERT INTO market_data_cache (symbol, date, adj_close, data_source) "
        "VALUES ('NO_CLOSE', %s, 10, 'a test')",
        ON[0],
    )
    tell(
        database,
        "INSERT INTO symbol_universe (symbol, investment_class, status) "
        "VALUES ('NO_CLOSE', 'PUBLIC', 'active')",
    )
    publish(database, [ON[0], ON[2]])
    since = {on: sessions.offset(on, -19) for on in ON[:2]}
    asked = ["ASKED", "OPTION", "DELISTED", "NO_CLOSE", "UNKNOWN"]
    with database.connection() as connection:
        assert late_symbols(connection, since, asked) == {ON[0]: ["ASKED", "DELISTED"]}


def ask(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(query, values).fetchall()


def tell(database: Database, statement: str, *values: object) -> None:
    with database.connection() as connection:
        connection.execute(statement, values)


def stale(database: Database) -> dict[str, date]:
    """From when on which portfolios are stale."""
    return dict(
        ask(database, "SELECT id::text, stale_from FROM portfolios WHERE stale_from IS NOT NULL")
    )


def settled(database: Database) -> None:
    """As a refresh leaves the portfolios."""
    tell(database, "UPDATE portfolios SET stale_from = NULL")


def data_versions(database: Database) -> dict[str, int]:
    return dict(ask(database, "SELECT id::text, data_version FROM portfolios"))


def publications(database: Database) -> dict[date, int]:
    """The data version of each published session of symbols."""
    return dict(
        ask(
            database, "SELECT session, data_version FROM published_sessions WHERE layer = 'symbols'"
        )
    )


def priced(database: Database, symbol: str, on: date) -> None:
    """A symbol of the universe with one price."""
    tell(
        database,
        "INSERT INTO symbol_universe (symbol, investment_class, status) "
        "VALUES (%s, 'PUBLIC', 'active')",
        symbol,
    )
    tell(
        database,
        "INSERT INTO market_data_cache (symbol, date, close, adj_close, data_source) "
        "VALUES (%s, %s, 10, 10, 'a test')",
        symbol,
        on,
    )


def publish(database: Database, on: Collection[date]) -> None:
    tell(
        database,
        "INSERT INTO published_sessions (layer, session, epoch, data_version) "
        "SELECT 'symbols', on_day, 1, nextval('data_version') FROM unnest(%s::date[]) AS on_day",
        list(on),
    )


@contextmanager
def made(server: EmbeddedPostgres, template: str) -> Iterator[Database]:
    url = fresh_database(server, template=template)
    yield Database(url)
    drop_database(server, url)


def name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
