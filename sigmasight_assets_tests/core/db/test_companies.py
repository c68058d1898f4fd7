"""Whose profile and statements are due, and what is stored of an answer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from psycopg import Connection

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.company_queue import fundamentals_due, profiles_due
from sigmasight_assets.core.db.write.companies import LOCK, write_profiles, write_statements
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.market.companies import (
    AnalystEstimate,
    CompanyProfile,
    ProfileAnswer,
    Statement,
    StatementKind,
    StatementsAnswer,
)
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.market.yahoo_profiles import read_profile
from sigmasight_assets_tests.builders import add_portfolio, day, lot
from sigmasight_assets_tests.market_servers.company_documents import EQUITY, STRANGE

NOW = datetime(2025, 2, 10, 23, 30, tzinfo=UTC)
PROFILE = CompanyProfile("A", "A Inc.", "EQUITY", market_cap=5.0, employees=7, is_etf=False)


def universe(database: Database, *symbols: str) -> None:
    add_symbols(database, symbols, day("2025-01-02"), "a test")


def rows(database: Database, query: str, *values: object) -> list[tuple]:
    with database.connection() as connection:
        return connection.execute(query, values).fetchall()


def say(
    database: Database,
    profile: CompanyProfile,
    *estimates: AnalystEstimate,
    at: datetime = NOW,
) -> str:
    answer = ProfileAnswer(Outcome.ROWS, profile, estimates)
    return write_profiles(database, {profile.symbol: answer}, at)[profile.symbol]


def report(database: Database, *statements: Statement, at: datetime = NOW) -> str:
    answer = StatementsAnswer(Outcome.ROWS, statements)
    return write_statements(database, {statements[0].symbol: answer}, at)[statements[0].symbol]


def income(on: str, revenue: float | None, symbol: str = "A", frequency: str = "q") -> Statement:
    items = {"total_revenue": revenue, "net_income": 1.0}
    kind = StatementKind.INCOME
    return Statement(kind, symbol, day(on), frequency, day(on).year, "USD", items)


def due_profiles(database: Database, now: datetime = NOW, most: int = 99) -> list[str]:
    with database.connection() as connection:
        return profiles_due(connection, now, most)


def due_statements(database: Database, now: datetime = NOW, most: int = 99) -> list[str]:
    with database.connection() as connection:
        return list(fundamentals_due(connection, now, most))


def test_a_profile_is_due_when_it_is_older_than_seven_days(database: Database) -> None:
    universe(database, "A", "B")
    assert due_profiles(database) == ["A", "B"]
    say(database, PROFILE)
    assert due_profiles(database, NOW) == ["B"]
    assert due_profiles(database, NOW + timedelta(days=7)) == ["B"]
    assert due_profiles(database, NOW + timedelta(days=7, microseconds=1)) == ["B", "A"]


def test_held_symbols_and_proxies_come_first_then_the_oldest_then_by_symbol(
    database: Database,
) -> None:
    universe(database, "A", "B", "C", "D", "E", "HELD", "SOLD", "SPY", "UNDER")
    add_portfolio(
        database,
        lot("HELD", "1", "2", "2025-02-03"),
        lot("UNDER260116C00200000", "2", "11.5", "2025-02-03"),
        inception="2025-02-03",
    )
    gone = add_portfolio(
        database, lot("SOLD", "1", "2", "2025-02-03"), inception="2025-02-03", name="Gone"
    )
    with database.connection() as connection:
        connection.execute("UPDATE portfolios SET deleted_at = now() WHERE id = %s", (gone,))
    for symbol, days in (("C", 9), ("B", 8), ("D", 8), ("SPY", 10), ("E", 6)):
        say(database, replace(PROFILE, symbol=symbol), at=NOW - timedelta(days=days))
    order = ["HELD", "UNDER", "SPY", "A", "SOLD", "C", "B", "D"]
    assert due_profiles(database) == order
    assert due_profiles(database, most=4) == order[:4]
    assert due_profiles(database, most=0) == []


def test_only_living_public_symbols_are_asked_for(database: Database) -> None:
    statuses = ("pending", "processing", "active", "delisted", "retired", "error")
    universe(database, *(status.upper() for status in statuses), "AAPL260116C00200000")
    with database.connection() as connection:
        connection.execute(
            "UPDATE symbol_universe SET status = lower(symbol) WHERE lower(symbol) = ANY(%s)",
            (list(statuses),),
        )
    assert due_profiles(database) == ["ACTIVE", "PENDING", "PROCESSING"]
    for symbol in (*statuses, "AAPL260116C00200000"):
        say(database, replace(PROFILE, symbol=symbol.upper()))
    assert due_statements(database) == ["ACTIVE", "PENDING", "PROCESSING"]


@pytest.mark.parametrize("outcome", [Outcome.NO_DATA, Outcome.REJECTED])
def test_an_answer_without_a_profile_leaves_it_and_is_not_repeated_at_once(
    database: Database, outcome: Outcome
) -> None:
    universe(database, "A", "B")
    say(database, PROFILE, at=NOW - timedelta(days=9))
    before = rows(database, "SELECT * FROM company_profiles")
    told = write_profiles(database, dict.fromkeys("AB", ProfileAnswer(outcome)), NOW)
    assert told == dict.fromkeys("AB", outcome)
    assert rows(database, "SELECT * FROM company_profiles") == before
    assert due_profiles(database) == []
    assert due_profiles(database, NOW + timedelta(days=8)) == ["A", "B"]


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.UNAVAILABLE])
def test_a_symbol_that_got_no_answer_is_still_due(database: Database, outcome: Outcome) -> None:
    universe(database, "A")
    say(database, PROFILE, at=NOW - timedelta(days=9))
    before = rows(database, "SELECT * FROM company_profiles, company_checks")
    assert write_profiles(database, {"A": ProfileAnswer(outcome)}, NOW) == {}
    assert write_statements(database, {"A": StatementsAnswer(outcome)}, NOW) == {}
    assert rows(database, "SELECT * FROM company_profiles, company_checks") == before
    assert due_profiles(database) == due_statements(database) == ["A"]


def test_a_profile_is_what_was_said_last_and_keeps_nothing_older(database: Database) -> None:
    assert say(database, PROFILE) == "updated"
    later = NOW + timedelta(days=8)
    assert say(database, CompanyProfile("A", "A Corp.", "EQUITY"), at=later) == "updated"
    assert rows(
        database,
        "SELECT company_name, market_cap, employees, is_etf, updated_at FROM company_profiles",
    ) == [("A Corp.", None, None, None, later)]


def test_the_same_answer_again_changes_only_when_it_was_asked_for(database: Database) -> None:
    estimate = AnalystEstimate("A", "current_year", day("2025-12-31"), revenue_avg=1.0)
    assert say(database, PROFILE, estimate) == "updated"
    tables = "SELECT * FROM company_profiles, analyst_estimates"
    before = rows(database, tables)
    later = NOW + timedelta(days=8)
    assert say(database, PROFILE, estimate, at=later) == "unchanged"
    assert rows(database, tables) == before
    assert rows(database, "SELECT subject, outcome, checked_at FROM company_checks") == [
        ("profile", "unchanged", later)
    ]


def test_estimates_are_replaced_whole(database: Database) -> None:
    other = AnalystEstimate("B", "next_year", revenue_avg=9.0)
    say(database, replace(PROFILE, symbol="B"), other)
    this = AnalystEstimate("A", "current_year", earnings_avg=1.0, analyst_count=3)
    following = AnalystEstimate("A", "next_year", earnings_avg=2.0)
    query = "SELECT symbol, period, earnings_avg, analyst_count, revenue_avg FROM analyst_estimates"
    say(database, PROFILE, this, following)
    assert say(database, PROFILE, replace(this, earnings_avg=1.5)) == "updated"
    assert sorted(rows(database, query)) == [
        ("A", "current_year", 1.5, 3, None),
        ("B", "next_year", None, None, 9.0),
    ]
    assert say(database, PROFILE) == "updated"
    assert rows(database, query) == [("B", "next_year", None, None, 9.0)]
    assert say(database, PROFILE) == "unchanged"


@pytest.mark.parametrize(
    ("moved_to", "kept"),
    [("2025-05-01", day("2025-02-06")), (None, day("2025-02-06"))],
)
def test_an_earnings_date_that_passed_is_kept_when_the_next_is_announced(
    database: Database, moved_to: str | None, kept: date
) -> None:
    announced = replace(PROFILE, next_earnings_date=day("2025-02-06"))
    say(database, announced, at=NOW - timedelta(days=8))
    ahead = day(moved_to) if moved_to else None
    say(database, replace(announced, next_earnings_date=ahead), at=NOW)
    query = "SELECT next_earnings_date, last_earnings_date FROM company_profiles"
    assert rows(database, query) == [(ahead, kept)]


def test_an_earnings_date_that_is_put_off_has_not_passed(database: Database) -> None:
    announced = replace(PROFILE, next_earnings_date=day("2025-02-11"))
    say(database, announced, at=NOW - timedelta(days=8))
    say(database, replace(announced, next_earnings_date=day("2025-02-20")), at=NOW)
    query = "SELECT next_earnings_date, last_earnings_date FROM company_profiles"
    assert rows(database, query) == [(day("2025-02-20"), None)]


def test_statements_are_due_for_companies_never_asked_for(database: Database) -> None:
    universe(database, "A", "ETF", "NONE", "UNKNOWN")
    year_end = day("2024-09-28")
    say(database, replace(PROFILE, last_fiscal_year_end=year_end))
    say(database, replace(PROFILE, symbol="ETF", quote_type="ETF"))
    say(database, replace(PROFILE, symbol="NONE", quote_type=None))
    with database.connection() as connection:
        assert fundamentals_due(connection, NOW, 99) == {"A": year_end}


def test_statements_are_due_once_on_the_third_day_after_the_earnings(database: Database) -> None:
    universe(database, "A")
    say(database, replace(PROFILE, next_earnings_date=day("2025-02-06")))
    report(database, income("2024-09-30", 1.0), at=datetime(2025, 1, 20, tzinfo=UTC))
    second = datetime(2025, 2, 8, 23, 59, 59, tzinfo=UTC)
    third = second + timedelta(seconds=1)
    assert due_statements(database, second) == []
    assert due_statements(database, third) == ["A"]
    report(database, income("2024-12-31", 2.0), at=second)
    assert due_statements(database, third) == ["A"]
    report(database, income("2024-12-31", 3.0), at=third)
    assert due_statements(database, third + timedelta(days=1)) == []


def test_earnings_are_not_forgotten_when_the_next_date_is_known_first(database: Database) -> None:
    universe(database, "A")
    announced = replace(PROFILE, next_earnings_date=day("2025-02-06"))
    say(database, announced, at=NOW - timedelta(days=8))
    report(database, income("2024-09-30", 1.0), at=NOW - timedelta(days=8))
    assert due_statements(database) == ["A"]
    say(database, replace(announced, next_earnings_date=day("2025-05-08")))
    assert due_statements(database) == ["A"]
    report(database, income("2024-12-31", 2.0))
    assert due_statements(database) == []
    assert due_statements(database, datetime(2025, 5, 10, 23, tzinfo=UTC)) == []
    assert due_statements(database, datetime(2025, 5, 11, tzinfo=UTC)) == ["A"]


@pytest.mark.parametrize("outcome", [Outcome.NO_DATA, Outcome.REJECTED, Outcome.ROWS])
def test_an_answer_without_news_is_asked_for_again_after_thirty_days(
    database: Database, outcome: Outcome
) -> None:
    universe(database, "A")
    say(database, PROFILE)
    found = (income("2024-12-31", 1.0),) if outcome is Outcome.ROWS else ()
    if found:
        report(database, *found)
    write_statements(database, {"A": StatementsAnswer(outcome, found)}, NOW)
    assert due_statements(database, NOW + timedelta(days=30)) == []
    assert due_statements(database, NOW + timedelta(days=30, microseconds=1)) == ["A"]


def test_a_company_that_announces_no_earnings_is_asked_for_after_a_hundred_days(
    database: Database,
) -> None:
    universe(database, "A")
    say(database, PROFILE)
    report(database, income("2024-12-31", 1.0))
    assert due_statements(database, NOW + timedelta(days=100)) == []
    assert due_statements(database, NOW + timedelta(days=100, microseconds=1)) == ["A"]


def test_due_statements_are_ordered_as_due_profiles_are(database: Database) -> None:
    universe(database, "A", "B", "C", "D", "HELD")
    add_portfolio(database, lot("HELD", "1", "2", "2025-02-03"), inception="2025-02-03")
    for symbol in ("A", "B", "C", "D", "HELD"):
        say(database, replace(PROFILE, symbol=symbol))
    report(database, income("2024-12-31", 1.0, "HELD"), at=NOW - timedelta(days=101))
    report(database, income("2024-12-31", 1.0, "A"), at=NOW - timedelta(days=102))
    report(database, income("2024-12-31", 1.0, "C"), at=NOW - timedelta(days=103))
    assert due_statements(database) == ["HELD", "B", "D", "C", "A"]
    assert due_statements(database, most=2) == ["HELD", "B"]


def test_a_restated_period_is_replaced_and_one_no_longer_listed_stays(database: Database) -> None:
    older, newer = income("2024-09-30", 1.0), income("2024-12-31", 2.0)
    annual = income("2024-12-31", 8.0, frequency="a")
    assert report(database, older, newer, annual) == "updated"
    later = NOW + timedelta(days=31)
    restated = replace(newer, items={"total_revenue": None, "net_income": 1.0}, currency="EUR")
    assert report(database, restated, at=later) == "updated"
    query = (
        "SELECT period_date, frequency, fiscal_year, currency, total_revenue, net_income, "
        "fetched_at FROM income_statements ORDER BY 1, 2"
    )
    expected = [
        (day("2024-09-30"), "q", 2024, "USD", 1.0, 1.0, NOW),
        (day("2024-12-31"), "a", 2024, "USD", 8.0, 1.0, NOW),
        (day("2024-12-31"), "q", 2024, "EUR", None, 1.0, later),
    ]
    assert rows(database, query) == expected
    assert report(database, restated, at=later + timedelta(days=1)) == "unchanged"
    assert rows(database, query) == expected


def test_numbers_are_stored_to_the_last_bit(database: Database) -> None:
    strange = (0.1 + 0.2, 5e-324, -1.7976931348623157e308, 1 / 3, 391034994688.0)
    for number in strange:
        say(database, replace(PROFILE, pe_ratio=number))
        assert rows(database, "SELECT pe_ratio FROM company_profiles") == [(number,)]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_number_that_is_none_is_stored(database: Database, number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        say(database, replace(PROFILE, pe_ratio=number))
    assert rows(database, "SELECT FROM company_profiles") == []


def test_whatever_yahoo_writes_can_be_stored(database: Database) -> None:
    answers = {}
    for number, strange in enumerate(STRANGE):
        symbol = f"S{number}"
        document = {module: dict.fromkeys(part, strange) for module, part in EQUITY.items()}
        document["price"]["symbol"] = document["quoteType"]["symbol"] = symbol
        trend = dict.fromkeys(("avg", "low", "high", "growth", "numberOfAnalysts"), strange)
        document["earningsTrend"]["trend"] = [
            {"period": "0y", "endDate": strange, "revenueEstimate": {**trend, "avg": 1.0}},
        ]
        answers[symbol] = read_profile(symbol, {"quoteSummary": {"result": [document]}})
    told = write_profiles(database, answers, NOW)
    assert set(told.values()) == {"updated"}
    assert rows(database, "SELECT count(*) FROM company_profiles") == [(len(STRANGE),)]
    assert rows(database, "SELECT count(*) FROM analyst_estimates") == [(len(STRANGE),)]


def test_writers_take_turns(database: Database) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    answer = StatementsAnswer(Outcome.ROWS, (income("2024-12-31", 1.0, "B"),))
    writes = (
        lambda: write_profiles(database, {"A": ProfileAnswer(Outcome.ROWS, PROFILE)}, NOW),
        lambda: write_statements(database, {"B": answer}, NOW),
    )
    with ThreadPoolExecutor(2) as pool:
        with database.connection() as connection:
            connection.execute(LOCK)
            written = [pool.submit(write) for write in writes]
            patience = time.monotonic() + 10
            while rows(database, waiting) != [(2,)]:
                assert time.monotonic() < patience
                time.sleep(0.01)
        assert [each.result() for each in written] == [{"A": "updated"}, {"B": "updated"}]


def test_a_row_says_what_kind_it_is(database: Database) -> None:
    def refused(connection: Connection, statement: str) -> None:
        with pytest.raises(Exception, match="check"), connection.transaction():
            connection.execute(statement)

    with database.connection() as connection:
        refused(
            connection, "INSERT INTO analyst_estimates (symbol, period) VALUES ('A', 'century')"
        )
        refused(
            connection,
            "INSERT INTO company_checks (symbol, subject, outcome) VALUES ('A', 'x', 'updated')",
        )
        refused(
            connection,
            "INSERT INTO cash_flows (symbol, period_date, frequency, fiscal_year) "
            "VALUES ('A', '2024-12-31', 'm', 2024)",
        )
