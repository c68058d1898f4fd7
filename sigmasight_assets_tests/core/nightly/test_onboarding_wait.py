"""A refresh waits a little for symbols that are on their way, and for no others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.universe import add_symbols, gather_universe
from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.nightly.onboarding_wait import await_onboarding
from sigmasight_assets.core.settings import load_settings
from sigmasight_assets_tests.builders import StatedPrices, add_portfolio, add_prices, day, lot

OPENED = "2025-07-01"
CONTRACT = "AAPL250718C00200000"


@dataclass
class Clock:
    """Time that passes in sleep alone; `happens` is called whenever somebody sleeps."""

    happens: Callable[[float], None] = lambda now: None
    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.happens(self.now - 1_000.0)


@pytest.fixture
def held(database: Database) -> Database:
    """A portfolio holds NEW, an option and a private lot."""
    add_portfolio(
        database,
        lot("NEW", "10", "20", OPENED),
        lot(CONTRACT, "1", "5", OPENED),
        lot("OUR_FARM", "1", "500", OPENED, value="500"),
        inception=OPENED,
    )
    return database


def waited(
    database: Database, symbols: Sequence[str] | None = None, seconds: float = 5.0
) -> tuple[list[str], list[float]]:
    """What was waited for in vain, and how."""
    clock = Clock()
    return list(await_onboarding(database, symbols, seconds, clock, clock.sleep)), clock.slept


def test_a_plain_night_never_waits(held: Database) -> None:
    """Neither before its symbols are gathered, nor between them and their prices, nor after."""
    assert waited(held) == ([], [])
    add_symbols(held, ["OTHER"], day(OPENED), "a person")
    gather_universe(held, day(OPENED), day(OPENED))
    assert waited(held) == ([], [])
    add_prices(held, StatedPrices({"NEW": {OPENED: 20.0}}), OPENED, OPENED)
    assert waited(held) == ([], [])


@pytest.mark.parametrize(
    ("status", "attempts", "asked", "is_waited_for"),
    [
        ("pending", 0, False, True),
        ("processing", 0, False, True),
        ("processing", 2, True, False),
        ("pending", 1, False, False),
        ("pending", 0, True, False),
        ("active", 0, False, False),
        ("delisted", 0, True, False),
        ("retired", 0, False, False),
        ("error", 3, True, False),
    ],
)
def test_a_symbol_is_waited_for_while_nobody_has_asked_for_it_in_vain(
    held: Database, status: str, attempts: int, asked: bool, is_waited_for: bool
) -> None:
    put(held, "NEW", status, attempts, asked)
    missing = ["NEW"] if is_waited_for else []
    assert waited(held) == (missing, [1.0] * 5 if missing else [])
    assert waited(held, ["NEW"]) == (missing, [1.0] * 5 if missing else [])


def test_a_source_that_has_no_price_ends_the_wait(held: Database) -> None:
    put(held, "NEW", "pending")
    assert waited(held)[0] == ["NEW"]
    tell(held, "UPDATE symbol_universe SET status = 'processing'")
    assert waited(held)[0] == ["NEW"]
    add_prices(held, StatedPrices({}), OPENED, OPENED)
    tell(held, "UPDATE symbol_universe SET status = 'pending' WHERE symbol = 'NEW'")
    assert waited(held) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE positions SET exit_date = '2025-07-02', exit_price = 20",
        "UPDATE positions SET deleted_at = now()",
        "UPDATE portfolios SET deleted_at = now()",
        "UPDATE positions SET investment_class = 'PRIVATE' WHERE symbol = 'NEW'",
        "UPDATE positions SET symbol = 'OTHER' WHERE symbol = 'NEW'",
        "UPDATE symbol_universe SET investment_class = 'OPTIONS'",
    ],
)
def test_only_symbols_in_open_public_positions_are_waited_for(held: Database, change: str) -> None:
    put(held, "NEW", "pending")
    tell(held, "UPDATE positions SET investment_class = NULL WHERE symbol = 'NEW'")
    assert waited(held)[0] == ["NEW"]
    tell(held, change)
    assert waited(held) == ([], [])


def test_named_symbols_are_waited_for_whoever_holds_them_and_no_others(held: Database) -> None:
    for symbol in ("NEW", "ZZZ", "AAA"):
        put(held, symbol, "pending")
    assert waited(held, ["ZZZ", "AAA", "UNKNOWN"])[0] == ["AAA", "ZZZ"]
    assert waited(held, []) == ([], [])
    assert waited(held)[0] == ["NEW"]


def test_the_wait_ends_when_the_symbol_arrives(held: Database) -> None:
    put(held, "NEW", "processing")

    def arrives(now: float) -> None:
        if now == 3:
            tell(held, "UPDATE symbol_universe SET status = 'active'")

    clock = Clock(arrives)
    assert await_onboarding(held, None, 120, clock, clock.sleep) == []
    assert clock.slept == [1.0] * 3


def test_the_wait_ends_on_time_and_says_every_ten_seconds_what_it_is_for(
    held: Database, caplog: pytest.LogCaptureFixture
) -> None:
    put(held, "NEW", "pending")
    with caplog.at_level(logging.INFO):
        missing, slept = waited(held, seconds=24.5)
    assert missing == ["NEW"]
    assert slept == [1.0] * 24 + [0.5]
    assert [record.getMessage() for record in caplog.records] == [
        f"waiting {left} s at most for symbols to arrive: NEW" for left in ("24", "14", "4")
    ]
    assert waited(held, seconds=0) == (["NEW"], [])


def test_nothing_is_held_while_it_sleeps(held: Database) -> None:
    put(held, "NEW", "pending")
    connected: list[int] = []

    def look(now: float) -> None:
        with held.connection() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state <> 'idle'"
            ).fetchone()
        assert row
        connected.append(row[0])

    clock = Clock(look)
    await_onboarding(held, None, 2, clock, clock.sleep)
    assert connected == [0, 0]


def test_how_long_to_wait_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().onboarding_wait_seconds == 120.0
    monkeypatch.setenv("SIGMASIGHT_ONBOARDING_WAIT", "7.5")
    assert load_settings().onboarding_wait_seconds == 7.5
    monkeypatch.setenv("SIGMASIGHT_ONBOARDING_WAIT", "-1")
    with pytest.raises(ConfigurationError, match=r"^SIGMASIGHT_ONBOARDING_WAIT: .* 0$"):
        load_settings()


def put(
    database: Database, symbol: str, status: str, attempts: int = 0, asked: bool = False
) -> None:
    """A PUBLIC symbol of the universe."""
    tell(
        database,
        "INSERT INTO symbol_universe (symbol, investment_class, status, attempts, asked_at) "
        "VALUES (%s, 'PUBLIC', %s, %s, CASE WHEN %s THEN now() END)",
        symbol,
        status,
        attempts,
        asked,
    )


def tell(database: Database, statement: str, *values: object) -> None:
    with database.connection() as connection:
        connection.execute(statement, values)
