"""A person adds symbols to the universe and retires them, whatever else is being written."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.universe_members import UniverseMember, universe_members
from sigmasight_assets.core.db.write.asked_symbols import LOCK
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.db.write.universe_members import (
    Added,
    Retired,
    add_members,
    retire_members,
)
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.builders import StatedPrices, add_portfolio, add_prices, day, lot

CONTRACT = "MSFT260116C00500000"
STATUSES = ("pending", "processing", "active", "delisted", "retired", "error")


def members(database: Database, status: str | None = None) -> dict[str, UniverseMember]:
    with database.connection() as connection:
        return {member.symbol: member for member in universe_members(connection, status)}


def execute(database: Database, statement: str, *values: object) -> None:
    with database.connection() as connection:
        connection.execute(statement, values)


def put(database: Database, **statuses: str) -> None:
    """Symbols that have been asked for, and what became of them."""
    for symbol, status in statuses.items():
        execute(
            database,
            "INSERT INTO symbol_universe (symbol, investment_class, status, asked_from, asked_to, "
            "asked_at, price_source, history_from, last_price_date, attempts, error_message, "
            "requested_by) VALUES (%s, 'PUBLIC', %s, '2024-01-02', '2025-07-01', now(), 'stated', "
            "'2024-01-03', '2025-06-30', 3, 'no price', 'position')",
            symbol,
            status,
        )


def memory(database: Database, symbol: str) -> tuple:
    with database.connection() as connection:
        row = connection.execute(
            "SELECT status, attempts, error_message, asked_from, asked_to, asked_at IS NULL, "
            "history_from, last_price_date, requested_by FROM symbol_universe WHERE symbol = %s",
            (symbol,),
        ).fetchone()
    assert row
    return row


def test_what_is_added_is_new_or_asked_again_or_there(database: Database) -> None:
    put(database, **{status.upper(): status for status in STATUSES})
    wanted = [*(status.upper() for status in STATUSES), "NEW", "NEW", "NA"]
    again = {"DELISTED", "RETIRED", "ERROR"}
    there = {"PENDING", "PROCESSING", "ACTIVE"}
    before = {symbol: memory(database, symbol) for symbol in there}
    assert add_members(database, wanted) == Added(frozenset({"NA", "NEW"}), again, there)
    assert before == {symbol: memory(database, symbol) for symbol in there}
    kept = (date(2024, 1, 3), date(2025, 6, 30))
    for symbol in again:
        assert memory(database, symbol) == (
            "active", 0, None, None, None, True, *kept, "universe",
        )  # fmt: skip
    new = UniverseMember("NEW", "PUBLIC", "active", None, None, None, None, "universe", None)
    assert members(database)["NEW"] == new
    assert add_members(database, wanted) == Added(frozenset(), frozenset(), frozenset(wanted))


def test_nothing_added_changes_nothing(database: Database) -> None:
    assert add_members(database, []) == Added(frozenset(), frozenset(), frozenset())
    assert members(database) == {}


def test_the_next_night_asks_whole_for_what_was_added_again_and_keeps_its_prices(
    database: Database,
) -> None:
    closes = {symbol: {"2025-07-01": 5.0, "2025-07-02": 6.0} for symbol in ("KO", "PEP")}
    source = StatedPrices(closes)
    add_prices(database, source, "2025-07-01", "2025-07-01", ["KO", "PEP"])
    retire_members(database, ["KO"])
    add_members(database, ["KO"])
    source.asked.clear()
    add_prices(database, source, "2025-07-02", "2025-07-02", run_id="next")
    since = {symbol: first for symbols, first, _ in source.asked for symbol in symbols}
    assert since["KO"] == sessions.offset(day("2025-07-01"), -HISTORY_SESSIONS)
    assert since["PEP"] > day("2025-06-01")
    with database.connection() as connection:
        stored = connection.execute(
            "SELECT symbol, date, close FROM market_data_cache ORDER BY symbol, date"
        ).fetchall()
    assert stored == [
        (symbol, day(on), close) for symbol in closes for on, close in closes[symbol].items()
    ]


def test_members_are_listed_in_byte_order_all_or_of_one_status(database: Database) -> None:
    put(database, ZZ="active", A="error", **{"A-B": "active", "AB": "retired"})
    assert list(members(database)) == ["A", "A-B", "AB", "ZZ"]
    assert list(members(database, "active")) == ["A-B", "ZZ"]
    assert list(members(database, "pending")) == []
    assert members(database)["A"] == UniverseMember(
        "A", "PUBLIC", "error", "stated", day("2024-01-03"), day("2025-06-30"), None, "position",
        "no price",
    )  # fmt: skip


def test_a_retired_symbol_is_not_asked_for_and_keeps_its_prices(database: Database) -> None:
    source = StatedPrices({symbol: {"2025-07-01": 5.0} for symbol in ("KO", "PEP")})
    add_prices(database, source, "2025-07-01", "2025-07-01", ["KO", "PEP"])
    assert retire_members(database, ["KO"]) == Retired({"KO"}, frozenset(), {})
    assert retire_members(database, ["KO"]) == Retired(frozenset(), {"KO"}, {})
    source.asked.clear()
    add_prices(database, source, "2025-07-02", "2025-07-02", run_id="next")
    asked = {symbol for symbols, _, _ in source.asked for symbol in symbols}
    assert "PEP" in asked
    assert "KO" not in asked
    with database.connection() as connection:
        [(kept,)] = connection.execute(
            "SELECT count(*) FROM market_data_cache WHERE symbol = 'KO'"
        ).fetchall()
    assert kept == 1


@pytest.fixture
def held(database: Database) -> Database:
    """Three portfolios, one of them deleted, and a universe that knows of what they hold."""
    lots = [lot("KO", "3", "60", "2025-06-02"), lot("KO", "-1", "60", "2025-06-03")]
    add_portfolio(
        database, *lots, lot(CONTRACT, "1", "9", "2025-06-02"), inception="2025-06-02", name="One"
    )
    second = [lot("KO", "3", "60", "2025-06-02", name="2"), lot("SOLD", "3", "60", "2025-06-02")]
    add_portfolio(
        database,
        *second,
        lot("GONE", "1", "5", "2025-06-02"),
        lot("FARM_X", "1", "5", "2025-06-02"),
        inception="2025-06-02",
        name="Two",
    )
    add_portfolio(
        database, lot("OLD", "3", "60", "2025-06-02"), inception="2025-06-02", name="Three"
    )
    execute(
        database,
        "UPDATE positions SET exit_date = '2025-06-20', exit_price = 9 WHERE symbol = 'SOLD'",
    )
    execute(database, "UPDATE positions SET deleted_at = now() WHERE symbol = 'GONE'")
    execute(database, "UPDATE portfolios SET deleted_at = now() WHERE account_name = 'Three'")
    put(
        database,
        **dict.fromkeys(("KO", "MSFT", "SOLD", "GONE", "OLD", "FARM_X", "FREE"), "active"),
        PAST="retired",
    )
    add_symbols(database, [CONTRACT, "SPY"], day("2025-06-02"), "a test")
    return database


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ("NOSUCH", "is not in the universe"),
        ("SPY", "is always in: a factor proxy or benchmark"),
        ("QUAL", "is always in: a factor proxy or benchmark"),
        ("KO", "is needed by open positions of 2 portfolios"),
        ("MSFT", "is needed by open positions of 1 portfolio"),
        (CONTRACT, "is needed by open positions of 1 portfolio"),
    ],
)
def test_what_must_stay_stays_and_so_does_everything_named_with_it(
    held: Database, symbol: str, reason: str
) -> None:
    before = members(held)
    assert retire_members(held, ["FREE", symbol, "PAST"]) == Retired(
        frozenset(), frozenset(), {symbol: reason}
    )
    assert members(held) == before


def test_every_reason_is_given_at_once(held: Database) -> None:
    refused = retire_members(held, ["NOSUCH", *always_in_universe(), "KO", "FREE"]).refused
    assert set(refused) == {"NOSUCH", *always_in_universe(), "KO"}


def test_what_was_sold_or_deleted_or_is_private_may_go(held: Database) -> None:
    free = {"SOLD", "GONE", "OLD", "FARM_X", "FREE"}
    assert retire_members(held, [*free, "PAST"]) == Retired(free, {"PAST"}, {})
    assert set(members(held, "retired")) == {*free, "PAST"}


def at_once(*works: Callable[[], object]) -> None:
    """Start all together, each in a thread of its own."""
    barrier = threading.Barrier(len(works))

    def start(work: Callable[[], object]) -> object:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(start, work) for work in works]:
            future.result()


def test_adds_retires_and_nights_meet_without_a_deadlock(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Each in an order of its own; a deadlock would be retried, and said so."""
    random.seed(11)

    def shuffled(count: int) -> list[str]:
        return random.sample([f"S{number:03}" for number in range(300)], count)

    def lock(symbols: Collection[str]) -> None:
        with database.connection() as connection:
            connection.execute(LOCK, (list(symbols),))

    def work(kind: int) -> None:
        for _ in range(12):
            add_members(database, shuffled(150))
            if kind == 0:
                retire_members(database, set(shuffled(100)) & set(members(database)))
            if kind == 1:
                add_symbols(database, shuffled(150), day("2025-07-01"), "a test")
            if kind == 2:
                lock(shuffled(150))

    with caplog.at_level(logging.WARNING):
        at_once(*(lambda kind=kind: work(kind) for kind in range(4)))
    assert "transaction failed" not in caplog.text


