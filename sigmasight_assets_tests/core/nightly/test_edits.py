"""A change of the past: the next refresh makes the stored sessions what they would have been."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import psycopg
import pytest

from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.nightly import portfolio_writes, portfolios
from sigmasight_assets.core.nightly.portfolio_sessions import OF_PORTFOLIOS
from sigmasight_assets_tests.builders import (
    RULES,
    add_flow,
    add_portfolio,
    add_prices,
    add_valuation,
    claim,
    lot,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.core.nightly.conftest import ON
from sigmasight_assets_tests.core.nightly.test_nights import computed_checksums, rows

HEDGE = "fcd71196-e93e-f000-5a74-31a9eead3118"
EDITED = ON[2]
LATE = ON[4].isoformat()


def sql(*statements: str) -> Callable[[Database], None]:
    def edit(database: Database) -> None:
        with database.connection() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    return edit


def new_portfolio(database: Database) -> None:
    add_portfolio(
        database,
        lot("AAPL", "10", "200", ON[3].isoformat()),
        lot("OUR_BARN", "1", "500", ON[3].isoformat(), value="650"),
        inception=ON[1].isoformat(),
        name="New",
    )


def barn_valued(database: Database) -> None:
    add_valuation(database, lot("OUR_BARN", "1", "5", ON[3].isoformat()).position_id, LATE, "700")


def someones(symbol: str) -> str:
    return f"(SELECT id FROM positions WHERE symbol = '{symbol}' ORDER BY id LIMIT 1)"


EDITS: dict[str, Callable[[Database], object]] = {
    "a size": sql(f"UPDATE positions SET quantity = quantity * 3 WHERE id = {someones('AAPL')}"),
    "an entry price and day": sql(
        f"UPDATE positions SET entry_price = 1, entry_date = '{EDITED}' "
        f"WHERE id = {someones('MSFT')}"
    ),
    "a symbol": sql(f"UPDATE positions SET symbol = 'JNJ' WHERE id = {someones('MSFT')}"),
    "an exit": sql(
        f"UPDATE positions SET exit_price = 123.45, exit_date = '{EDITED}' "
        f"WHERE id = {someones('AAPL')}"
    ),
    "a deletion": sql(f"DELETE FROM positions WHERE id = {someones('AAPL')}"),
    "a soft deletion": sql(
        f"UPDATE positions SET deleted_at = '2025-08-01' WHERE id = {someones('AAPL')}"
    ),
    "everything deleted": sql(f"DELETE FROM positions WHERE portfolio_id = '{HEDGE}'"),
    "a flow": lambda to: add_flow(to, HEDGE, EDITED.isoformat(), "-12345.67"),
    "a flow deleted": sql("DELETE FROM equity_changes"),
    "a valuation": sql(
        "UPDATE position_valuations SET market_value = market_value * 2",
        "INSERT INTO position_valuations SELECT id, '2025-07-06', 5, 'owner' FROM positions "
        "WHERE investment_class = 'PRIVATE'",
    ),
    "an equity": sql(f"UPDATE portfolios SET starting_equity = 9e6 WHERE id = '{HEDGE}'"),
    "a later inception": sql(
        f"UPDATE portfolios SET inception_date = '{EDITED}' WHERE id = '{HEDGE}'"
    ),
    "a new portfolio": new_portfolio,
    "a new portfolio whose private lot is valued": lambda to: (new_portfolio(to), barn_valued(to)),
    "a dividend": sql(
        "INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source) "
        f"VALUES ('AAPL', '{EDITED}', 'dividend', 1.5, 'a test')"
    ),
    "a split that the prices already know": sql(
        "INSERT INTO corporate_actions (symbol, action_date, action_type, value, data_source) "
        f"VALUES ('AAPL', '{EDITED}', 'split', 2, 'a test')"
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_after_an_edit_the_next_refresh_leaves_what_there_would_have_been(
    computed: Database, market: Database, undisturbed: Database, edit: str
) -> None:
    EDITS[edit](computed)
    run_portfolios(computed, ON[-1:], "after the edit")
    EDITS[edit](market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert table_checksums(computed) == table_checksums(market)
    assert computed_checksums(computed) != computed_checksums(undisturbed)


def test_sessions_before_the_edit_are_not_touched(computed: Database) -> None:
    versions = publications(computed)
    EDITS["an exit"](computed)
    done = run_portfolios(computed, ON[-1:], "after the edit")
    assert [each.session for each in done] == [ON[-1], *ON[2:-1]]
    assert {day for day, version in publications(computed).items() if version != versions[day]} == {
        *ON[2:]
    }


def publications(database: Database) -> dict[date, int]:
    with database.connection() as connection:
        return dict(
            connection.execute(
                "SELECT session, data_version FROM published_sessions WHERE layer = 'portfolios'"
            ).fetchall()
        )


def marks(database: Database) -> dict[str, date | None]:
    with database.connection() as connection:
        return dict(connection.execute("SELECT id::text, stale_from FROM portfolios").fetchall())


def test_a_refresh_of_one_portfolio_heals_that_one_alone(
    computed: Database, undisturbed: Database
) -> None:
    EDITS["a flow"](computed)
    EDITS["a size"](computed)
    edited = {one for one, mark in marks(computed).items() if mark}
    assert HEDGE in edited
    assert len(edited) == 2
    run_portfolios(computed, ON[-1:], "one", [HEDGE])
    assert {one for one, mark in marks(computed).items() if mark} == edited - {HEDGE}
    (other,) = edited - {HEDGE}
    mine, others = f"portfolio_id = '{HEDGE}'", f"portfolio_id <> '{HEDGE}'"
    for table in ("portfolio_snapshots", "factor_exposures"):
        assert rows(computed, table, mine) != rows(undisturbed, table, mine)
        assert rows(computed, table, others) == rows(undisturbed, table, others)
    run_portfolios(computed, ON[-1:], "all")
    assert set(marks(computed).values()) == {None}
    where = f"portfolio_id = '{other}'"
    found = rows(computed, "portfolio_snapshots", where)
    assert found != rows(undisturbed, "portfolio_snapshots", where)


def test_a_refresh_of_some_tables_settles_nothing(computed: Database) -> None:
    EDITS["a flow"](computed)
    run_portfolios(computed, ON[-1:], "some", assets=["portfolio_snapshots"])
    assert marks(computed)[HEDGE] == EDITED


def test_a_portfolio_deleted_for_a_while_comes_back_whole(
    computed: Database, undisturbed: Database
) -> None:
    sql(f"UPDATE portfolios SET deleted_at = now() WHERE id = '{HEDGE}'")(computed)
    run_portfolios(computed, ON[3:], "without it")
    for name in sorted(OF_PORTFOLIOS):
        assert rows(computed, name, f"portfolio_id = '{HEDGE}'") == [], name
    sql(f"UPDATE portfolios SET deleted_at = NULL WHERE id = '{HEDGE}'")(computed)
    run_portfolios(computed, ON[-1:], "with it")
    assert computed_checksums(computed) == computed_checksums(undisturbed)


def test_an_interrupted_refresh_keeps_the_mark_and_the_next_one_heals(
    computed: Database, market: Database
) -> None:
    EDITS["a size"](computed)
    refreshing = portfolios.refresh_portfolios(computed, "dies", ON[-1:], RULES)
    next(refreshing)
    next(refreshing)
    refreshing.close()
    assert min(mark for mark in marks(computed).values() if mark) == ON[0]
    run_portfolios(computed, ON[-1:], "heals")
    EDITS["a size"](market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert table_checksums(computed) == table_checksums(market)


def between_reading_and_writing(
    monkeypatch: pytest.MonkeyPatch, session: date, happens: Callable[[], object]
) -> None:
    """Let something happen after a run has read its books and before it writes the session."""
    write, done = portfolio_writes.write_parts, []

    def writing(database: Database, claimed: object, day: date, *rest: object, **more: object):
        if day == session and not done:
            done.append(1)
            happens()
        return write(database, claimed, day, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(portfolio_writes, "write_parts", writing)


def test_an_edit_during_a_refresh_is_seen_by_the_next(
    computed: Database, market: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_reading_and_writing(monkeypatch, ON[-1], lambda: EDITS["a size"](computed))
    run_portfolios(computed, ON[-1:], "during the edit")
    assert min(mark for mark in marks(computed).values() if mark) == ON[0]
    run_portfolios(computed, ON[-1:], "after it")
    EDITS["a size"](market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert table_checksums(computed) == table_checksums(market)


@pytest.mark.parametrize("edit", ["a size", "a new portfolio", "a later inception"])
def test_a_quick_refresh_of_other_sessions_does_not_settle_what_a_slow_one_writes_later(
    computed: Database, market: Database, monkeypatch: pytest.MonkeyPatch, edit: str
) -> None:
    """The slow run has read the books of before the edit; the quick one has seen it."""
    sql(f"DELETE FROM published_sessions WHERE layer = 'portfolios' AND session = '{ON[-1]}'")(
        computed
    )

    def edited_and_refreshed() -> None:
        EDITS[edit](computed)
        run_portfolios(computed, ON[-2:-1], "quick")

    between_reading_and_writing(monkeypatch, ON[-1], edited_and_refreshed)
    run_portfolios(computed, ON[-1:], "slow")
    run_portfolios(computed, ON[-2:-1], "the next")
    EDITS[edit](market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert table_checksums(computed) == table_checksums(market)


def test_an_overtaken_refresh_stops_and_leaves_the_mark(
    computed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    EDITS["a size"](computed)
    before = computed_checksums(computed)
    between_reading_and_writing(
        monkeypatch, ON[-1], lambda: claim(computed, Layer.PORTFOLIOS, ON, "later")
    )
    with pytest.raises(StaleEpoch):
        run_portfolios(computed, ON[-1:], "overtaken")
    assert computed_checksums(computed) == before
    assert min(mark for mark in marks(computed).values() if mark) == ON[0]


def test_a_row_before_a_later_inception_does_not_outlive_the_slow_run_that_wrote_it(
    computed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ON[-2]
    sql(f"DELETE FROM published_sessions WHERE layer = 'portfolios' AND session = '{late}'")(
        computed
    )

    def moved_and_refreshed() -> None:
        sql(f"UPDATE portfolios SET inception_date = '{ON[-1]}' WHERE id = '{HEDGE}'")(computed)
        run_portfolios(computed, ON[-1:], "quick")

    between_reading_and_writing(monkeypatch, late, moved_and_refreshed)
    run_portfolios(computed, [late], "slow")
    run_portfolios(computed, ON[-1:], "the next")
    before = f"portfolio_id = '{HEDGE}' AND snapshot_date < '{ON[-1]}'"
    assert rows(computed, "portfolio_snapshots", before) == []


def waiting(database: Database) -> bool:
    """Whether somebody waits for another's row."""
    with database.connection() as connection:
        found = connection.execute(
            "SELECT FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'transactionid'"
        )
        return bool(found.fetchall())


