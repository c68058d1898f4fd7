"""Nights on a market with faults: what is stored and reported, and that the next run heals it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.nightly.symbols import refresh_symbols
from sigmasight_assets_tests.builders import claim, run_portfolios
from sigmasight_assets_tests.core.nightly.market import (
    CONTRACT,
    NIGHTS,
    Market,
    contract_bars,
    market,
    open_books,
)
from sigmasight_assets_tests.market_servers.loopback import (
    HTML_PAGE,
    Handler,
    Reply,
    Request,
    as_json,
)
from sigmasight_assets_tests.market_servers.yahoo import chart_of, is_chart
from sigmasight_assets_tests.postgres import drop_database, fresh_database

FIRST, SECOND, THIRD = NIGHTS
NOTHING_FOUND = as_json({"chart": {"result": None, "error": None}})
UNKNOWN = as_json(
    {
        "chart": {
            "result": None,
            "error": {
                "code": "Not Found",
                "description": "No data found, symbol may be delisted",
            },
        }
    },
    404,
)

# name -> one bad answer, and the word that the night has for it.
FAULTS: dict[str, tuple[Reply, str]] = {
    "429": (Reply(429, b"Too Many Requests"), "rate_limited"),
    "429 with Retry-After": (Reply(429, b"", {"Retry-After": "0"}), "rate_limited"),
    "500": (Reply(500, b"oops"), "unavailable"),
    "no answer in time": (Reply(wait=1.0), "unavailable"),
    "one byte a second": (Reply(200, b"{" * 50, trickle=0.2), "unavailable"),
    "connection reset": (Reply(reset=True), "unavailable"),
    "truncated": (Reply(200, b'{"chart": {"result": [{"meta"' + b" " * 999, cut=40), "unavailable"),
    "malformed": (Reply(200, b'{"chart": {"result": [{"meta"'), "unavailable"),
    "an empty body": (Reply(200, b""), "unavailable"),
    "a page of HTML": (Reply(200, HTML_PAGE, {"Content-Type": "text/html"}), "unavailable"),
    "an empty answer": (NOTHING_FOUND, "unavailable"),
    "a symbol it does not know": (UNKNOWN, "no_data"),
}


@pytest.fixture
def books(database: Database) -> Database:
    open_books(database)
    return database


@pytest.fixture
def yahoo() -> Iterator[Market]:
    with market() as open_market:
        yield open_market


@pytest.fixture(scope="module")
def clean(server: EmbeddedPostgres, template: str) -> Iterator[Mapping[str, str]]:
    """The tables after clean nights, of which the second and the third are one."""
    url = fresh_database(server, template=template)
    open_books(Database(url))
    with market() as open_market:
        open_market.night(Database(url), [FIRST], "first")
        open_market.night(Database(url), [SECOND], "second")
        open_market.night(Database(url), [THIRD], "third")
    yield table_checksums(Database(url))
    drop_database(server, url)


def closes(database: Database, symbol: str) -> dict[date, float]:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT date, close::float8 FROM market_data_cache WHERE symbol = %s", (symbol,)
        ).fetchall()
    return dict(rows)


def logged(database: Database, on: date) -> dict[str, str]:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT item, reason FROM batch_failure_log WHERE batch_date = %s", (on,)
        ).fetchall()
    return dict(rows)


def ask(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(query, values).fetchall()


def results(report: Any) -> dict[str, str]:
    return {each.symbol: str(each.result) for each in report.results}


def after(yahoo: Market, others: Collection[str], reply: Reply) -> Handler:
    """The reply, when the others have been asked for: a source that pauses three times without an
    answer between is left alone, and theirs would be those of the next night."""

    def answer(_: Request) -> Reply:
        deadline = time.monotonic() + 0.25
        while time.monotonic() < deadline and not all(map(yahoo.asked, others)):
            time.sleep(0.005)
        return reply

    return answer


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_one_symbol_one_night(
    books: Database, yahoo: Market, clean: Mapping[str, str], fault: str
) -> None:
    reply, word = FAULTS[fault]
    others = set(results(yahoo.night(books, [FIRST], "first"))) - {"KO"}
    before = closes(books, "KO")
    yahoo.server.requests.clear()
    yahoo.server.fault(chart_of("KO"), *[after(yahoo, others, reply)] * 9)
    found = results(yahoo.night(books, [SECOND], "second"))
    assert found.pop("KO") == word
    assert set(found.values()) == {"updated"}
    assert closes(books, "KO") == before
    assert logged(books, SECOND) == {"KO": word}
    yahoo.server.heal()
    assert results(yahoo.night(books, [THIRD], "third"))["KO"] == "updated"
    assert set(closes(books, "KO")) >= {FIRST, SECOND, THIRD}
    assert table_checksums(books) == clean


def test_a_429_in_the_middle_of_a_bulk_stops_the_bulk_and_the_next_run_goes_on(
    books: Database, yahoo: Market, clean: Mapping[str, str]
) -> None:
    yahoo.night(books, [FIRST], "first")
    good = iter(range(7))
    yahoo.server.requests.clear()
    yahoo.server.fault(
        is_chart, *[lambda _: None if next(good, None) is not None else Reply(429)] * 500
    )
    found = results(yahoo.night(books, [SECOND], "second"))
    counts = {word: list(found.values()).count(word) for word in set(found.values())}
    assert counts["updated"] >= 7 + 1
    assert counts["rate_limited"] >= 5
    asked = len([request for request in yahoo.server.requests if is_chart(request)])
    assert asked < 7 + 3 * 5 + 1, "after three pauses in a row nobody is asked any more"
    yahoo.server.heal()
    again = results(yahoo.prices(books, [SECOND], "again"))
    assert {word for symbol, word in again.items() if found[symbol] == "rate_limited"} == {
        "updated"
    }
    assert not {symbol for symbol in again if found[symbol] == "updated"}, "not asked again"
    withheld = "SELECT item FROM batch_failure_log WHERE reason = 'low_coverage'"
    assert ask(books, withheld) == [(str(SECOND),)], "fewer than half had a price"
    yahoo.night(books, [SECOND, THIRD], "third")
    assert table_checksums(books) == clean


def test_what_was_answered_tonight_is_not_asked_again_tonight(
    books: Database, yahoo: Market
) -> None:
    yahoo.night(books, [FIRST], "first")
    yahoo.server.requests.clear()
    report = yahoo.prices(books, [FIRST], "again")
    assert yahoo.server.requests == []
    assert report.counts() == {"fresh": 22}
    assert report.failed_share() == 0


def test_the_newest_bar_may_be_null_and_comes_a_night_later(
    books: Database, yahoo: Market, clean: Mapping[str, str]
) -> None:
    yahoo.night(books, [FIRST], "first")

    def null(request: Request) -> Reply:
        yahoo.charts.null_last_day("AMD")
        return yahoo.charts(request) or Reply(404)

    whole = yahoo.charts._listings["AMD"]
    ends = whole.date <= SECOND
    yahoo.charts.list(
        type(whole)("AMD", whole.date[ends], whole.close[ends], whole.adj_close[ends])
    )
    yahoo.server.fault(chart_of("AMD"), null)
    yahoo.night(books, [SECOND], "second")
    assert SECOND not in closes(books, "AMD")
    assert logged(books, SECOND) == {}
    (row,) = ask(
        books,
        "SELECT market_beta IS NOT NULL FROM symbol_factor_exposures "
        "WHERE symbol = 'AMD' AND calculation_date = %s",
        SECOND,
    )
    assert row == (True,)
    yahoo.charts.list(whole)
    yahoo.night(books, [THIRD], "third")
    assert SECOND in closes(books, "AMD")
    assert table_checksums(books) == clean


def split(yahoo: Market) -> None:
    yahoo.charts.split("AAPL", SECOND, 4.0)


def dividend(yahoo: Market) -> None:
    yahoo.charts.dividend("KO", SECOND, 0.51)


def dividend_of_a_proxy(yahoo: Market) -> None:
    yahoo.charts.dividend("SPY", SECOND, 1.97)


def restated(yahoo: Market) -> None:
    """History is told otherwise without a word why."""
    yahoo.charts._restate(
        "MSFT",
        lambda each: type(each)(each.symbol, each.date, each.close * 0.5, each.adj_close * 0.5),
    )


@pytest.mark.parametrize(
    ("change", "symbol"),
    [(split, "AAPL"), (dividend, "KO"), (dividend_of_a_proxy, "SPY"), (restated, "MSFT")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_history_that_is_restated_between_two_nights_is_fetched_again_whole(
    books: Database,
    yahoo: Market,
    server: EmbeddedPostgres,
    template: str,
    change: Callable[[Market], None],
    symbol: str,
) -> None:
    """In the same run; and every table then says what the restated prices say."""
    yahoo.night(books, [FIRST], "first")
    change(yahoo)
    yahoo.server.requests.clear()
    report = yahoo.night(books, [SECOND], "second")
    assert report.restated == 1
    assert yahoo.asked(symbol) == 2
    told = yahoo.charts._listings[symbol]
    stored = closes(books, symbol)
    assert {on: stored[on] for on in stored} == {
        on: close
        for on, close in zip(told.date.astype(object), told.close.tolist(), strict=True)
        if min(stored) <= on <= SECOND
    }
    yahoo.server.requests.clear()
    yahoo.night(books, [THIRD], "third")
    assert yahoo.asked(symbol) == 1, "an action that is known is no news"
    other = Database(fresh_database(server, template=template))
    open_books(other)
    yahoo.night(other, [FIRST, SECOND, THIRD], "all at once")
    assert table_checksums(books) == table_checksums(other)
    drop_database(server, other.url)


def test_actions_and_restated_prices_are_stored_together(books: Database, yahoo: Market) -> None:
    yahoo.night(books, [FIRST], "first")
    old = closes(books, "AAPL")
    split(yahoo)
    dividend(yahoo)
    # The trailing answer is good, the whole window is not to be had: nothing of it is stored.
    yahoo.server.fault(
        lambda request: chart_of("AAPL")(request) and "period1" in request.query,
        lambda _: None,
        *[Reply(500)] * 3,
    )
    found = results(yahoo.night(books, [SECOND], "second"))
    assert found["AAPL"] == "unavailable"
    assert closes(books, "AAPL") == old
    actions = "SELECT symbol, action_date, action_type, value::float8 FROM corporate_actions"
    assert ask(books, actions) == [("KO", SECOND, "dividend", 0.51)]
    found = results(yahoo.night(books, [THIRD], "third"))
    assert found["AAPL"] == "updated"
    assert closes(books, "AAPL")[FIRST] == old[FIRST] / 4
    assert ("AAPL", SECOND, "split", 4.0) in ask(books, actions)


def test_a_split_leaves_what_a_holder_owns_as_it_was(books: Database, yahoo: Market) -> None:
    yahoo.night(books, [FIRST], "first")
    value = "SELECT snapshot_date, net_asset_value FROM portfolio_snapshots ORDER BY 1, 2"
    before = ask(books, value)
    split(yahoo)
    yahoo.night(books, [SECOND], "second")
    assert ask(books, value)[: len(before)] == before
    assert ask(books, "SELECT count(*) FROM price_warnings WHERE symbol = 'AAPL'") == [(0,)]


def test_a_renamed_symbol_is_refused_and_nothing_of_the_other_is_stored(
    books: Database, yahoo: Market
) -> None:
    yahoo.night(books, [FIRST], "first")
    before = closes(books, "INTC")
    yahoo.charts.rename("INTC", "INTX")
    found = yahoo.night(books, [SECOND], "second")
    (told,) = [each for each in found.results if each.symbol == "INTC"]
    assert str(told.result) == "rejected"
    assert "INTX" in told.reason
    assert closes(books, "INTC") == before
    assert logged(books, SECOND) == {"INTC": "rejected"}
    assert closes(books, "INTX") == {}


def test_a_contract_that_did_not_trade_keeps_its_last_mark_and_says_so(
    books: Database, yahoo: Market, clean: Mapping[str, str]
) -> None:
    yahoo.night(books, [FIRST], "first")
    yahoo.polygon.bars = contract_bars(missing=[SECOND])
    report = yahoo.night(books, [SECOND], "second")
    assert yahoo.asked("2026-03-11") == 1, "one call for the whole range"
    (told,) = [each for each in report.results if each.symbol == CONTRACT]
    assert (str(told.result), told.reason) == (
        "not_traded",
        "did not trade since 2026-03-10: keeps that mark",
    )
    assert logged(books, SECOND) == {}
    moved = {symbol: closes(books, symbol) for symbol in ("AAPL", "KO")}
    earned = sum(
        quantity * (moved[symbol][SECOND] - moved[symbol][FIRST])
        for symbol, quantity in (("AAPL", 10), ("KO", 100))
    )
    (row,) = ask(
        books,
        "SELECT daily_pnl::float8 FROM portfolio_snapshots s JOIN portfolios f "
        "ON f.id = s.portfolio_id WHERE account_name = 'Book' AND snapshot_date = %s",
        SECOND,
    )
    assert row == (pytest.approx(earned),), "the contract earned nothing"
    yahoo.polygon.bars = contract_bars()
    yahoo.night(books, [THIRD], "third")
    assert table_checksums(books) == clean


def test_without_a_key_contracts_have_no_source_and_everything_else_goes_on(
    books: Database, yahoo: Market
) -> None:
    yahoo.key = None
    report = yahoo.night(books, [FIRST], "first")
    found = results(report)
    assert found.pop(CONTRACT) == "no_source"
    assert set(found.values()) == {"updated"}
    (told,) = [each for each in report.results if each.symbol == CONTRACT]
    assert "POLYGON_API_KEY" in told.reason
    assert ask(books, "SELECT count(*) FROM portfolio_snapshots") == [(2,)]
    (detail,) = ask(books, "SELECT batch_type, item, reason FROM batch_failure_log")
    assert detail == ("option_prices", CONTRACT, "no_source")


def versions(database: Database, on: date) -> dict[str, str]:
    """The transaction that wrote each symbol's factors of a session."""
    return dict(
        ask(
            database,
            "SELECT symbol, xmin::text FROM symbol_factor_exposures WHERE calculation_date = %s",
            on,
        )
    )


