"""Three accounts of the same money: none of them can be wrong by a cent without being found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.reconciliation import (
    COMPARED_ITEMS,
    prepare_figures,
    session_figures,
)
from sigmasight_assets.core.db.read.reconciliation_figures import ITEMS
from sigmasight_assets.core.nightly import reconciliation
from sigmasight_assets.core.nightly.reconciliation import ReconciledSession, reconcile
from sigmasight_assets_tests.builders import (
    StatedPrices,
    add_portfolio,
    add_prices,
    day,
    days,
    lot,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.core.nightly.stored_worlds import StoredWorld, store_world
from sigmasight_assets_tests.ledger import ledger
from sigmasight_assets_tests.ledger_inputs import Flow, Market, Portfolio, Position, Split
from sigmasight_assets_tests.postgres import drop_database, fresh_database
from sigmasight_assets_tests.worlds import make_world

SEED, PORTFOLIOS, SESSIONS = 404, 24, 21
JUNE, SPLIT_ON = day("2025-06-25"), day("2025-07-03")


@pytest.fixture(scope="module")
def stored(server: EmbeddedPostgres, template: str) -> Iterator[tuple[str, StoredWorld]]:
    """A database with a world of everything the accounting knows, refreshed, and the world."""
    url = fresh_database(server, template=template)
    made = make_world(SEED, PORTFOLIOS, SESSIONS)
    world = store_world(Database(url), made.window, made.market, made.portfolios)
    run_portfolios(Database(url), list(made.window))
    yield url, world
    drop_database(server, url)


@pytest.fixture
def world(stored: tuple[str, StoredWorld]) -> StoredWorld:
    """What the database says, in Decimal."""
    return stored[1]


@pytest.fixture
def refreshed(server: EmbeddedPostgres, stored: tuple[str, StoredWorld]) -> Iterator[Database]:
    """The world after its refresh, to be changed by the test."""
    url = fresh_database(server, template=urlsplit(stored[0]).path.removeprefix("/"))
    yield Database(url)
    drop_database(server, url)


def reconciled(database: Database, *on: date) -> list[ReconciledSession]:
    return list(reconcile(database, on))


def tell(database: Database, statement: str, *values: object) -> None:
    with database.connection() as connection:
        connection.execute(statement, values)  # type: ignore[arg-type]


def ask(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[arg-type]


def break_item(database: Database, portfolio: str, session: date, item: str, usd: str) -> None:
    tell(
        database,
        f"UPDATE portfolio_snapshots SET {item} = {item} + %s "
        "WHERE portfolio_id = %s AND snapshot_date = %s",
        usd,
        portfolio,
        session,
    )


EXCEPTIONS = """
    SELECT snapshot_date, portfolio_id::text, item, stored, from_positions, as_served, detail
    FROM reconciliation_exceptions ORDER BY 1, 2, 3
