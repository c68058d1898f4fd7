"""A night's profiles and statements: from the real client on a loopback server to the tables."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.failures import BatchFailure
from sigmasight_assets.core.db.write.universe import add_symbols
from sigmasight_assets.core.market.companies import ProfileAnswer
from sigmasight_assets.core.market.yahoo_companies import YahooCompanies
from sigmasight_assets.core.nightly.companies import (
    CompanyReport,
    refresh_fundamentals,
    refresh_profiles,
)
from sigmasight_assets_tests.builders import day
from sigmasight_assets_tests.market_servers.company_documents import EQUITY, ETF
from sigmasight_assets_tests.market_servers.loopback import Reply, about, as_json
from sigmasight_assets_tests.market_servers.yahoo import CRUMB
from sigmasight_assets_tests.market_servers.yahoo_companies import (
    PROFILE_PATH,
    STATEMENTS_PATH,
    CompanyServer,
    company_server,
    source_of,
)

NOW = datetime(2025, 2, 10, 23, 30, tzinfo=UTC)
SERIES = {
    "annualTotalRevenue": [("2024-09-30", 391e9)],
    "quarterlyTotalRevenue": [("2024-12-31", 124e9)],
    "quarterlyTotalAssets": [("2024-12-31", 344e9)],
    "quarterlyFreeCashFlow": [("2024-12-31", 27e9)],
}
EVERYTHING = """
    SELECT (SELECT json_agg(p ORDER BY symbol) FROM company_profiles p),
           (SELECT json_agg(e ORDER BY symbol, period) FROM analyst_estimates e),
           (SELECT json_agg(i ORDER BY symbol, period_date, frequency) FROM income_statements i),
           (SELECT json_agg(b ORDER BY symbol, period_date, frequency) FROM balance_sheets b),
           (SELECT json_agg(f ORDER BY symbol, period_date, frequency) FROM cash_flows f)
