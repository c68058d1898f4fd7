"""Sessions missing anywhere in a portfolio's history are found and filled."""

from __future__ import annotations

import pytest

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.holes import Holes, portfolio_holes
from sigmasight_assets.core.nightly.portfolio_sessions import BATCH_TYPE
from sigmasight_assets_tests.builders import add_portfolio, lot, run_portfolios, run_symbols
from sigmasight_assets_tests.core.nightly.conftest import ON
from sigmasight_assets_tests.core.nightly.test_nights import rows
from sigmasight_assets_tests.core.nightly.test_quarantine import BAD as ONE
from sigmasight_assets_tests.core.nightly.test_quarantine import OF_PORTFOLIOS, tell


def holes(database: Database, portfolio_ids: list[str] | None = None) -> Holes:
    with database.connection() as connection:
        return portfolio_holes(connection, BATCH_TYPE, portfolio_ids)


def remove(database: Database, portfolio_id: str, day: object) -> None:
    for name in OF_PORTFOLIOS:
        column = "snapshot_date" if name == "portfolio_snapshots" else "calculation_date"
        tell(
            database,
            f"DELETE FROM {name} WHERE portfolio_id = '{portfolio_id}' AND {column} = '{day}'",
        )


def test_a_whole_history_has_no_holes(undisturbed: Database) -> None:
    assert holes(undisturbed) == Holes([], [])


@pytest.mark.parametrize("missing", [ON[:1], ON[2:3], ON[1:4], [ON[0], ON[3]]])
def test_sessions_missing_in_the_middle_are_filled_by_the_next_refresh(
    computed: Database, undisturbed: Database, missing: list
) -> None:
    for day in missing:
        remove(computed, ONE, day)
    assert holes(computed) == Holes(missing, [ONE])
    done = run_portfolios(computed, ON[-1:], "the next")
    assert [each.session for each in done] == [ON[-1], *missing]
    assert table_checksums(computed) == table_checksums(undisturbed)


def test_a_refresh_of_one_portfolio_fills_its_holes_alone(
    computed: Database, undisturbed: Database
) -> None:
    with computed.connection() as connection:
        other = connection.execute("SELECT max(id::text) FROM portfolios").fetchall()[0][0]
    assert other != ONE
    remove(computed, ONE, ON[2])
    remove(computed, other, ON[3])
    assert holes(computed, [ONE]) == Holes([ON[2]], [ONE])
    run_portfolios(computed, ON[-1:], "one", [ONE])
    assert holes(computed) == Holes([ON[3]], [other])
    run_portfolios(computed, ON[-1:], "all")
    assert table_checksums(computed) == table_checksums(undisturbed)


def test_a_portfolio_without_positions_gets_the_history_since_its_inception(
    computed: Database, market: Database
) -> None:
    for database in (computed, market):
        add_portfolio(database, inception=str(ON[1]), name="Empty")
    run_portfolios(computed, ON[-1:], "the next")
    run_symbols(market, ON)
    run_portfolios(market, ON)
    # Its id is its own in each database.
    columns = "snapshot_date, net_asset_value, cash_value, daily_pnl, num_positions"
    query = f"""
        SELECT {columns} FROM portfolio_snapshots s JOIN portfolios p ON p.id = s.portfolio_id
        WHERE p.account_name = 'Empty' ORDER BY 1
    """
    with computed.connection() as one, market.connection() as other:
        found, expected = one.execute(query).fetchall(), other.execute(query).fetchall()  # type: ignore[call-overload]
    assert found == expected
    assert [row[0] for row in found] == ON[1:]


def test_a_portfolio_entered_late_has_its_whole_past(computed: Database, market: Database) -> None:
    entered = lot("AAPL", "10", "200", str(ON[1]))
    for database in (computed, market):
        add_portfolio(database, entered, inception=str(ON[1]), name="Late")
    run_portfolios(computed, ON[-1:], "the next")
    run_symbols(market, ON)
    run_portfolios(market, ON)
    late = "portfolio_id IN (SELECT id FROM portfolios WHERE account_name = 'Late')"
    found, expected = (rows(each, "portfolio_snapshots", late) for each in (computed, market))
    assert [row[1:] for row in found] == [row[1:] for row in expected]
    assert len(found) == len(ON) - 1