"""


def test_a_world_with_everything_has_no_exception_on_any_session(
    refreshed: Database, world: StoredWorld
) -> None:
    window = world.window
    done = reconciled(refreshed, *window)
    assert [each.session for each in done] == list(window)
    for each in done:
        existing = [one for one in world.portfolios.values() if one.inception <= each.session]
        assert (each.portfolios, each.stale, each.failed) == (len(existing), 0, 0)
        assert each.exceptions == []
    assert ask(refreshed, EXCEPTIONS) == []


def test_positions_times_prices_are_the_books_kept_by_hand(
    refreshed: Database, world: StoredWorld
) -> None:
    assert wrong_figures(refreshed, world) == []


def wrong_figures(database: Database, world: StoredWorld) -> list[tuple[Any, ...]]:
    """Where the SQL differs from the ledger, which shares no code with it or with core/risk."""
    wrong = []
    with database.connection() as connection:
        prepare_figures(connection, world.window)
        for session in world.window:
            figures = session_figures(connection, session, "none")
            existing = [one for one in world.portfolios.values() if one.inception <= session]
            assert len(figures.portfolio_id) == len(existing)
            for row, portfolio in enumerate(figures.portfolio_id.tolist()):
                books = ledger(world.portfolios[portfolio], world.market, session)
                expected = {
                    **vars(books),
                    "total_value": books.net_asset_value,
                    "cumulative_pnl": books.total_pnl,
                    "nav_change": books.daily_pnl + books.capital_flow,
                }
                for place, item in enumerate(COMPARED_ITEMS):
                    found = Decimal(float(figures.from_positions[row, place]))
                    if abs(found - expected[item]) > Decimal("1e-6"):
                        wrong.append((session, portfolio, item, found, expected[item]))
    return wrong


def test_what_happens_on_the_very_day_of_something_else_is_counted_alike(
    database: Database,
) -> None:
    """An expiry on a split, a flow on inception, an exit recorded later, a private namesake."""
    held = Position("", "SPLT", "PUBLIC", Decimal(100), Decimal(20), day("2025-06-25"), JUNE)
    positions = (
        replace(
            held,
            id="sold",
            exit_date=day("2025-07-07"),
            exit_price=Decimal(12),
            exit_recorded_on=day("2025-07-08"),
        ),
        replace(held, id="kept", recorded_on=SPLIT_ON),
        replace(held, id="namesake", investment_class="PRIVATE"),
        replace(
            held,
            id="call",
            symbol="SPLT250703C00008000",
            investment_class="OPTIONS",
            underlying="SPLT",
            strike=Decimal(8),
            expiration=SPLIT_ON,
            is_call=True,
        ),
    )
    flows = (Flow(day("2025-07-01"), Decimal(1000)), Flow(day("2025-07-05"), Decimal(-300)))
    owner = Portfolio("Owner", day("2025-07-01"), Decimal(90_000), positions, flows)
    known = tuple(days("2025-06-23", "2025-07-15"))
    closes = {each: Decimal("10.5") + n for n, each in enumerate(known[:-4])}
    market = Market(known, {"SPLT": closes}, (Split("SPLT", SPLIT_ON, Decimal(2)),))
    world = store_world(database, days("2025-07-01", "2025-07-09"), market, [owner])
    # No price on or after it is stored: what is stored is not yet on its basis.
    tell(
        database,
        "INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source) "
        "VALUES ('SPLT', %s, 'split', 3, 'a test')",
        known[-1],
    )
    run_portfolios(database, list(world.window))
    assert wrong_figures(database, world) == []
    done = reconciled(database, *world.window)
    assert [(each.portfolios, each.exceptions) for each in done] == [(1, [])] * len(world.window)


def test_a_cent_in_any_single_item_is_found_and_named(
    refreshed: Database, world: StoredWorld
) -> None:
    session = world.window[-2]
    broken = dict(zip(sorted(world.portfolios), ITEMS, strict=False))
    assert len(broken) == len(ITEMS)
    for portfolio, item in broken.items():
        break_item(refreshed, portfolio, session, item, "0.01")
    (done,) = reconciled(refreshed, session)
    found = {(each.portfolio_id, each.item) for each in done.exceptions}
    of_nav = next(portfolio for portfolio, item in broken.items() if item == "net_asset_value")
    assert found == {*broken.items(), (of_nav, "nav_change")}
    rows = ask(refreshed, EXCEPTIONS)
    assert len(rows) == len(found)
    for on, _, _, stored, from_positions, as_served, detail in rows:
        assert on == session
        assert abs(stored - from_positions - Decimal("0.01")) < Decimal("0.000002")
        assert abs(as_served - from_positions) < Decimal("0.000002")
        assert detail == (
            f"the snapshot says {stored:,.2f}, positions x prices {from_positions:,.2f}, "
            f"the service would answer {as_served:,.2f}"
        )
        assert f"{stored:,.2f}" != f"{from_positions:,.2f}"


@pytest.mark.parametrize(("usd", "count"), [("0.0049", 0), ("-0.0049", 0), ("0.0051", 1)])
def test_less_than_half_a_cent_is_no_exception_and_more_is(
    refreshed: Database, world: StoredWorld, usd: str, count: int
) -> None:
    session, portfolio = world.window[-1], min(world.portfolios)
    for item in ITEMS if count == 0 else ("cash_value",):
        break_item(refreshed, portfolio, session, item, usd)
    (done,) = reconciled(refreshed, session)
    assert len(done.exceptions) == count
    for each in done.exceptions:
        says, worked, _ = (
            Decimal(part.split()[-1].replace(",", "")) for part in each.detail.split(", ")
        )
        assert Decimal("0.005") < says - worked < Decimal("0.0052")


def test_a_nav_broken_on_one_session_breaks_the_change_to_the_next(
    refreshed: Database, world: StoredWorld
) -> None:
    session, after = world.window[-2:]
    break_item(refreshed, min(world.portfolios), session, "net_asset_value", "0.01")
    (done,) = reconciled(refreshed, after)
    assert [(each.portfolio_id, each.item) for each in done.exceptions] == [
        (min(world.portfolios), "nav_change")
    ]


def test_a_price_changed_after_the_fact_is_found_in_every_portfolio_that_holds_it(
    refreshed: Database, world: StoredWorld
) -> None:
    session = world.window[-1]
    holders = {
        portfolio
        for portfolio, owner in world.portfolios.items()
        for position in owner.positions
        if position.symbol == "AAA"
        and position.entry_date <= session
        and (position.exit_date is None or position.exit_date > session)
    }
    assert 0 < len(holders) < len(world.portfolios)
    tell(
        refreshed,
        "UPDATE market_data_cache SET close = close * 1.5 WHERE symbol = 'AAA' AND date = %s",
        session,
    )
    (done,) = reconciled(refreshed, session)
    assert {each.portfolio_id for each in done.exceptions} == holders
    for each in done.exceptions:
        assert abs(each.as_served - each.from_positions) < 0.001
        assert abs(each.stored - each.from_positions) > 0.005


def test_a_snapshot_that_is_not_there_is_one_exception(
    refreshed: Database, world: StoredWorld
) -> None:
    session, portfolio = world.window[-1], min(world.portfolios)
    forget_snapshot(refreshed, portfolio, session)
    (done,) = reconciled(refreshed, session)
    assert done.portfolios == len(world.portfolios)
    ((on, found, item, stored, from_positions, as_served, detail),) = ask(refreshed, EXCEPTIONS)
    assert (on, found, item, stored) == (session, portfolio, "net_asset_value", None)
    assert from_positions == as_served is not None
    assert detail.startswith(f"no snapshot is stored, positions x prices {from_positions:,.2f}")


def forget_snapshot(database: Database, portfolio: str, session: date) -> None:
    tell(
        database,
        "DELETE FROM portfolio_snapshots WHERE portfolio_id = %s AND snapshot_date = %s",
        portfolio,
        session,
    )


@pytest.mark.parametrize(
    ("batch_type", "later", "failed"),
    [("portfolio_layer", 0, 1), ("portfolio_layer", 1, 0), ("option_prices", 0, 0)],
)
def test_a_portfolio_that_is_logged_as_failed_for_the_session_is_no_exception(
    refreshed: Database, world: StoredWorld, batch_type: str, later: int, failed: int
) -> None:
    session, portfolio = world.window[-2], min(world.portfolios)
    forget_snapshot(refreshed, portfolio, session)
    tell(
        refreshed,
        "INSERT INTO batch_failure_log (batch_type, batch_date, item, attempt, reason) "
        "VALUES (%s, %s, %s, 1, 'calculation_failed')",
        batch_type,
        sessions.offset(session, later),
        portfolio,
    )
    (done,) = reconciled(refreshed, session)
    assert (done.failed, len(done.exceptions)) == (failed, 1 - failed)
    assert done.portfolios == len(world.portfolios) - failed


def test_a_portfolio_that_failed_once_and_has_its_snapshot_is_compared(
    refreshed: Database, world: StoredWorld
) -> None:
    before, session = world.window[-2:]
    portfolio = min(world.portfolios)
    forget_snapshot(refreshed, portfolio, before)
    break_item(refreshed, portfolio, session, "cash_value", "0.01")
    for on in (before, session):
        tell(
            refreshed,
            "INSERT INTO batch_failure_log (batch_type, batch_date, item, attempt, reason) "
            "VALUES ('portfolio_layer', %s, %s, 1, 'calculation_failed')",
            on,
            portfolio,
        )
    first, second = reconciled(refreshed, before, session)
    assert (first.failed, first.exceptions) == (1, [])
    assert (second.failed, [each.item for each in second.exceptions]) == (0, ["cash_value"])
    # It cannot be asked how it does on a session for which its book is not to be trusted.
    assert second.exceptions[0].detail.endswith("the service was not asked")


def test_a_portfolio_known_to_be_out_of_date_is_left_out_from_that_session_on(
    refreshed: Database, world: StoredWorld
) -> None:
    portfolio, (before, session) = min(world.portfolios), world.window[-2:]
    for on in (before, session):
        break_item(refreshed, portfolio, on, "cash_value", "0.01")
    tell(refreshed, "UPDATE portfolios SET stale_from = %s WHERE id = %s", session, portfolio)
    first, second = reconciled(refreshed, before, session)
    assert (first.stale, len(first.exceptions)) == (0, 1)
    assert (second.stale, second.exceptions) == (1, [])
    assert second.portfolios == first.portfolios - 1 == len(world.portfolios) - 1


def test_the_same_reconciliation_twice_leaves_the_same_rows_and_a_repaired_one_none(
    refreshed: Database, world: StoredWorld
) -> None:
    session = world.window[-1]
    for portfolio in sorted(world.portfolios)[:3]:
        break_item(refreshed, portfolio, session, "dividends", "1")
    reconciled(refreshed, session)
    rows = ask(refreshed, EXCEPTIONS)
    reconciled(refreshed, session)
    assert ask(refreshed, EXCEPTIONS) == rows
    assert len(rows) == 3
    for portfolio in sorted(world.portfolios)[:3]:
        break_item(refreshed, portfolio, session, "dividends", "-1")
    reconciled(refreshed, session)
    assert ask(refreshed, EXCEPTIONS) == []


def test_sessions_alone_and_together_find_the_same(refreshed: Database, world: StoredWorld) -> None:
    window = world.window[-6:]
    for session in window[::2]:
        break_item(refreshed, min(world.portfolios), session, "cash_value", "0.02")
    together = {each.session: each.exceptions for each in reconciled(refreshed, *window)}
    rows = ask(refreshed, EXCEPTIONS)
    alone = {on: each.exceptions for on in window for each in reconciled(refreshed, on)}
    assert alone == together
    assert ask(refreshed, EXCEPTIONS) == rows
    assert [row[0] for row in rows] == list(window[::2])


def test_an_edit_while_the_accounts_are_read_is_no_exception(
    refreshed: Database, world: StoredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book is read after the snapshots: what is edited in between must be in neither."""
    session = world.window[-1]
    edit = "UPDATE positions SET quantity = quantity * 3"
    after(monkeypatch, "session_figures", lambda: tell(refreshed, edit))
    (done,) = reconciled(refreshed, session)
    assert (done.portfolios, done.exceptions) == (len(world.portfolios), [])
    (again,) = reconciled(refreshed, session)
    assert again.stale > len(world.portfolios) / 2