def test_an_edit_left_open_holds_up_its_own_portfolios_session_and_nobody_else(
    computed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = min(set(marks(computed)) - {HEDGE})
    with psycopg.connect(computed.libpq_url()) as editor:

        def edited_twice() -> None:
            EDITS["a flow"](computed)
            editor.execute(
                "UPDATE portfolios SET starting_equity = starting_equity + 1 WHERE id = %s",
                (HEDGE,),
            )

        between_reading_and_writing(monkeypatch, ON[-1], edited_twice)
        night = threading.Thread(target=run_portfolios, args=(computed, ON[-1:], "night"))
        night.start()
        while not waiting(computed):
            assert night.is_alive()
        run_portfolios(computed, ON[:1], "another's", [other])
        run_symbols(computed, ON[:1], "symbols")
        assert night.is_alive()
        editor.rollback()
        night.join()


MONEY = (
    "portfolio_id, snapshot_date, net_asset_value, cash_value, long_value, short_value, "
    "total_pnl, daily_pnl, unrealized_pnl, hhi, realized_volatility_21d, price_date"
)


def test_a_corrected_price_moves_the_stored_values_from_its_session_on(
    computed: Database, market: Database
) -> None:
    wrong = sql(
        "UPDATE market_data_cache SET close = close * 1.07, adj_close = adj_close * 1.07 "
        f"WHERE symbol = 'AAPL' AND date = '{EDITED}'"
    )
    wrong(market)
    run_symbols(market, ON)
    run_portfolios(market, ON)
    assert snapshots(market) != snapshots(computed)
    add_prices(market, SyntheticSource(), ON[3].isoformat(), ON[-1].isoformat(), run_id="right")
    run_portfolios(market, ON[-1:], "right")
    assert snapshots(market) == snapshots(computed)


def snapshots(database: Database) -> list[tuple]:
    with database.connection() as connection:
        return connection.execute(
            f"SELECT {MONEY} FROM portfolio_snapshots ORDER BY 1, 2"  # type: ignore[arg-type]
        ).fetchall()


def test_an_unpublished_session_stays_unpublished(computed: Database) -> None:
    sql("DELETE FROM published_sessions WHERE layer = 'portfolios'")(computed)
    EDITS["a size"](computed)
    run_portfolios(computed, ON[-1:], "after the edit")
    with computed.connection() as connection:
        assert published(connection, Layer.PORTFOLIOS) == ON[-1:]
