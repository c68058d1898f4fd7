"""Whoever changes the past, the portfolios concerned are marked from the first session it alters.

Methodology, section 4, "Changes of the past".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import change_marks
from sigmasight_assets.core.db.write.portfolios import settle_refresh
from sigmasight_assets.core.db.write.prices import write_prices
from sigmasight_assets.core.db.write.universe import gather_universe
from sigmasight_assets.core.market.planning import FetchRequest
from sigmasight_assets_tests.builders import (
    StatedPrices,
    add_flow,
    add_portfolio,
    add_valuation,
    asking_for,
    claim,
    day,
    days,
    lot,
)

INCEPTION = "2025-07-01"
SHARES = lot("AAPL", "3", "8", "2025-07-08")
SOLD = lot("MSFT", "3", "8", INCEPTION)
FARM = lot("OUR_FARM", "1", "500", "2025-07-03", value="500")
OPTION = lot("AAPL250718C00200000", "2", "4.5", INCEPTION)


@pytest.fixture
def book(database: Database) -> str:
    """A portfolio that nobody has changed since its last refresh."""
    book = add_portfolio(database, SHARES, SOLD, FARM, OPTION, inception=INCEPTION)
    add_portfolio(database, lot("IBM", "1", "8", INCEPTION), inception=INCEPTION, name="Other")
    execute(
        database,
        "UPDATE positions SET exit_date = '2025-07-15', exit_price = 9 WHERE id = %s",
        SOLD.position_id,
    )
    add_flow(database, book, "2025-07-10", "100")
    settle(database)
    return book


def execute(database: Database, statement: str, *values: object) -> None:
    with database.connection() as connection:
        connection.execute(statement, values)


def settle(database: Database) -> None:
    with database.connection() as connection:
        marks = change_marks(connection, day("2030-01-02"))
    settle_refresh(database, marks)


def mark(database: Database, portfolio_id: str) -> tuple[date | None, int]:
    with database.connection() as connection:
        row = connection.execute(
            "SELECT stale_from, data_version FROM portfolios WHERE id = %s", (portfolio_id,)
        ).fetchone()
    assert row
    return row


CHANGES: dict[str, tuple[str, object, str | None]] = {
    "a lot of another size": (
        "UPDATE positions SET quantity = 4 WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot entered at another price": (
        "UPDATE positions SET entry_price = 7 WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot entered earlier": (
        "UPDATE positions SET entry_date = '2025-07-02' WHERE id = %s",
        SHARES.position_id,
        "2025-07-02",
    ),
    "a lot entered later": (
        "UPDATE positions SET entry_date = '2025-07-10' WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot of another symbol": (
        "UPDATE positions SET symbol = 'IBM' WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot of another class": (
        "UPDATE positions SET investment_class = NULL WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot whose figures were recorded on another day": (
        "UPDATE positions SET recorded_on = '2025-07-20' WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot from before inception": (
        "UPDATE positions SET entry_date = '2019-03-04' WHERE id = %s",
        SHARES.position_id,
        INCEPTION,
    ),
    "an exit": (
        "UPDATE positions SET exit_date = '2025-07-11', exit_price = 9 WHERE id = %s",
        SHARES.position_id,
        "2025-07-11",
    ),
    "an exit at another price": (
        "UPDATE positions SET exit_price = 10 WHERE id = %s",
        SOLD.position_id,
        "2025-07-15",
    ),
    "an exit recorded on another day": (
        "UPDATE positions SET exit_recorded_on = '2025-07-20' WHERE id = %s",
        SOLD.position_id,
        "2025-07-15",
    ),
    "an earlier exit": (
        "UPDATE positions SET exit_date = '2025-07-09' WHERE id = %s",
        SOLD.position_id,
        "2025-07-09",
    ),
    "a later exit": (
        "UPDATE positions SET exit_date = '2025-07-22' WHERE id = %s",
        SOLD.position_id,
        "2025-07-15",
    ),
    "an exit taken back": (
        "UPDATE positions SET exit_date = NULL, exit_price = NULL WHERE id = %s",
        SOLD.position_id,
        "2025-07-15",
    ),
    "an exit and a size": (
        "UPDATE positions SET exit_date = '2025-07-22', quantity = 5 WHERE id = %s",
        SOLD.position_id,
        INCEPTION,
    ),
    "an exit after the expiry that had closed the option": (
        "UPDATE positions SET exit_date = '2025-08-01', exit_price = 9 WHERE id = %s",
        OPTION.position_id,
        "2025-07-14",
    ),
    "a lot deleted softly": (
        "UPDATE positions SET deleted_at = now() WHERE id = %s",
        SHARES.position_id,
        "2025-07-08",
    ),
    "a lot deleted": ("DELETE FROM positions WHERE id = %s", SHARES.position_id, "2025-07-08"),
    "a lot that was held at inception deleted": (
        "DELETE FROM positions WHERE id = %s",
        SOLD.position_id,
        INCEPTION,
    ),
    "a valuation": (
        "INSERT INTO position_valuations (position_id, valuation_date, market_value, entered_by) "
        "VALUES (%s, '2025-07-12', 600, 'owner')",
        FARM.position_id,
        "2025-07-12",
    ),
    "a valuation corrected": (
        "UPDATE position_valuations SET market_value = 7 WHERE position_id = %s",
        FARM.position_id,
        "2025-07-03",
    ),
    "a valuation moved": (
        "UPDATE position_valuations SET valuation_date = '2025-07-20' WHERE position_id = %s",
        FARM.position_id,
        "2025-07-03",
    ),
    "a valuation deleted": (
        "DELETE FROM position_valuations WHERE position_id = %s",
        FARM.position_id,
        "2025-07-03",
    ),
    "nothing": ("UPDATE positions SET quantity = 3 WHERE id = %s", SHARES.position_id, None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_lot_marks_its_portfolio(database: Database, book: str, change: str) -> None:
    statement, position, expected = CHANGES[change]
    _, before = mark(database, book)
    other = mark(database, other_book(database))
    execute(database, statement, position)
    stale_from, after = mark(database, book)
    assert stale_from == (None if expected is None else day(expected))
    assert (after > before) == (expected is not None)
    assert mark(database, other_book(database)) == other


def other_book(database: Database) -> str:
    with database.connection() as connection:
        row = connection.execute(
            "SELECT id::text FROM portfolios WHERE account_name = 'Other'"
        ).fetchone()
    assert row
    return row[0]


PORTFOLIO_CHANGES: dict[str, tuple[str, str]] = {
    "another equity": ("UPDATE portfolios SET starting_equity = 5 WHERE id = %s", INCEPTION),
    "a later inception": (
        "UPDATE portfolios SET inception_date = '2025-07-08' WHERE id = %s",
        INCEPTION,
    ),
    "an earlier inception": (
        "UPDATE portfolios SET inception_date = '2025-06-02' WHERE id = %s",
        "2025-06-02",
    ),
    "deleted softly": ("UPDATE portfolios SET deleted_at = now() WHERE id = %s", INCEPTION),
    "a flow": (
        "INSERT INTO equity_changes (portfolio_id, change_type, amount, change_date) "
        "VALUES (%s, 'WITHDRAWAL', 5, '2025-07-12')",
        "2025-07-12",
    ),
    "a flow corrected": (
        "UPDATE equity_changes SET amount = 7 WHERE portfolio_id = %s",
        "2025-07-10",
    ),
    "a flow moved forward": (
        "UPDATE equity_changes SET change_date = '2025-07-22' WHERE portfolio_id = %s",
        "2025-07-10",
    ),
    "a flow moved back": (
        "UPDATE equity_changes SET change_date = '2025-07-02' WHERE portfolio_id = %s",
        "2025-07-02",
    ),
    "a flow deleted softly": (
        "UPDATE equity_changes SET deleted_at = now() WHERE portfolio_id = %s",
        "2025-07-10",
    ),
    "a flow deleted": ("DELETE FROM equity_changes WHERE portfolio_id = %s", "2025-07-10"),
    "a flow from before inception": (
        "UPDATE equity_changes SET change_date = '2020-01-02' WHERE portfolio_id = %s",
        INCEPTION,
    ),
}


@pytest.mark.parametrize("change", PORTFOLIO_CHANGES)
def test_a_change_of_a_portfolio_or_its_flows_marks_it(
    database: Database, book: str, change: str
) -> None:
    statement, expected = PORTFOLIO_CHANGES[change]
    _, before = mark(database, book)
    execute(database, statement, book)
    stale_from, after = mark(database, book)
    assert stale_from == day(expected)
    assert after > before


def test_a_name_is_no_change_of_the_past(database: Database, book: str) -> None:
    before = mark(database, book)
    execute(database, "UPDATE portfolios SET account_name = 'New' WHERE id = %s", book)
    assert mark(database, book) == before


def test_a_new_portfolio_is_marked_from_its_inception_even_without_a_lot(
    database: Database,
) -> None:
    empty = add_portfolio(database, inception="2025-06-24", name="Empty")
    assert mark(database, empty)[0] == day("2025-06-24")
    late = add_portfolio(
        database, lot("AAPL", "1", "1", "2025-07-08"), inception="2025-06-24", name="Late"
    )
    assert mark(database, late)[0] == day("2025-06-24")


def test_a_lot_that_moves_marks_the_portfolio_it_leaves_and_the_one_it_enters(
    database: Database, book: str
) -> None:
    other = other_book(database)
    execute(
        database,
        "UPDATE positions SET portfolio_id = %s WHERE id = %s",
        other,
        SHARES.position_id,
    )
    assert mark(database, book)[0] == mark(database, other)[0] == day("2025-07-08")


def test_several_changes_keep_the_earliest_mark(database: Database, book: str) -> None:
    for on in ("2025-07-12", "2025-07-09", "2025-07-16"):
        add_valuation(database, FARM.position_id, on, "5")
    assert mark(database, book)[0] == day("2025-07-09")


def test_one_statement_marks_each_portfolio_once(database: Database, book: str) -> None:
    before = mark(database, book)[1], mark(database, other_book(database))[1]
    execute(database, "UPDATE positions SET quantity = quantity * 2")
    after = mark(database, book)[1], mark(database, other_book(database))[1]
    assert after == (before[0] + 1, before[1] + 1)


def test_an_edit_during_a_refresh_keeps_its_mark(database: Database, book: str) -> None:
    execute(database, "UPDATE positions SET quantity = 9 WHERE id = %s", SHARES.position_id)
    with database.connection() as connection:
        marks = change_marks(connection, day("2025-07-15"))
    execute(database, "UPDATE positions SET entry_price = 9 WHERE id = %s", SHARES.position_id)
    settle_refresh(database, marks)
    assert mark(database, book)[0] == day("2025-07-08")
    settle(database)
    assert mark(database, book)[0] is None


def test_marks_are_read_for_the_portfolios_that_are_there(database: Database, book: str) -> None:
    execute(database, "UPDATE positions SET quantity = 9 WHERE id = %s", SHARES.position_id)

    def read(last: str, ids: list[str] | None = None) -> dict:
        def marks(connection: Connection) -> dict:
            found = change_marks(connection, day(last), ids)
            return dict(zip(found.id.tolist(), found.stale_from.astype(object), strict=True))

        return database.transaction(marks)

    other = other_book(database)
    assert read("2025-07-15") == {book: day("2025-07-08"), other: None}
    assert read("2025-07-15", [other]) == {other: None}
    assert read("2025-06-30") == {}
    execute(database, "UPDATE portfolios SET deleted_at = now() WHERE id = %s", other)
    assert set(read("2025-07-15")) == {book}


def store(database: Database, closes: dict[str, dict[str, float]], replace: bool = False) -> None:
    on = days("2025-06-24", "2025-07-10")
    held = claim(database, Layer.SYMBOLS, on, "a")
    request = FetchRequest(("AAPL", "IBM", "MSFT"), on[0], on[-1], replace)
    answer = StatedPrices(closes).fetch(request.symbols, request.first, request.last)
    write_prices(database, asking_for(database, held, day("2025-06-02")), request, answer)


@pytest.mark.parametrize(
    ("changed_on", "expected"),
    [("2025-07-09", "2025-07-09"), ("2025-07-01", INCEPTION), ("2025-06-24", INCEPTION)],
)
def test_a_corrected_price_marks_the_holders_from_its_session_or_inception(
    database: Database, book: str, changed_on: str, expected: str
) -> None:
    gather_universe(database, day("2025-07-01"), day("2025-07-10"))
    closes = {"MSFT": {"2025-06-24": 1.0, "2025-07-01": 2.0, "2025-07-09": 3.0}}
    store(database, closes)
    settle(database)
    before = mark(database, book)
    store(database, closes)
    assert mark(database, book) == before
    closes["MSFT"][changed_on] = 9.0
    other = mark(database, other_book(database))
    # A history whose oldest bar differs is restated: it is stored whole.
    store(database, closes, replace=changed_on == "2025-06-24")
    stale_from, version = mark(database, book)
    assert (stale_from, version) == (day(expected), before[1] + 1)
    assert mark(database, other_book(database)) == other


def test_a_price_of_the_underlying_marks_the_holder_of_an_option(
    database: Database, book: str
) -> None:
    execute(database, "DELETE FROM positions WHERE symbol = 'AAPL'")
    gather_universe(database, day("2025-07-01"), day("2025-07-10"))
    settle(database)
    store(database, {"AAPL": {"2025-07-09": 1.0}})
    assert mark(database, book)[0] == day("2025-07-09")


def test_prices_that_a_new_source_does_not_have_mark_the_holders_they_leave(
    database: Database, book: str
) -> None:
    gather_universe(database, day("2025-07-01"), day("2025-07-10"))
    store(database, {"MSFT": {"2025-07-01": 2.0, "2025-07-09": 3.0}})
    settle(database)
    store(database, {"MSFT": {"2025-07-09": 3.0}}, replace=True)
    assert mark(database, book)[0] == day(INCEPTION)
    settle(database)
    store(database, {}, replace=True)
    assert mark(database, book)[0] is None, "its own source vouches for the window"
    execute(database, "UPDATE symbol_universe SET price_source = 'a source of the past'")
    store(database, {}, replace=True)
    assert mark(database, book)[0] == day("2025-07-09")


@pytest.mark.parametrize(
    ("action", "value", "expected"),
    [("dividend", 0.5, "2025-07-09"), ("split", 4, INCEPTION)],
)
def test_a_corporate_action_marks_the_holders(
    database: Database, book: str, action: str, value: float, expected: str
) -> None:
    changes: list[Callable[[], None]] = [
        lambda: execute(
            database,
            "INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source)"
            " VALUES ('MSFT', '2025-07-09', %s, %s, 'a test')",
            action,
            value,
        ),
        lambda: execute(database, "UPDATE corporate_actions SET value = 2"),
        lambda: execute(database, "DELETE FROM corporate_actions"),
    ]
    other = mark(database, other_book(database))
    for change in changes:
        change()
        assert mark(database, book)[0] == day(expected)
        settle(database)
    execute(database, "UPDATE corporate_actions SET fetched_at = now()")
    assert mark(database, book)[0] is None
    assert mark(database, other_book(database)) == other
