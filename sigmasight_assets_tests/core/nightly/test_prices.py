"""Prices of a night: what is asked, stored and learnt of each symbol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.errors import StaleEpoch
from sigmasight_assets.core.market.planning import HISTORY_SESSIONS
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.builders import (
    StatedPrices,
    add_portfolio,
    add_prices,
    alone,
    claim,
    day,
    days,
    lot,
)

FIRST, LAST = "2025-07-01", "2025-07-03"
AFTER = sessions.completes_at(day(LAST))


def closes(since: str, until: str, price: float = 10.0) -> dict[str, float]:
    """A different close on every session."""
    return {on.isoformat(): price + n / 100 for n, on in enumerate(days(since, until))}


def back(on: str, by: int = HISTORY_SESSIONS) -> date:
    return sessions.offset(day(on), -by)


def known(database: Database, symbol: str) -> Mapping[str, Any]:
    with database.connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM symbol_universe WHERE symbol = %s", (symbol,))
        assert cursor.description
        names = [column.name for column in cursor.description]
        row = cursor.fetchone()
    assert row, symbol
    return dict(zip(names, row, strict=True))


def stored(database: Database, symbol: str) -> dict[date, float]:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT date, close FROM market_data_cache WHERE symbol = %s", (symbol,)
        ).fetchall()
    return dict(rows)


def failures(database: Database) -> list[tuple]:
    with database.connection() as connection:
        return connection.execute(
            "SELECT item, attempt, reason, detail FROM batch_failure_log "
            "WHERE batch_type = 'market_data_cache' ORDER BY 1, 2"
        ).fetchall()


def market(**others: dict[str, float]) -> dict[str, dict[str, float]]:
    """Closes of the symbols that every night needs, and of others."""
    usual = closes("2024-01-02", "2025-12-31")
    return {**dict.fromkeys(always_in_universe(), usual), **others}


def test_a_new_symbol_has_its_280_sessions_and_what_is_known_of_it(database: Database) -> None:
    source = StatedPrices(market(AAPL=closes("2020-01-02", "2025-12-31")))
    report = add_prices(database, source, FIRST, LAST, ["AAPL"])
    assert min(stored(database, "AAPL")) == back(FIRST)
    assert max(stored(database, "AAPL")) == day(LAST)
    found = known(database, "AAPL")
    assert found["status"] == "active"
    assert found["price_source"] == "stated"
    assert (found["asked_from"], found["asked_to"]) == (back(FIRST), day(LAST))
    assert (found["history_from"], found["last_price_date"]) == (back(FIRST), day(LAST))
    assert (found["attempts"], found["error_message"]) == (0, None)
    assert report.counts() == {"updated": 10}
    assert report.offered_rows == report.changed_rows == 10 * (HISTORY_SESSIONS + 3)


def test_unchanged_rows_count_as_unchanged_and_keep_the_time_they_were_fetched(
    database: Database,
) -> None:
    source = StatedPrices(market(AAPL=closes("2024-01-02", "2025-12-31")))
    add_prices(database, source, FIRST, LAST, ["AAPL"])

    def fetched() -> list[tuple]:
        with database.connection() as connection:
            return connection.execute(
                "SELECT symbol, date, fetched_at FROM market_data_cache ORDER BY 1, 2"
            ).fetchall()

    before = fetched()
    again = add_prices(database, source, FIRST, LAST, ["AAPL"])
    assert (again.offered_rows, again.changed_rows) == (10 * 8, 0)
    assert fetched() == before
    source.closes["AAPL"]["2025-06-27"] = 99.0  # type: ignore[index]
    corrected = add_prices(database, source, FIRST, LAST, ["AAPL"])
    assert (corrected.offered_rows, corrected.changed_rows) == (10 * 8, 1)
    assert stored(database, "AAPL")[day("2025-06-27")] == 99.0
    assert {row[:2] for row in set(fetched()) - set(before)} == {("AAPL", day("2025-06-27"))}


def test_an_earlier_session_asked_for_later_extends_the_history(database: Database) -> None:
    source = StatedPrices(market(YOUNG=closes("2024-04-01", "2025-12-31")))
    add_prices(database, source, FIRST, LAST, ["YOUNG"])
    assert known(database, "YOUNG")["history_from"] == back(FIRST) > day("2024-04-01")
    add_prices(database, source, "2025-04-01", "2025-04-01", run_id="earlier")
    found = known(database, "YOUNG")
    assert found["asked_from"] == back("2025-04-01") < day("2024-04-01")
    assert found["history_from"] == day("2024-04-01")
    assert min(stored(database, "YOUNG")) == day("2024-04-01")
    assert min(stored(database, "SPY")) == back("2025-04-01")
    assert set(stored(database, "SPY")) == set(days(back("2025-04-01").isoformat(), LAST))


def test_what_is_stored_does_not_depend_on_which_session_was_asked_for_first(
    database: Database,
) -> None:
    source = StatedPrices(market(AAPL=closes("2020-01-02", "2025-12-31")))
    for on in ("2025-07-08", "2025-06-16", FIRST):
        add_prices(database, source, on, on, ["AAPL"], run_id=on)
    assert set(stored(database, "AAPL")) == set(days(back("2025-06-16").isoformat(), "2025-07-08"))


def test_a_window_of_long_ago_is_not_taken_for_one_that_reaches_until_today(
    database: Database,
) -> None:
    source = StatedPrices({symbol: closes("2019-01-02", "2025-12-31") for symbol in market()})
    for on in ("2021-06-01", FIRST, "2023-03-01"):
        add_prices(database, source, on, on, run_id=on)
    found = set(stored(database, "SPY"))
    for on in ("2021-06-01", FIRST, "2023-03-01"):
        assert set(days(back(on).isoformat(), on)) <= found, on


def test_a_held_symbol_reaches_back_from_its_portfolios_inception(database: Database) -> None:
    add_portfolio(database, lot("AAPL", "1", "5", "2025-02-03"), inception="2025-02-03")
    source = StatedPrices(market(AAPL=closes("2020-01-02", "2025-12-31")))
    add_prices(database, source, FIRST, LAST)
    assert min(stored(database, "AAPL")) == back("2025-02-03")
    assert min(stored(database, "SPY")) == back(FIRST)


@pytest.mark.parametrize("inception", ["2025-02-02", "2025-02-01"])
def test_an_inception_on_a_day_without_trading_does_not_stop_the_night(
    database: Database, inception: str
) -> None:
    add_portfolio(database, lot("AAPL", "1", "5", inception), inception=inception)
    source = StatedPrices(market(AAPL=closes("2020-01-02", "2025-12-31")))
    add_prices(database, source, FIRST, LAST)
    assert min(stored(database, "AAPL")) == back("2025-02-03")


def test_a_symbol_that_nobody_knows_is_in_error_at_the_third_attempt(database: Database) -> None:
    source = StatedPrices(market())
    report = add_prices(database, source, FIRST, LAST, ["NOSUCH"])
    found = known(database, "NOSUCH")
    assert (found["status"], found["attempts"]) == ("active", 1)
    assert found["error_message"] == f"stated has no price from {back(FIRST)} to {LAST}"
    assert report.counts() == {"no_data": 1, "updated": 9}
    assert report.failed_share() == pytest.approx(0.1)
    span = f"{back(FIRST)} to {LAST}"
    assert failures(database) == [("NOSUCH", 1, "no_data", f"stated: no_data from {span}")]
    add_prices(database, source, FIRST, LAST, run_id="second")
    assert known(database, "NOSUCH")["status"] == "active"
    add_prices(database, source, FIRST, LAST, run_id="third")
    assert known(database, "NOSUCH")["status"] == "error"
    source.asked.clear()
    add_prices(database, source, FIRST, LAST, run_id="fourth")
    assert not any("NOSUCH" in symbols for symbols, *_ in source.asked)


def test_a_held_symbol_in_error_is_asked_for_again_and_heals(database: Database) -> None:
    add_portfolio(database, lot("LATE", "1", "5", FIRST), inception=FIRST)
    source = StatedPrices(market())
    add_prices(database, source, FIRST, FIRST, run_id="a")
    add_prices(database, source, "2025-07-02", "2025-07-02", run_id="b")
    assert known(database, "LATE")["attempts"] == 2
    source.closes["LATE"] = closes("2025-01-02", LAST)  # type: ignore[index]
    add_prices(database, source, LAST, LAST, run_id="c")
    found = known(database, "LATE")
    assert (found["status"], found["attempts"], found["error_message"]) == ("active", 0, None)
    assert found["history_from"] == min(stored(database, "LATE")) == day("2025-01-02")


def test_a_first_night_without_any_answer_heals_on_the_next(database: Database) -> None:
    """An outage is no reason to drop what every night needs."""
    report = add_prices(database, StatedPrices({}), FIRST, FIRST, run_id="a")
    assert report.counts() == {"no_data": 9}
    report = add_prices(database, StatedPrices(market()), "2025-07-02", "2025-07-02", run_id="b")
    assert report.counts() == {"updated": 9}
    assert known(database, "SPY")["status"] == "active"
    assert min(stored(database, "SPY")) == back(FIRST), "as if the first night had answered"


def test_a_symbol_of_a_limited_answer_is_left_as_it_was_and_asked_again(
    database: Database,
) -> None:
    prices = market(AAPL=closes("2024-01-02", "2025-12-31"))
    report = add_prices(
        database, StatedPrices(prices, limited={"AAPL"}), FIRST, FIRST, ["AAPL"], run_id="a"
    )
    assert report.counts() == {"rate_limited": 1, "updated": 9}
    found = known(database, "AAPL")
    assert (found["status"], found["asked_from"], found["attempts"]) == ("active", None, 0)
    assert stored(database, "AAPL") == {}
    assert failures(database)[0][:3] == ("AAPL", 1, "rate_limited")
    add_prices(database, StatedPrices(prices), "2025-07-02", "2025-07-02", run_id="b")
    assert len(stored(database, "AAPL")) == HISTORY_SESSIONS + 2


def test_another_source_replaces_the_whole_window(database: Database) -> None:
    first = StatedPrices(market(AAPL=closes("2024-01-02", "2025-12-31", 10.0)))
    add_prices(database, first, FIRST, LAST, ["AAPL"], run_id="a")
    second = StatedPrices(market(AAPL=closes("2025-01-02", "2025-12-31", 20.0)), name="second")
    add_prices(database, second, LAST, LAST, run_id="b")
    found = known(database, "AAPL")
    assert found["price_source"] == "second"
    assert found["history_from"] == day("2025-01-02") == min(stored(database, "AAPL"))
    assert set(stored(database, "AAPL")) == set(days("2025-01-02", LAST))
    with database.connection() as connection:
        sources = connection.execute(
            "SELECT DISTINCT data_source FROM market_data_cache"
        ).fetchall()
    assert sources == [("second",)]
    assert second.asked[0][1:] == (back(FIRST), day(LAST))


def test_a_busy_new_source_leaves_the_old_window_whole(database: Database) -> None:
    prices = market(AAPL=closes("2024-01-02", "2025-12-31", 10.0))
    add_prices(database, StatedPrices(prices), FIRST, LAST, ["AAPL"], run_id="a")
    before = stored(database, "AAPL")
    busy = StatedPrices(prices, name="second", limited={"AAPL"})
    add_prices(database, busy, LAST, LAST, run_id="b")
    assert stored(database, "AAPL") == before
    assert known(database, "AAPL")["price_source"] == "stated"
    assert known(database, "SPY")["price_source"] == "second"


def test_twenty_sessions_without_a_price_make_a_symbol_delisted_and_a_price_brings_it_back(
    database: Database,
) -> None:
    gone_after = {"GONE": closes("2024-01-02", "2025-07-01")}
    source = StatedPrices(market(**gone_after))
    add_prices(database, source, FIRST, FIRST, ["GONE"], run_id="a")
    last_alive, first_dead = sessions.offset(day(FIRST), 19), sessions.offset(day(FIRST), 20)
    for on, status in ((last_alive, "active"), (first_dead, "delisted")):
        text = on.isoformat()
        add_prices(database, source, text, text, run_id=text)
        assert known(database, "GONE")["status"] == status, on
    assert known(database, "GONE")["last_price_date"] == day(FIRST)
    later = sessions.offset(first_dead, 1).isoformat()
    source.asked.clear()
    add_prices(database, source, later, later, run_id="later")
    assert not any("GONE" in symbols for symbols, *_ in source.asked)
    source.asked.clear()
    add_prices(database, source, FIRST, FIRST, run_id="the first night again")
    assert any("GONE" in symbols for symbols, *_ in source.asked)
    assert known(database, "GONE")["status"] == "delisted"
    source.closes["GONE"][later] = 3.0  # type: ignore[index]
    add_portfolio(database, lot("GONE", "1", "5", FIRST), inception=FIRST)
    add_prices(database, source, later, later, run_id="back")
    assert known(database, "GONE")["status"] == "active"


def test_an_option_contract_and_its_underlying_are_asked_for_and_stored(
    database: Database,
) -> None:
    contract = "AAPL260116C00200000"
    add_portfolio(database, lot(contract, "2", "11", FIRST), inception=FIRST)
    report = add_prices(database, SyntheticSource(), FIRST, LAST)
    assert report.counts() == {"updated": 11}
    assert len(stored(database, contract)) == len(stored(database, "AAPL")) == 283
    assert known(database, contract)["investment_class"] == "OPTIONS"
    assert known(database, contract)["requested_by"] == "position"
    assert known(database, "AAPL")["requested_by"] == "underlying"


def test_a_symbol_that_was_not_stored_in_its_form_does_not_stop_the_night(
    database: Database,
) -> None:
    add_portfolio(database, lot("brk.b", "2", "11", FIRST), inception=FIRST)
    add_prices(database, SyntheticSource(), FIRST, FIRST)
    assert known(database, "brk.b")["error_message"].startswith("synthetic has no price")
    assert known(database, "SPY")["status"] == "active"


def test_private_exited_and_deleted_holdings_are_nobodys_business(database: Database) -> None:
    add_portfolio(
        database,
        lot("OUR_FARM", "1", "500", FIRST, value="500"),
        lot("SOLD", "1", "5", "2025-01-02"),
        lot("WIPED", "1", "5", FIRST),
        inception=FIRST,
    )
    add_portfolio(database, lot("CLOSED", "1", "5", FIRST), inception=FIRST, name="Closed")
    with database.connection() as connection:
        connection.execute(
            "UPDATE positions SET exit_date = '2025-03-03', exit_price = 1 WHERE symbol = 'SOLD'"
        )
        connection.execute("UPDATE positions SET deleted_at = now() WHERE symbol = 'WIPED'")
        connection.execute("UPDATE portfolios SET deleted_at = now() WHERE account_name = 'Closed'")
    source = StatedPrices(market())
    add_prices(database, source, FIRST, LAST)
    assert {symbol for symbols, *_ in source.asked for symbol in symbols} == set(
        always_in_universe()
    )


def test_a_refused_bar_is_listed_and_the_good_ones_are_kept(database: Database) -> None:
    prices = closes("2025-06-02", LAST)
    prices |= {"2025-06-30": -1.0, "2025-07-01": 0.0}
    source = StatedPrices(market(ODD=prices, BAD={"2025-07-01": 0.0}))
    report = add_prices(database, source, FIRST, LAST, ["BAD", "ODD"])
    assert report.rejected_rows == 3
    assert day("2025-06-30") not in stored(database, "ODD")
    assert day("2025-07-02") in stored(database, "ODD")
    assert known(database, "BAD")["error_message"] == "stated: every price was refused"
    assert [row[:3] for row in failures(database)] == [
        ("BAD", 1, "rejected"),
        ("ODD", 1, "rejected"),
    ]
    assert failures(database)[1][3] == (
        "stated: 2 refused: 2025-06-30 negative_price, 2025-07-01 zero_price"
    )


def test_a_later_run_fences_off_an_earlier_one(database: Database) -> None:
    add_symbols(database, ["SPY"], day(FIRST), "a test")
    paused = claim(database, Layer.SYMBOLS, days(FIRST, LAST), "paused")
    claim(database, Layer.SYMBOLS, [day(LAST)], "retry")
    with pytest.raises(StaleEpoch):
        refresh_prices(
            database, alone(StatedPrices(market())), paused, day(FIRST), day(LAST), AFTER
        )
    assert stored(database, "SPY") == {}
    assert known(database, "SPY")["asked_from"] is None


def test_a_jump_and_a_standstill_are_kept_and_flagged(database: Database) -> None:
    frozen = closes("2025-06-02", LAST) | dict.fromkeys(
        map(date.isoformat, days("2025-06-18", "2025-07-02")), 7.0
    )
    prices = market(JUMP=closes("2025-06-02", LAST) | {"2025-07-02": 30.0}, STILL=frozen)
    add_prices(database, StatedPrices(prices), FIRST, LAST, ["JUMP", "STILL"])
    with database.connection() as connection:
        found = connection.execute(
            "SELECT symbol, date::text, warning_type FROM price_warnings ORDER BY 1, 2"
        ).fetchall()
    assert found == [
        ("JUMP", "2025-07-02", "jump"),
        ("JUMP", "2025-07-03", "jump"),
        ("STILL", "2025-07-02", "frozen"),
    ]


def test_what_is_recorded_of_a_universe_does_not_depend_on_the_order_of_rows(
    database: Database,
) -> None:
    """A symbol that is held, an underlying and always needed has one reason to be there."""
    contract = "SPY260116C00600000"
    add_portfolio(
        database,
        lot(contract, "2", "11", FIRST),
        lot("AAPL260116C00200000", "2", "11", FIRST),
        lot("AAPL", "2", "11", FIRST),
        lot("SPY", "2", "11", FIRST),
        inception=FIRST,
    )
    add_prices(database, SyntheticSource(), FIRST, FIRST)
    assert known(database, "SPY")["requested_by"] == "proxy"
    assert known(database, "AAPL")["requested_by"] == "position"
    assert known(database, contract)["requested_by"] == "position"