@pytest.mark.parametrize(("change", "rewritten"), [(dividend, {"KO"}), (dividend_of_a_proxy, None)])
def test_only_what_a_change_can_reach_is_computed_again(
    books: Database,
    yahoo: Market,
    change: Callable[[Market], None],
    rewritten: set[str] | None,
) -> None:
    """The rows of the symbol alone, or all of them if it is a factor proxy."""
    yahoo.night(books, [FIRST], "first")
    before = versions(books, FIRST)
    yahoo.night(books, [SECOND], "a quiet night")
    assert versions(books, FIRST) == before
    change(yahoo)
    yahoo.night(books, [THIRD], "third")
    after = versions(books, FIRST)
    again = {symbol for symbol in before if after[symbol] != before[symbol]}
    assert again == (rewritten or set(before))


def test_a_slow_backfill_does_not_leave_what_a_quicker_night_has_made_old(
    books: Database, yahoo: Market, clean: Mapping[str, str]
) -> None:
    """The night computes what is published; the session that comes after it is computed again."""
    whole = yahoo.charts._listings["KO"].close
    wrong = yahoo.charts._listings["KO"].date == FIRST
    whole[wrong] *= 1.05
    yahoo.prices(books, [FIRST, SECOND], "slow")
    held = claim(books, Layer.SYMBOLS, [FIRST, SECOND], "slow")
    computing = refresh_symbols(books, held, [FIRST, SECOND], sessions.offset(THIRD, 1))
    next(computing)
    whole[wrong] /= 1.05
    yahoo.night(books, [THIRD], "quick")
    list(computing)
    run_portfolios(books, [FIRST, SECOND], "slow")
    assert ("KO",) in ask(books, "SELECT symbol FROM changed_prices WHERE NOT settled")
    yahoo.night(books, [THIRD], "next")
    assert table_checksums(books) == clean


