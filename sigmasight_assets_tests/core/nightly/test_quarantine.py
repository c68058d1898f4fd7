"""One portfolio that fails is left out with its reason; the others complete."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.holes import Holes, portfolio_holes
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.demo.portfolios import demo_accounts
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.nightly import portfolio_blocks, portfolio_rows
from sigmasight_assets.core.nightly.portfolio_sessions import BATCH_TYPE, PortfolioSession
from sigmasight_assets.core.risk.portfolio_snapshots import Snapshots, snapshot_book
from sigmasight_assets_tests.builders import add_flow, alone, run_portfolios, run_symbols
from sigmasight_assets_tests.core.nightly.conftest import ON
from sigmasight_assets_tests.core.nightly.test_nights import COMPUTED, rows

BAD = str(demo_accounts(alone(SyntheticSource()), ON[0], ON[-1])[1].portfolio_id)
OWN = f"portfolio_id = '{BAD}'"
OTHERS = f"portfolio_id <> '{BAD}'"
OF_PORTFOLIOS = [
    name
    for name in COMPUTED
    if name.startswith(("portfolio", "factor_exp", "position", "corr", "market", "stress_test"))
]


def tell(database: Database, statement: str) -> None:
    with database.connection() as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def logged(database: Database) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(
            "SELECT batch_date, item, reason, detail FROM batch_failure_log "
            "WHERE batch_type = 'portfolio_layer' ORDER BY 1, 2, attempt"
        ).fetchall()


def plant_too_much(database: Database, since: date = ON[3]) -> None:
    """A position worth more than a money column holds, from a session on."""
    tell(
        database,
        "INSERT INTO positions (portfolio_id, symbol, position_type, quantity, entry_price, "
        f"entry_date, recorded_on) VALUES ('{BAD}', 'AAPL', 'LONG', 9e12, 1, '{since}', '{since}')",
    )


def test_a_portfolio_worth_more_than_can_be_stored_is_left_out_alone(
    market: Database, undisturbed: Database
) -> None:
    plant_too_much(market)
    run_symbols(market, ON)
    done = run_portfolios(market, ON)
    left_out = {
        each.session: [failure.item for failure in each.failed]
        for each in done
        if isinstance(each, PortfolioSession)
    }
    assert left_out == {day: [BAD] if day >= ON[3] else [] for day in ON}
    found = logged(market)
    assert [row[:3] for row in found] == [(day, BAD, "cannot_be_stored") for day in ON[3:]]
    assert all("more than can be stored" in detail for *_, detail in found)
    with market.connection() as connection:
        assert published(connection, Layer.PORTFOLIOS) == ON
    for name in OF_PORTFOLIOS:
        assert rows(market, name, OTHERS) == rows(undisturbed, name, OTHERS), name
    assert {row[1] for row in rows(market, "portfolio_snapshots", OWN)} == set(ON[:3])


def test_it_is_no_hole_until_somebody_mends_it(market: Database, undisturbed: Database) -> None:
    plant_too_much(market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    again = run_portfolios(market, ON[-1:], "again")
    assert [each.session for each in again] == [ON[-1]]
    assert len(logged(market)) == len(ON[3:]) + 1
    tell(market, "DELETE FROM positions WHERE quantity = 9e12")
    run_portfolios(market, ON[-1:], "mended")
    assert table_checksums(market) == table_checksums(undisturbed)


def raise_for(monkeypatch: pytest.MonkeyPatch, portfolio_ids: set[str], *on: date) -> None:
    def snapshots(priced: Any, session: date, *rest: Any) -> Snapshots:
        if session in on and portfolio_ids & set(priced.book.portfolios.id.tolist()):
            raise ZeroDivisionError("planted")
        return snapshot_book(priced, session, *rest)

    monkeypatch.setattr(portfolio_rows, "snapshot_book", snapshots)


def test_a_portfolio_whose_calculation_raises_is_left_out_alone(
    market: Database, undisturbed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_symbols(market, ON)
    with monkeypatch.context() as patch:
        raise_for(patch, {BAD}, ON[2])
        run_portfolios(market, ON)
    assert logged(market) == [(ON[2], BAD, "calculation_failed", "ZeroDivisionError: planted")]
    for name in OF_PORTFOLIOS:
        day = "snapshot_date" if name == "portfolio_snapshots" else "calculation_date"
        kept = f"{OTHERS} OR {day} <> '{ON[2]}'"
        assert rows(market, name, "true") == rows(undisturbed, name, kept), name
    run_portfolios(market, ON[2:3], "mended")
    assert table_checksums(market) == table_checksums(undisturbed)


@pytest.mark.parametrize(("most", "spared"), [(portfolio_blocks.MOST_RAISED, 0), (3, 1)])
def test_a_fault_of_all_or_of_many_portfolios_is_the_runs_and_not_theirs(
    computed: Database,
    undisturbed: Database,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    spared: int,
) -> None:
    with undisturbed.connection() as connection:
        everyone = [str(one) for (one,) in connection.execute("SELECT id FROM portfolios")]
    assert len(everyone) == 5
    monkeypatch.setattr(portfolio_blocks, "MOST_RAISED", most)
    raise_for(monkeypatch, set(everyone[spared:]), ON[2])
    with pytest.raises(ZeroDivisionError, match="planted"):
        run_portfolios(computed, ON[1:4], "broken")
    assert logged(computed) == []
    assert table_checksums(computed) == table_checksums(undisturbed)


def test_two_bad_portfolios_edited_on_one_day_do_not_stop_the_night(
    computed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are brought up to date by themselves: all of that book fail, and few of all."""
    with computed.connection() as connection:
        bad = sorted(str(one) for (one,) in connection.execute("SELECT id FROM portfolios"))[:2]
    for portfolio_id in bad:
        add_flow(computed, portfolio_id, str(ON[2]), "5")
    with monkeypatch.context() as patch:
        raise_for(patch, set(bad), *ON)
        run_portfolios(computed, ON[-1:], "night")
    assert {(row[0], row[1]) for row in logged(computed)} == {(d, b) for d in ON[2:] for b in bad}
    run_portfolios(computed, ON[-1:], "the fault is gone")
    run_portfolios(computed, ON[-1:], "and what failed is tried again")
    with computed.connection() as connection:
        assert portfolio_holes(connection, BATCH_TYPE) == Holes([], [])


def test_a_hole_where_it_once_failed_and_was_mended_is_filled(
    market: Database, undisturbed: Database
) -> None:
    plant_too_much(market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    tell(market, "DELETE FROM positions WHERE quantity = 9e12")
    run_portfolios(market, ON[-1:], "mended")
    tell(market, f"DELETE FROM portfolio_snapshots WHERE {OWN} AND snapshot_date = '{ON[3]}'")
    run_portfolios(market, ON[-1:], "the next")
    assert table_checksums(market) == table_checksums(undisturbed)


def test_blocks_of_any_size_give_the_same_bytes(
    market: Database, undisturbed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portfolio_blocks, "BLOCK_PORTFOLIOS", 2)
    monkeypatch.setattr(portfolio_blocks, "BLOCK_LOTS", 20)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert table_checksums(market) == table_checksums(undisturbed)
