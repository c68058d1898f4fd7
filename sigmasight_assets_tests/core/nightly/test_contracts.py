"""Option contracts enter the universe with their positions, and leave with them or expire."""

from __future__ import annotations

import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.universe import gather_universe
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.builders import StatedPrices, add_portfolio, add_prices, day, lot

CONTRACT = "AAPL250718C00200000"
BOUGHT = "2025-07-01"
STATES = "SELECT status, error_message FROM symbol_universe WHERE symbol = %s"


@pytest.fixture
def held(database: Database) -> Database:
    """A book with two of the contract, which expires on Friday 2025-07-18."""
    add_portfolio(database, lot(CONTRACT, "2", "11", BOUGHT), inception=BOUGHT)
    return database


def gather(database: Database, on: str) -> tuple[str, str | None]:
    gather_universe(database, day(on), day(on))
    return state(database)


def state(database: Database, symbol: str = CONTRACT) -> tuple[str, str | None]:
    with database.connection() as connection:
        (row,) = connection.execute(STATES, (symbol,)).fetchall()
    return row


def sell(database: Database, on: str | None) -> None:
    with database.connection() as connection:
        connection.execute(
            "UPDATE positions SET exit_date = %s, exit_price = %s", (on, on and "9.00")
        )


def asked(database: Database, on: str, run_id: str) -> bool:
    """Whether a night asks for the contract."""
    always = {symbol: {BOUGHT: 10.0, on: 10.0} for symbol in always_in_universe()}
    source = StatedPrices({**always, CONTRACT: {BOUGHT: 11.0}})
    add_prices(database, source, on, on, run_id=run_id)
    return any(CONTRACT in symbols for symbols, *_ in source.asked)


def test_a_contract_enters_with_its_position_and_brings_its_underlying(held: Database) -> None:
    assert gather(held, BOUGHT) == ("active", None)
    assert state(held, "AAPL") == ("active", None)


def test_a_contract_is_live_on_its_expiration_and_gone_on_the_next_session(
    held: Database,
) -> None:
    assert gather(held, "2025-07-18") == ("active", None)
    assert gather(held, "2025-07-21") == ("retired", "expired on 2025-07-18")


def test_an_expired_contract_that_is_still_held_is_not_asked_for_every_night(
    held: Database,
) -> None:
    assert asked(held, "2025-07-17", "a")
    assert asked(held, "2025-07-18", "b")
    assert not asked(held, "2025-07-21", "c")
    assert not asked(held, "2025-07-22", "d")


def test_a_contract_whose_last_days_were_missed_is_asked_for_once_more(held: Database) -> None:
    assert asked(held, "2025-07-15", "a")
    assert asked(held, "2025-07-23", "b")
    assert not asked(held, "2025-07-24", "c")


def test_a_contract_leaves_with_its_last_position_and_comes_back_with_a_new_one(
    held: Database,
) -> None:
    assert asked(held, BOUGHT, "a")
    sell(held, "2025-07-08")
    assert gather(held, "2025-07-08") == ("active", None)
    assert gather(held, "2025-07-09") == ("retired", "no position holds it")
    assert not asked(held, "2025-07-10", "b")
    sell(held, None)
    assert gather(held, "2025-07-11") == ("active", None)
    assert asked(held, "2025-07-11", "c")


def test_a_backfill_of_the_past_does_not_revive_a_contract(held: Database) -> None:
    assert gather(held, "2025-07-21")[0] == "retired"
    assert gather(held, "2025-07-02")[0] == "retired"


def test_proxies_are_asked_for_whatever_their_status(held: Database) -> None:
    gather(held, BOUGHT)
    with held.connection() as connection:
        connection.execute("UPDATE symbol_universe SET status = 'error' WHERE symbol = 'TLT'")
    source = StatedPrices({})
    add_prices(held, source, "2025-07-02", "2025-07-02", run_id="b")
    assert any("TLT" in symbols for symbols, *_ in source.asked)