def test_of_several_who_add_the_same_symbols_each_new_one_is_added_once(
    database: Database,
) -> None:
    found: list[Added] = []
    names = [f"S{number:03}" for number in range(200)]
    put(database, S000="error", S199="retired")
    at_once(*[lambda: found.append(add_members(database, names))] * 4)
    assert sorted(symbol for added in found for symbol in added.new) == names[1:-1]
    assert sorted(symbol for added in found for symbol in added.asked_again) == ["S000", "S199"]


@pytest.mark.parametrize("change", [add_members, retire_members])
def test_whoever_waits_for_a_symbol_holds_none_that_comes_after_it(
    database: Database, change: Callable[[Database, list[str]], object]
) -> None:
    put(database, Z="active", A="active")
    with ThreadPoolExecutor(1) as pool:
        with database.connection() as night:
            night.execute(LOCK, (["A"],))
            waiting = pool.submit(change, database, ["Z", "A"])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            night.execute("SELECT FROM symbol_universe WHERE symbol = 'Z' FOR UPDATE NOWAIT")
        waiting.result(timeout=10)


def test_a_retire_waits_for_whoever_holds_the_symbol_and_sees_what_they_did(
    database: Database,
) -> None:
    put(database, KO="active")
    with ThreadPoolExecutor(1) as pool:
        with database.connection() as night:
            night.execute(LOCK, (["KO"],))
            waiting = pool.submit(retire_members, database, ["KO"])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            night.execute("DELETE FROM symbol_universe")
        assert waiting.result(timeout=10).refused == {"KO": "is not in the universe"}