def after(monkeypatch: pytest.MonkeyPatch, name: str, then: Any) -> None:
    """Once, when a function of the reconciliation has returned, something else happens."""
    original, due = getattr(reconciliation, name), [then]

    def instead(*arguments: Any) -> Any:
        answer = original(*arguments)
        while due:
            due.pop()()
        return answer

    monkeypatch.setattr(reconciliation, name, instead)


def test_a_session_published_anew_while_it_is_compared_is_compared_again(
    refreshed: Database, world: StoredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, session = world.window[-2:]

    def publish_anew() -> None:
        break_item(refreshed, min(world.portfolios), session, "cash_value", "0.01")
        tell(
            refreshed,
            "UPDATE published_sessions SET data_version = nextval('data_version') "
            "WHERE layer = 'portfolios' AND session = %s",
            session,
        )

    after(monkeypatch, "session_figures", publish_anew)
    done = reconciled(refreshed, before, session)
    assert [(each.session, len(each.exceptions)) for each in done] == [(before, 0), (session, 1)]
    assert len(ask(refreshed, EXCEPTIONS)) == 1


def test_a_session_that_is_not_published_is_left_out(
    refreshed: Database, world: StoredWorld
) -> None:
    before, session = world.window[-2:]
    tell(
        refreshed,
        "DELETE FROM published_sessions WHERE layer = 'portfolios' AND session = %s",
        session,
    )
    assert [each.session for each in reconciled(refreshed, before, session)] == [before]
    assert reconciled(refreshed, session) == []


def test_what_a_deleted_portfolio_leaves_is_an_exception_only_after_its_deletion(
    refreshed: Database, world: StoredWorld
) -> None:
    earlier, deleted, later = world.window[-3:]
    portfolio = min(world.portfolios)
    tell(
        refreshed,
        "UPDATE portfolios SET deleted_at = %s::date + TIME '23:30' AT TIME ZONE "
        "'America/New_York' WHERE id = %s",
        deleted,
        portfolio,
    )
    done = reconciled(refreshed, earlier, deleted, later)
    assert [each.portfolios for each in done] == [len(world.portfolios) - 1] * 3
    assert [each.exceptions for each in done[:2]] == [[], []]
    (found,) = done[2].exceptions
    assert (found.portfolio_id, found.item) == (portfolio, "net_asset_value")
    assert found.detail.endswith(f"after the portfolio was deleted on {deleted}")
    tell(refreshed, "DELETE FROM portfolios WHERE id = %s", portfolio)
    (done_once_more,) = reconciled(refreshed, later)
    assert done_once_more.exceptions == []


def test_a_snapshot_before_the_inception_is_an_exception(
    refreshed: Database, world: StoredWorld
) -> None:
    portfolio = max(world.portfolios, key=lambda each: world.portfolios[each].inception)
    inception = world.portfolios[portfolio].inception
    before = sessions.offset(inception, -1)
    tell(
        refreshed,
        "UPDATE portfolio_snapshots SET snapshot_date = %s "
        "WHERE portfolio_id = %s AND snapshot_date = %s",
        before,
        portfolio,
        inception,
    )
    early, missing = reconciled(refreshed, before, inception)
    assert [(each.portfolio_id, each.item) for each in early.exceptions] == [
        (portfolio, "net_asset_value")
    ]
    assert early.exceptions[0].detail.endswith(f"before the inception on {inception}")
    assert [(each.portfolio_id, each.item) for each in missing.exceptions] == [
        (portfolio, "net_asset_value")
    ]


def test_of_amounts_that_doubles_cannot_keep_to_the_cent_less_is_asked(database: Database) -> None:
    """Amounts that add up to some 3e11 USD: the tolerance is a cent and a half, and no more."""
    on = days("2025-07-01", "2025-07-02")
    closes = {"ONE": {"2025-07-01": 333.333333333, "2025-07-02": 123.456789012345}}
    add_prices(database, StatedPrices(closes), "2025-07-01", "2025-07-02", ("ONE",))
    portfolio = add_portfolio(
        database,
        lot("ONE", "300000000.123457", "1", "2025-06-30", name="long"),
        lot("ONE", "-299999999.765432", "1", "2025-06-30", name="short"),
        inception="2025-07-01",
    )
    run_symbols(database, on)
    tell(
        database,
        "INSERT INTO published_sessions (layer, session, epoch, data_version) "
        "SELECT 'symbols', day, 1, 1 FROM unnest(%s::date[]) AS day ON CONFLICT DO NOTHING",
        on,
    )
    run_portfolios(database, on)
    assert [each.exceptions for each in reconciled(database, *on)] == [[], []]
    for usd, count in (("0.0051", 0), ("0.03", 1)):
        break_item(database, portfolio, on[1], "cash_value", usd)
        (done,) = reconciled(database, on[1])
        assert [each.item for each in done.exceptions] == ["cash_value"][:count]


def test_a_database_without_portfolios_reconciles_to_nothing(database: Database) -> None:
    on = days("2025-07-01", "2025-07-02")
    tell(
        database,
        "INSERT INTO published_sessions (layer, session, epoch, data_version) "
        "SELECT 'portfolios', day, 1, 1 FROM unnest(%s::date[]) AS day",
        on,
    )
    assert [(each.portfolios, each.exceptions) for each in reconciled(database, *on)] == [
        (0, []),
        (0, []),
    ]