"""
CHECKS = "SELECT symbol, subject, outcome, checked_at FROM company_checks ORDER BY 1, 2"


@pytest.fixture
def yahoo() -> Iterator[CompanyServer]:
    with company_server() as knows:
        yield knows


def companies(database: Database, knows: CompanyServer, count: int) -> list[str]:
    """So many companies that are in the universe, and that Yahoo knows."""
    symbols = [f"S{number:03d}" for number in range(count)]
    for symbol in symbols:
        document = deepcopy(EQUITY)
        document["price"]["symbol"] = document["quoteType"]["symbol"] = symbol
        knows.profiles[symbol] = document
        knows.series[symbol] = SERIES
    add_symbols(database, symbols, day("2025-01-02"), "a test")
    return symbols


def rows(database: Database, query: str) -> list[tuple]:
    with database.connection() as connection:
        return connection.execute(query).fetchall()


def asked(knows: CompanyServer, path: str = PROFILE_PATH) -> list[str]:
    return [request.path.removeprefix(path) for request in knows.asked(path)]


def profiles(
    database: Database, source: YahooCompanies, now: datetime = NOW, most: int = 999
) -> CompanyReport:
    return refresh_profiles(database, source, now, most)


def statements(
    database: Database, source: YahooCompanies, now: datetime = NOW, most: int = 999
) -> CompanyReport:
    return refresh_fundamentals(database, source, now, most)


def test_a_night_brings_profiles_and_the_next_statements_for_one_request_each(
    database: Database, yahoo: CompanyServer
) -> None:
    symbols = companies(database, yahoo, 7)
    yahoo.profiles["INDX"] = ETF
    add_symbols(database, ["INDX"], day("2025-01-02"), "a test")
    source = source_of(yahoo)
    assert profiles(database, source) == CompanyReport(8, {"updated": 8}, ())
    assert statements(database, source) == CompanyReport(7, {"updated": 7}, ())
    assert sorted(asked(yahoo)) == ["INDX", *symbols]
    assert sorted(asked(yahoo, STATEMENTS_PATH)) == symbols
    assert len(yahoo.asked(CRUMB)) == 1
    assert len(yahoo.server.requests) == 8 + 7 + 2
    found = rows(
        database,
        "SELECT symbol, sector, market_cap, is_etf, next_earnings_date, updated_at "
        "FROM company_profiles ORDER BY symbol",
    )
    assert found[0] == ("INDX", None, None, True, None, NOW)
    assert found[1] == ("S000", "Technology", 3.5e12, False, day("2025-01-30"), NOW)
    assert rows(database, "SELECT count(*), min(period) FROM analyst_estimates") == [
        (21, "current_quarter")
    ]
    assert rows(
        database,
        "SELECT period_date, frequency, fiscal_year, currency, total_revenue, ebit, fetched_at "
        "FROM income_statements WHERE symbol = 'S006' ORDER BY 1",
    ) == [
        (day("2024-09-30"), "a", 2024, "USD", 391e9, None, NOW),
        (day("2024-12-31"), "q", 2025, "USD", 124e9, None, NOW),
    ]
    assert rows(database, "SELECT count(*), sum(total_assets) FROM balance_sheets") == [
        (7, 7 * 344e9)
    ]
    assert rows(database, "SELECT count(*), sum(free_cash_flow) FROM cash_flows") == [(7, 7 * 27e9)]


def test_the_same_night_again_asks_for_nothing(database: Database, yahoo: CompanyServer) -> None:
    companies(database, yahoo, 3)
    source = source_of(yahoo)
    profiles(database, source)
    statements(database, source)
    before, requests = rows(database, EVERYTHING), len(yahoo.server.requests)
    assert profiles(database, source) == statements(database, source) == CompanyReport(0, {}, ())
    assert (rows(database, EVERYTHING), len(yahoo.server.requests)) == (before, requests)


def test_a_week_later_the_same_answers_change_nothing(
    database: Database, yahoo: CompanyServer
) -> None:
    companies(database, yahoo, 3)
    source = source_of(yahoo)
    early = NOW - timedelta(days=30)
    profiles(database, source, early)
    before = rows(database, EVERYTHING)
    assert profiles(database, source, early + timedelta(days=8)).outcomes == {"unchanged": 3}
    assert rows(database, EVERYTHING) == before


def test_a_night_asks_for_no_more_than_it_may(database: Database, yahoo: CompanyServer) -> None:
    symbols = companies(database, yahoo, 9)
    source = source_of(yahoo)
    assert profiles(database, source, most=4).outcomes == {"updated": 4}
    assert sorted(asked(yahoo)) == symbols[:4]
    assert statements(database, source, most=3).outcomes == {"updated": 3}
    assert sorted(asked(yahoo, STATEMENTS_PATH)) == symbols[:3]
    assert profiles(database, source, most=99).due == 5
    assert sorted(asked(yahoo)) == symbols
    assert profiles(database, source, most=0) == CompanyReport(0, {}, ())


def test_each_failure_is_reported_and_logged_with_its_reason(
    database: Database, yahoo: CompanyServer
) -> None:
    companies(database, yahoo, 4)
    del yahoo.profiles["S000"]
    yahoo.profiles["S001"] = EQUITY
    yahoo.server.fault(about("S002"), *[Reply(500)] * 3)
    report = profiles(database, source_of(yahoo))
    assert report.outcomes == {"updated": 1, "no_data": 1, "rejected": 1, "unavailable": 1}
    assert report.failures == (
        BatchFailure("S000", "no_data", "Quote not found for symbol: S000"),
        BatchFailure("S001", "rejected", "the answer is about ORCH"),
        BatchFailure("S002", "unavailable", "yfinance did not answer: HTTP 500"),
    )
    logged = "SELECT batch_type, batch_date, item, reason, detail FROM batch_failure_log ORDER BY 3"
    assert rows(database, logged) == [
        ("company_profiles", day("2025-02-10"), each.item, each.reason, each.detail)
        for each in report.failures
    ]
    assert rows(database, CHECKS) == [
        ("S000", "profile", "no_data", NOW),
        ("S001", "profile", "rejected", NOW),
        ("S003", "profile", "updated", NOW),
    ]
    assert rows(database, "SELECT symbol FROM company_profiles") == [("S003",)]


def test_what_was_stored_survives_a_failure_and_heals(
    database: Database, yahoo: CompanyServer
) -> None:
    companies(database, yahoo, 2)
    source = source_of(yahoo)
    profiles(database, source)
    statements(database, source)
    before, later = rows(database, EVERYTHING), NOW + timedelta(days=101)
    for fault in (Reply(500), Reply(200, b"<html>"), as_json({}), Reply(200, b'{"quoteSummary"')):
        yahoo.server.fault(about("S00"), *[fault] * 12)
        assert profiles(database, source, later).outcomes == {"unavailable": 2}
        assert statements(database, source, later).outcomes == {"unavailable": 2}
        yahoo.server.heal()
        assert rows(database, EVERYTHING) == before
    for symbol in ("S000", "S001"):
        yahoo.profiles[symbol]["price"]["longName"] = "New Name"
        yahoo.series[symbol] = {**SERIES, "quarterlyTotalRevenue": [("2025-03-31", 95e9)]}
    assert profiles(database, source, later).outcomes == {"updated": 2}
    assert statements(database, source, later).outcomes == {"updated": 2}
    assert rows(database, "SELECT DISTINCT company_name FROM company_profiles") == [("New Name",)]
    assert rows(database, "SELECT count(*) FROM income_statements") == [(6,)]


def test_a_source_that_has_had_enough_is_left_alone(
    database: Database, yahoo: CompanyServer
) -> None:
    companies(database, yahoo, 120)
    source = source_of(yahoo)
    yahoo.server.fault(_after(yahoo, 60), *[Reply(429)] * 500)
    report = profiles(database, source)
    assert report.due == 120
    assert report.outcomes["updated"] == 60
    assert 1 <= report.outcomes["rate_limited"] <= 5
    assert set(report.outcomes) == {"updated", "rate_limited"}
    assert len(asked(yahoo)) <= 60 + 15
    assert rows(database, "SELECT count(*) FROM company_profiles") == [(60,)]
    yahoo.server.heal()
    report = profiles(database, source_of(yahoo))
    assert (report.due, report.outcomes) == (60, {"updated": 60})


def test_a_source_that_is_down_is_given_up(database: Database, yahoo: CompanyServer) -> None:
    companies(database, yahoo, 160)
    yahoo.server.fault(about("S"), *[Reply(503)] * 999)
    report = profiles(database, source_of(yahoo))
    assert report.outcomes == {"unavailable": 50}
    # Three tries for each of the 20 in a row, and for those under way at the time.
    assert len(asked(yahoo)) <= 3 * (20 + 4)
    assert rows(database, CHECKS) == []


def test_a_run_killed_between_two_transactions_keeps_what_it_has(
    database: Database, yahoo: CompanyServer
) -> None:
    symbols = companies(database, yahoo, 120)

    class Killed(YahooCompanies):
        def profile(self, symbol: str) -> ProfileAnswer:
            if symbol == "S077":
                raise KeyboardInterrupt
            return super().profile(symbol)

    source = source_of(yahoo)
    with pytest.raises(KeyboardInterrupt):
        profiles(database, Killed(source._data, source._patience))
    assert rows(database, "SELECT symbol FROM company_profiles ORDER BY 1") == [
        (symbol,) for symbol in symbols[:50]
    ]
    assert len(asked(yahoo)) < 100
    yahoo.server.requests.clear()
    assert profiles(database, source).outcomes == {"updated": 70}
    assert sorted(asked(yahoo)) == symbols[50:]


def _after(knows: CompanyServer, count: int):
    """Whether so many profiles have been asked for before."""
    return lambda request: len(asked(knows)) > count and request.path.startswith(PROFILE_PATH)
