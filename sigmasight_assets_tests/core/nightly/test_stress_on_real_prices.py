"""Stress tests of whole books on real prices, and the page that shows them (section 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.stress_page import Stressed, books, markdown, stressed
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.accounts import Account, Position
from sigmasight_assets.core.risk.scenarios import load_scenarios
from sigmasight_assets_tests.postgres import drop_database, fresh_database
from sigmasight_assets_tests.symbol_panels import REAL_PRICES, needs_real_prices

pytestmark = needs_real_prices

PAGE = Path(__file__).parents[3] / "docs" / "method.md"
ACTIVE = [each for each in load_scenarios() if each.is_active]
OTHER_SIDE = {"LONG": "SHORT", "SHORT": "LONG"}
Results = dict[str, Stressed]


@pytest.fixture(scope="module")
def session() -> date:
    """The last session of the file."""
    return pc.max(pq.read_table(REAL_PRICES, columns=["date"])["date"]).as_py()


@pytest.fixture(scope="module")
def accounts(session: date) -> list[Account]:
    return books(REAL_PRICES, session)


@pytest.fixture(scope="module")
def results(
    server: EmbeddedPostgres, template: str, session: date, accounts: Sequence[Account]
) -> Iterator[Results]:
    """Every book of the page, and its opposite, through one night."""
    url = fresh_database(server, template=template)
    opposites = [opposite(each) for each in accounts]
    yield stressed(Database(url), REAL_PRICES, session, [*accounts, *opposites])
    drop_database(server, url)


def opposite(account: Account) -> Account:
    """The PUBLIC lots, which alone have a part in the figures, on the other side."""
    public = [each for each in account.positions if each.investment_class == "PUBLIC"]
    return replace(
        account,
        portfolio_id=uuid5(NAMESPACE_URL, f"opposite of {account.portfolio_id}"),
        account_name=f"opposite of {account.account_name}",
        positions=tuple(map(_other_side, public)),
    )


def _other_side(lot: Position) -> Position:
    return replace(
        lot,
        position_id=uuid5(NAMESPACE_URL, f"opposite of {lot.position_id}"),
        position_type=OTHER_SIDE[lot.position_type],
        quantity=-lot.quantity,
    )


def shares(book: Stressed, scenario: str) -> tuple[float, float]:
    """Direct and correlated P&L as fractions of the gross value."""
    direct, correlated = book.pnl[scenario]
    assert direct is not None
    assert correlated is not None
    return direct / book.gross, correlated / book.gross


def test_every_book_has_every_active_scenario(
    results: Results, accounts: Sequence[Account]
) -> None:
    assert len(accounts) == 10
    assert len(ACTIVE) == 19
    for account in accounts:
        assert set(results[account.account_name].pnl) == {each.scenario_id for each in ACTIVE}


def test_all_spy_moves_as_the_market_wherever_it_is_shocked(results: Results) -> None:
    shocked = [each for each in ACTIVE if "Market" in each.shocks]
    assert len(shocked) == 10
    for scenario in shocked:
        direct, correlated = shares(results["all SPY"], scenario.scenario_id)
        assert correlated == pytest.approx(scenario.shocks["Market"], abs=1e-9)
        if len(scenario.shocks) == 1:
            assert direct == pytest.approx(scenario.shocks["Market"], abs=1e-6)


def test_all_tlt_loses_a_seventh_when_yields_rise_by_a_point(results: Results) -> None:
    assert shares(results["all TLT"], "rates_up_100bp") == pytest.approx((-0.142,) * 2, abs=0.005)


def test_all_vtv_gains_a_fifth_when_value_does(results: Results) -> None:
    assert shares(results["all VTV"], "value_rotation_20") == pytest.approx((0.20,) * 2, abs=0.025)


def test_long_and_short_the_same_thing_lose_nothing(results: Results) -> None:
    book = results["long and short SPY"]
    assert book.gross > 0
    assert set(book.pnl.values()) == {(0.0, 0.0)}


def test_reversing_every_position_negates_every_figure(
    results: Results, accounts: Sequence[Account]
) -> None:
    known = 0
    for account in accounts:
        there = results[account.account_name].pnl
        back = results[f"opposite of {account.account_name}"].pnl
        for scenario, figures in there.items():
            for pnl, negated in zip(figures, back[scenario], strict=True):
                known += pnl is not None
                assert (pnl is None) == (negated is None)
                # Stored with 6 decimals; lots are summed in another order.
                assert pnl is None or negated == pytest.approx(-pnl, abs=2e-6)
    assert known == 2 * 9 * len(ACTIVE)


def test_the_page_shows_these_figures(
    results: Results, accounts: Sequence[Account], session: date
) -> None:
    page = PAGE.read_text()
    assert f"On {session}" in page
    assert markdown(accounts, results) in page
