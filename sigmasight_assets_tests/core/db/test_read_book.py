"""What people own comes back as they stated it."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from psycopg import IsolationLevel

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import read_book
from sigmasight_assets.core.db.read.companies import companies_at
from sigmasight_assets.core.db.read.factors import factor_covariance, profiles, symbol_factors
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.read.quality import beta_coverage, nav_breaks
from sigmasight_assets.core.db.read.summary import portfolio_summaries
from sigmasight_assets.core.db.read.universe import latest_asked, recorded_actions, universe_entries
from sigmasight_assets.core.shapes.book import Book
from sigmasight_assets.core.symbols import InvestmentClass
from sigmasight_assets_tests.builders import add_flow, add_portfolio, add_valuation, day, days, lot

SESSION = day("2025-07-15")
LOTS = (
    lot("AAPL", "3.5", "8.123456", "2025-07-08"),
    lot("AAPL", "-2", "0.000001", "2025-07-05", name="short"),
    lot("AAPL250718P00200500", "-4", "4.5", "2025-07-01"),
    lot("OUR_FARM", "1", "99999999999.999999", "2025-07-03", value="-500.25"),
)
OTHERS = (lot("IBM", "12345678901234.5", "1", "2025-07-01"), lot("NAN", "1", "2", "2025-07-02"))


@pytest.fixture
def ids(database: Database) -> list[str]:
    first = add_portfolio(database, *LOTS, inception="2025-07-01", equity="5000.000001")
    second = add_portfolio(database, *OTHERS, inception="2025-07-10", name="Second")
    empty = add_portfolio(database, inception="2025-07-02", name="Empty", equity="0")
    deleted = add_portfolio(
        database, lot("TSLA", "1", "1", "2025-07-01"), inception="2025-07-01", name="Deleted"
    )
    add_flow(database, first, "2025-07-06", "100.5")
    add_flow(database, first, "2025-07-09", "-40")
    add_flow(database, first, "2025-07-10", "7")
    add_flow(database, deleted, "2025-07-10", "7")
    farm = LOTS[3].position_id
    for on, value in (("2025-07-20", "3"), ("2025-07-04", "-1")):
        add_valuation(database, farm, on, value)
    execute(
        database,
        f"UPDATE positions SET exit_date = '2025-07-12', exit_price = 9.5, recorded_on = "
        f"'2025-07-09', exit_recorded_on = '2025-07-14' WHERE id = '{LOTS[0].position_id}'",
        f"UPDATE positions SET investment_class = NULL WHERE id = '{LOTS[1].position_id}'",
        f"UPDATE positions SET deleted_at = now() WHERE id = '{OTHERS[1].position_id}'",
        "UPDATE equity_changes SET deleted_at = now() WHERE amount = 7",
        f"UPDATE portfolios SET deleted_at = now() WHERE id = '{deleted}'",
        "INSERT INTO symbol_universe (symbol, investment_class, status, last_price_date, "
        "single_series) VALUES ('AAPL', 'PUBLIC', 'active', '2025-07-14', false), "
        "('IBM', 'PUBLIC', 'active', '2025-07-14', true), ('OLD', 'PUBLIC', 'error', NULL, false)",
        "INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source) "
        "VALUES ('AAPL', '2025-07-14', 'split', 4, 'x'), ('AAPL', '2025-07-14', 'dividend', .25, "
        "'x'), ('AAPL', '2025-07-15', 'split', 2, 'x'), ('IBM', '2025-07-14', 'dividend', 1, 'x'), "
        "('IBM', '2025-07-11', 'split', .1, 'x'), ('OLD', '2025-07-11', 'split', 3, 'x')",
    )
    return sorted([first, second, empty])


def execute(database: Database, *statements: str) -> None:
    with database.connection() as connection:
        for statement in statements:
            connection.execute(statement)


def book_of(database: Database, *args: Any) -> Book:
    with database.connection() as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return read_book(connection, *args)


def test_every_lot_comes_back_as_it_was_stated(database: Database, ids: list[str]) -> None:
    book = book_of(database, SESSION)
    assert book.portfolios.id.tolist() == ids
    lots = book.lots
    order = list(zip(lots.portfolio.tolist(), lots.position_id.tolist(), strict=True))
    assert order == sorted(order)
    assert set(lots.position_id) == {str(each.position_id) for each in (*LOTS, OTHERS[0])}
    for stated in (*LOTS, OTHERS[0]):
        (at,) = np.flatnonzero(lots.position_id == str(stated.position_id))
        kind = (lots.is_public[at], lots.is_option[at], lots.is_private[at])
        assert kind == (
            stated.investment_class == "PUBLIC",
            stated.investment_class == "OPTIONS",
            stated.investment_class == "PRIVATE",
        )
        assert lots.symbol[at] == stated.symbol
        assert lots.quantity[at] == float(stated.quantity)
        assert lots.entry_price[at] == float(stated.entry_price)
        assert lots.entry_date[at] == np.datetime64(stated.entry_date)
        assert lots.multiplier[at] == (100 if stated.contract else 1)
        assert lots.underlying[at] == (stated.contract.root if stated.contract else "")
        if stated.contract:
            assert lots.strike[at] == stated.contract.strike
            assert lots.expiration[at] == np.datetime64(stated.contract.expiration)
            assert not lots.is_call[at]
        else:
            assert np.isnan(lots.strike[at])
            assert np.isnat(lots.expiration[at])
        if stated is not LOTS[0]:
            assert np.isnan(lots.exit_price[at])
            assert np.isnat(lots.exit_date[at])
            assert np.isnat(lots.exit_recorded_on[at])
            assert lots.recorded_on[at] == np.datetime64(stated.entry_date)
    (sold,) = np.flatnonzero(lots.position_id == str(LOTS[0].position_id))
    assert lots.exit_price[sold] == 9.5
    assert lots.exit_date[sold] == np.datetime64("2025-07-12")
    assert lots.recorded_on[sold] == np.datetime64("2025-07-09")
    assert lots.exit_recorded_on[sold] == np.datetime64("2025-07-14")


def test_valuations_flows_and_actions_find_their_owners(database: Database, ids: list[str]) -> None:
    book = book_of(database, SESSION)
    farm = {book.lots.symbol[number] for number in book.valuations.lot}
    assert farm == {"OUR_FARM"}
    assert book.valuations.date.astype(str).tolist() == ["2025-07-03", "2025-07-04", "2025-07-20"]
    assert book.valuations.market_value.tolist() == [-500.25, -1.0, 3.0]
    flows = {
        (book.portfolios.id[owner], str(on), amount)
        for owner, on, amount in zip(
            book.flows.portfolio, book.flows.date, book.flows.amount.tolist(), strict=True
        )
    }
    first = book.portfolios.id[book.lots.portfolio[book.valuations.lot[0]]]
    assert flows == {(first, "2025-07-06", 100.5), (first, "2025-07-09", -40.0)}
    actions = book.actions
    assert list(
        zip(
            actions.symbol.tolist(),
            actions.ex_date.astype(str).tolist(),
            map(str, actions.split_ratio.tolist()),
            map(str, actions.dividend.tolist()),
            strict=True,
        )
    ) == [
        ("AAPL", "2025-07-14", "nan", "0.25"),
        ("AAPL", "2025-07-14", "4.0", "nan"),
        ("IBM", "2025-07-11", "0.1", "nan"),
    ]


def test_a_portfolio_is_read_from_its_inception_on_and_by_name(
    database: Database, ids: list[str]
) -> None:
    whole = book_of(database, SESSION)
    inception = dict(
        zip(whole.portfolios.id.tolist(), whole.portfolios.inception.astype(str), strict=True)
    )
    assert sorted(inception.values()) == ["2025-07-01", "2025-07-02", "2025-07-10"]
    early = book_of(database, day("2025-07-09"))
    assert set(early.portfolios.id) == {one for one in ids if inception[one] < "2025-07-10"}
    equity = dict(zip(whole.portfolios.id.tolist(), whole.portfolios.starting_equity, strict=True))
    assert sorted(equity.values()) == [0.0, 5000.000001, 100000.0]
    (second,) = (one for one in ids if inception[one] == "2025-07-10")
    alone = book_of(database, SESSION, [second])
    assert alone.portfolios.id.tolist() == [second]
    assert alone.lots.symbol.tolist() == ["IBM"]
    assert alone.lots.portfolio.tolist() == [0]
    assert len(alone.valuations.lot) == len(alone.flows.portfolio) == 0
    assert len(book_of(database, SESSION, []).portfolios) == 0


def test_a_quantity_of_the_largest_size_is_exact_to_a_double(
    database: Database, ids: list[str]
) -> None:
    book = book_of(database, SESSION)
    assert float(Decimal("12345678901234.5")) in book.lots.quantity


def test_an_empty_database_answers_every_question(database: Database) -> None:
    with database.connection() as connection:
        book = read_book(connection, SESSION)
        for part in fields(book):
            rows = getattr(book, part.name)
            assert {len(getattr(rows, each.name)) for each in fields(rows)} == {0}, part.name
        assert symbol_factors(connection, SESSION).betas.shape == (0, 12)
        assert symbol_factors(connection, SESSION).joint.shape == (0, 8)
        found = factor_covariance(connection, SESSION)
        assert np.isnan(found.covariance).all()
        assert np.isnan(found.correlation).all()
        assert np.isnan(found.market_slopes).all()
        assert found.observations == 0
        assert profiles(connection).symbols == ()
        for latest in (SESSION, day("2025-07-16")):
            assert companies_at(connection, SESSION, latest).profiles.symbols == ()
        assert published(connection, Layer.SYMBOLS) == []
        assert universe_entries(connection, InvestmentClass.PUBLIC, SESSION) == []
        assert latest_asked(connection) is None
        assert recorded_actions(connection, ["AAPL"]) == []
        assert portfolio_summaries(connection) == []
        assert nav_breaks(connection, [SESSION], [day("2025-07-14")]) == []
        assert [
            each.share for each in beta_coverage(connection, days("2025-07-14", "2025-07-15"))
        ] == [0, 0]