def fate(seed: str) -> Reply | None:
    """A fault with a chance of 20 %, of any kind there is; a time-out takes too long here."""
    chance = random.Random(seed)
    kinds = [reply for reply, _ in FAULTS.values() if not (reply.wait or reply.trickle)]
    return chance.choice(kinds) if chance.random() < 0.2 else None


def one_in_five(seed: int) -> Callable[[Request], Reply | None]:
    """One request in five fails."""
    asked: Counter[str] = Counter()

    def answer(request: Request) -> Reply | None:
        asked[request.path] += 1
        return fate(f"{seed} {request.path} {asked[request.path]}")

    return answer


def all_night(seed: int) -> Callable[[Request], Reply | None]:
    """One symbol in five fails, and does so all night long."""
    return lambda request: fate(f"{seed} {request.path}")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("faults", [one_in_five, all_night])
def test_a_night_of_faults_and_a_clean_one_are_two_clean_nights(
    books: Database,
    yahoo: Market,
    server: EmbeddedPostgres,
    template: str,
    faults: Callable[[int], Callable[[Request], Reply | None]],
    seed: int,
) -> None:
    """With a split, a dividend and a corrected price between the nights."""
    other = Database(fresh_database(server, template=template))
    open_books(other)
    fault = faults(seed)
    yahoo.server.fault(lambda _: True, *[fault] * 10_000)
    report = yahoo.night(books, [FIRST], "first")
    assert faults is one_in_five or report.failed_share() > 0, "the faults were felt"
    yahoo.server.heal()
    with market() as healthy:
        healthy.night(other, [FIRST], "first")
        for each in (yahoo, healthy):
            split(each)
            dividend(each)
            late = each.charts._listings["COST"]
            late.close[late.date == FIRST] *= 1.01
        # What the first night withheld is missing, and the schedule asks for it again.
        yahoo.night(books, [FIRST, SECOND], "second")
        healthy.night(other, [SECOND], "second")
    assert table_checksums(books) == table_checksums(other)
    drop_database(server, other.url)
