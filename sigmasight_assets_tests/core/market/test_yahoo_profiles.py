"""A quoteSummary document becomes a profile, through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, fields
from datetime import date, timedelta
from typing import Any

import pytest

from sigmasight_assets.core.errors import SourceUnavailable
from sigmasight_assets.core.market.companies import AnalystEstimate, CompanyProfile, ProfileAnswer
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.market.yahoo_profiles import read_profile
from sigmasight_assets_tests.market_servers.company_documents import (
    EQUITY,
    ETF,
    FOREIGN,
    FUND,
    STRANGE,
)
from sigmasight_assets_tests.market_servers.loopback import HTML_PAGE, Reply, about, as_json
from sigmasight_assets_tests.market_servers.yahoo import CRUMB
from sigmasight_assets_tests.market_servers.yahoo_companies import (
    PROFILE_PATH,
    CompanyServer,
    company_server,
    source_of,
)

ORCHARD = CompanyProfile(
    symbol="ORCH",
    company_name="Orchard Inc.",
    quote_type="EQUITY",
    is_etf=False,
    is_fund=False,
    sector="Technology",
    industry="Consumer Electronics",
    exchange="NasdaqGS",
    country="United States",
    description="Orchard Inc. designs and sells phones.\nIt was founded in 1976.",
    ceo="Ms. Ada Pippin",
    employees=164000,
    website="https://www.orchard.example",
    currency="USD",
    financial_currency="USD",
    market_cap=3.5e12,
    enterprise_value=3.55e12,
    pe_ratio=33.25,
    forward_pe=28.5,
    price_to_sales=8.75,
    dividend_yield=0.0044,
    beta=1.25,
    week_52_high=260.1,
    week_52_low=164.08,
    target_mean_price=241.5,
    target_high_price=300.0,
    target_low_price=184.0,
    number_of_analyst_opinions=40,
    recommendation_mean=1.9,
    recommendation_key="buy",
    forward_eps=8.31,
    earnings_growth=-0.341,
    revenue_growth=0.061,
    earnings_quarterly_growth=-0.358,
    profit_margins=0.23971,
    operating_margins=0.31171,
    gross_margins=0.46206,
    return_on_assets=0.21464,
    return_on_equity=1.57413,
    total_revenue=391034994688.0,
    next_earnings_date=date(2025, 1, 30),
    last_fiscal_year_end=date(2024, 9, 28),
)


@pytest.fixture
def yahoo() -> Iterator[CompanyServer]:
    with company_server() as knows:
        knows.profiles |= {"ORCH": EQUITY, "INDX": ETF, "POOLX": FUND, "FAB": FOREIGN}
        yield knows


def read(document: dict[str, Any], symbol: str = "ORCH") -> ProfileAnswer:
    return read_profile(symbol, {"quoteSummary": {"result": [document], "error": None}})


def known(profile: CompanyProfile | None) -> dict[str, Any]:
    assert profile is not None
    return {name: value for name, value in asdict(profile).items() if value is not None}


def test_a_company_is_read_in_full(yahoo: CompanyServer) -> None:
    answer = source_of(yahoo).profile("ORCH")
    assert answer.outcome is Outcome.ROWS
    assert answer.profile == ORCHARD


def test_estimates_are_read_by_period_and_empty_ones_left_out(yahoo: CompanyServer) -> None:
    assert source_of(yahoo).profile("ORCH").estimates == (
        AnalystEstimate(
            "ORCH",
            "current_quarter",
            end_date=date(2024, 12, 31),
            revenue_currency="USD",
            revenue_avg=124e9,
            revenue_low=121e9,
            revenue_high=127.5e9,
            revenue_growth=0.037,
            earnings_currency="USD",
            earnings_avg=2.35,
            earnings_low=2.19,
            earnings_high=2.5,
            earnings_growth=0.078,
            analyst_count=26,
        ),
        AnalystEstimate(
            "ORCH",
            "next_quarter",
            end_date=date(2025, 3, 31),
            revenue_avg=95e9,
            analyst_count=3,
        ),
        AnalystEstimate(
            "ORCH",
            "current_year",
            end_date=date(2025, 9, 30),
            revenue_avg=414e9,
            earnings_avg=7.4,
            earnings_low=7.1,
            earnings_high=7.9,
            analyst_count=39,
        ),
    )


def test_an_etf_has_no_company_behind_it(yahoo: CompanyServer) -> None:
    answer = source_of(yahoo).profile("INDX")
    assert known(answer.profile) == {
        "symbol": "INDX",
        "company_name": "Index Trust",
        "quote_type": "ETF",
        "is_etf": True,
        "is_fund": False,
        "exchange": "NYSEArca",
        "description": "The trust holds the index.",
        "currency": "USD",
        "pe_ratio": 27.1,
        "dividend_yield": 0.0121,
        "beta": 1.0,
        "week_52_high": 613.2,
        "week_52_low": 481.8,
    }
    assert answer.estimates == ()


def test_a_fund_is_a_fund(yahoo: CompanyServer) -> None:
    assert known(source_of(yahoo).profile("POOLX").profile) == {
        "symbol": "POOLX",
        "company_name": "Pool Fund Admiral",
        "quote_type": "MUTUALFUND",
        "is_etf": False,
        "is_fund": True,
        "exchange": "Nasdaq",
        "currency": "USD",
        "dividend_yield": 0.031,
    }


def test_a_foreign_filer_has_two_currencies(yahoo: CompanyServer) -> None:
    profile = source_of(yahoo).profile("FAB").profile
    assert profile is not None
    assert (profile.currency, profile.financial_currency) == ("USD", "TWD")
    assert profile.company_name == "Fab Co., Ltd. – 半導體"
    assert profile.website is profile.recommendation_key is None
    assert profile.last_fiscal_year_end == date(2024, 12, 31)


def test_a_profile_costs_one_request_and_the_crumb_is_fetched_once(yahoo: CompanyServer) -> None:
    source = source_of(yahoo)
    for symbol in ("ORCH", "INDX", "POOLX"):
        source.profile(symbol)
    assert len(yahoo.asked(PROFILE_PATH)) == 3
    assert len(yahoo.asked(CRUMB)) == 1
    assert len(yahoo.server.requests) == 5


def test_a_symbol_that_yahoo_does_not_know_costs_one_request(yahoo: CompanyServer) -> None:
    source = source_of(yahoo)
    answer = source.profile("NOBODY")
    assert answer == ProfileAnswer(Outcome.NO_DATA, reason="Quote not found for symbol: NOBODY")
    assert len(yahoo.asked(PROFILE_PATH)) == 1
    assert source.profile("ORCH").profile == ORCHARD
    assert len(yahoo.asked(CRUMB)) == 1


@pytest.mark.parametrize("symbol", ["A/B", "A?B=C", "^GSPC", "ES=F", "../x", "A B", "Ü%2F"])
def test_a_symbol_is_asked_for_as_it_is_written(yahoo: CompanyServer, symbol: str) -> None:
    document = deepcopy(EQUITY)
    document["price"]["symbol"] = document["quoteType"]["symbol"] = symbol
    yahoo.profiles[symbol] = document
    answer = source_of(yahoo).profile(symbol)
    assert answer.profile is not None
    assert answer.profile.symbol == symbol


@pytest.mark.parametrize("place", ["price", "quoteType"])
@pytest.mark.parametrize("other", ["BANK", "orch", "", 7, {"raw": "ORCH"}, ["ORCH"]])
def test_an_answer_about_another_symbol_is_rejected(
    yahoo: CompanyServer, place: str, other: object
) -> None:
    yahoo.profiles["ORCH"] = {**EQUITY, place: {**EQUITY[place], "symbol": other}}
    answer = source_of(yahoo).profile("ORCH")
    assert (answer.outcome, answer.profile, answer.estimates) == (Outcome.REJECTED, None, ())
    assert answer.reason.startswith("the answer is about ")


def test_an_answer_that_names_no_symbol_is_rejected() -> None:
    answer = read({"summaryDetail": EQUITY["summaryDetail"]})
    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, "the answer names no symbol")


def test_an_answer_that_says_nothing_is_a_profile_of_unknowns() -> None:
    assert read({"price": {"symbol": "ORCH"}}).profile == CompanyProfile("ORCH")


def test_an_answer_without_a_result_is_no_data() -> None:
    assert read_profile("ORCH", {"quoteSummary": {"result": []}}).outcome is Outcome.NO_DATA


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"quoteSummary": None},
        {"quoteSummary": {"result": "x"}},
        {"quoteSummary": {"result": [None]}},
        {"finance": {"error": {"code": "Internal"}}},
    ],
)
def test_another_kind_of_document_is_no_answer(document: object) -> None:
    with pytest.raises(SourceUnavailable):
        read_profile("ORCH", document)


LEAVES = [
    (module, name)
    for module, part in EQUITY.items()
    for name in part
    if (module, name) not in {("price", "symbol"), ("quoteType", "symbol")}
]


@pytest.mark.parametrize("strange", STRANGE, ids=[str(n) for n in range(len(STRANGE))])
def test_a_strange_value_spoils_nothing_but_its_own_field(strange: object) -> None:
    for module, name in LEAVES:
        document = deepcopy(EQUITY)
        document[module][name] = strange
        if module == "earningsTrend":
            document[module]["trend"] = [
                strange,
                {"period": strange},
                {
                    "period": "0q",
                    "earningsEstimate": strange,
                    "revenueEstimate": {"avg": strange},
                },
            ]
        profile = read(document).profile
        assert profile is not None
        changed = {
            f.name for f in fields(profile) if getattr(profile, f.name) != getattr(ORCHARD, f.name)
        }
        assert len(changed) <= 3, (module, name, changed)


@pytest.mark.parametrize(
    ("module", "name", "strange", "field", "expected"),
    [
        ("summaryDetail", "trailingPE", "Infinity", "pe_ratio", None),
        ("summaryDetail", "trailingPE", float("nan"), "pe_ratio", None),
        ("summaryDetail", "trailingPE", {"raw": 12, "fmt": "12.00"}, "pe_ratio", 12.0),
        ("summaryDetail", "trailingPE", "12.5", "pe_ratio", None),
        ("summaryDetail", "beta", True, "beta", None),
        ("summaryDetail", "fiftyTwoWeekLow", 0, "week_52_low", None),
        ("summaryDetail", "fiftyTwoWeekLow", -3.0, "week_52_low", None),
        ("assetProfile", "fullTimeEmployees", 2**31, "employees", None),
        ("assetProfile", "fullTimeEmployees", 2**31 - 1, "employees", 2**31 - 1),
        ("assetProfile", "fullTimeEmployees", 10.5, "employees", None),
        ("assetProfile", "fullTimeEmployees", 10**400, "employees", None),
        ("assetProfile", "sector", "a\0b\ud800c\x1b\td\ne", "sector", "abc\td\ne"),
        ("assetProfile", "sector", "\0 \x7f", "sector", None),
        ("assetProfile", "sector", "y" * 201, "sector", "y" * 200),
        ("assetProfile", "longBusinessSummary", "z" * 10_001, "description", "z" * 10_000),
        ("assetProfile", "website", "ftp://x.example", "website", None),
        ("assetProfile", "website", "https://[", "website", None),
        ("assetProfile", "website", "http://x.example/é", "website", "http://x.example/é"),
        ("financialData", "recommendationKey", "none", "recommendation_key", None),
        ("defaultKeyStatistics", "lastFiscalYearEnd", 0, "last_fiscal_year_end", None),
        ("defaultKeyStatistics", "lastFiscalYearEnd", 1e18, "last_fiscal_year_end", None),
        ("defaultKeyStatistics", "lastFiscalYearEnd", -1e308, "last_fiscal_year_end", None),
        (
            "defaultKeyStatistics",
            "lastFiscalYearEnd",
            "2024-09-28",
            "last_fiscal_year_end",
            date(2024, 9, 28),
        ),
        ("defaultKeyStatistics", "lastFiscalYearEnd", "2024-02-30", "last_fiscal_year_end", None),
        ("calendarEvents", "earnings", {"earningsDate": []}, "next_earnings_date", None),
        ("calendarEvents", "earnings", {"earningsDate": 1738270800}, "next_earnings_date", None),
        (
            "calendarEvents",
            "earnings",
            {"earningsDate": [{"raw": 1738270800}, {}]},
            "next_earnings_date",
            date(2025, 1, 30),
        ),
    ],
)
def test_a_value_is_what_it_should_be_or_unknown(
    module: str, name: str, strange: object, field: str, expected: object
) -> None:
    profile = read({**EQUITY, module: {**EQUITY[module], name: strange}}).profile
    assert getattr(profile, field) == expected


@pytest.mark.parametrize(
    ("title", "is_chief"),
    [
        ("Chief Executive Officer, President & Chairman of the Board", True),
        ("Co-CEO", True),
        ("Group Chief Executive", True),
        ("chief executive officer", True),
        ("CEO of Cloud Services", False),
        ("Chief Executive Officer of Cloud Services", False),
        ("Chief Executive for Europe", False),
        ("Executive Assistant to CEO", False),
        ("Chief Financial Officer", False),
        ("President", False),
    ],
)
def test_the_chief_is_the_chief_of_the_whole(title: str, is_chief: bool) -> None:
    officers = [{"name": "Ms. One", "title": title}, None, {"title": None}, {"name": "Mr. Two"}]
    document = {**EQUITY, "assetProfile": {"companyOfficers": officers}}
    profile = read(document).profile
    assert profile is not None
    assert profile.ceo == ("Ms. One" if is_chief else None)


FAULTS = {
    "server error": Reply(500, b"oops"),
    "page": Reply(200, HTML_PAGE, {"Content-Type": "text/html"}),
    "page for nobody": Reply(404, HTML_PAGE),
    "truncated": Reply(200, b'{"quoteSummary": {"result": [{"price": {"sym'),
    "cut": Reply(200, b'{"quoteSummary": {"result": []}}', cut=10),
    "reset": Reply(reset=True),
    "empty": Reply(200, b""),
    "deep": Reply(200, b"[" * 100_000),
    "long number": Reply(200, b"1" * 10_000),
    "not this": as_json({"hello": "world"}),
    "error": as_json({"quoteSummary": {"result": None, "error": {"code": "Internal Error"}}}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_is_overcome(yahoo: CompanyServer, fault: Reply) -> None:
    yahoo.server.fault(about("ORCH"), fault)
    assert source_of(yahoo).profile("ORCH").profile == ORCHARD
    assert len(yahoo.asked(PROFILE_PATH)) == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_lasting_fault_is_an_outcome_that_names_no_address(
    yahoo: CompanyServer, fault: Reply
) -> None:
    yahoo.server.fault(about("ORCH"), *[fault] * 9)
    source = source_of(yahoo)
    answer = source.profile("ORCH")
    assert (answer.outcome, answer.profile) == (Outcome.UNAVAILABLE, None)
    assert answer.reason
    assert "127.0.0.1" not in answer.reason
    assert "crumb" not in answer.reason
    # curl itself repeats what was reset on a connection that it had kept.
    assert len(yahoo.asked(PROFILE_PATH)) == 3 + fault.reset
    yahoo.server.heal()
    assert source.profile("ORCH").profile == ORCHARD


def test_too_many_requests_pause_everybody_and_end_as_an_outcome(yahoo: CompanyServer) -> None:
    class Paused:
        def __init__(self) -> None:
            self.pauses: list[timedelta] = []

        def wait_for_turn(self) -> None:
            pass

        def pause(self, span: timedelta) -> None:
            self.pauses.append(span)

    limit = Paused()
    yahoo.server.fault(about("ORCH"), *[Reply(429, headers={"Retry-After": "7"})] * 3)
    answer = source_of(yahoo, limit).profile("ORCH")
    assert (answer.outcome, answer.profile) == (Outcome.RATE_LIMITED, None)
    assert limit.pauses == [timedelta(seconds=7)] * 3


def test_too_many_requests_for_the_crumb_are_too_many_requests(yahoo: CompanyServer) -> None:
    yahoo.server.fault(about(CRUMB), *[Reply(429)] * 3)
    source = source_of(yahoo)
    assert source.profile("ORCH").outcome is Outcome.RATE_LIMITED
    assert yahoo.asked(PROFILE_PATH) == []
    assert source_of(yahoo).profile("ORCH").profile == ORCHARD


def test_a_crumb_that_is_no_longer_good_is_renewed(yahoo: CompanyServer) -> None:
    source = source_of(yahoo)
    assert source.profile("ORCH").profile == ORCHARD
    yahoo.crumb = "another"
    yahoo.server.fault(about(CRUMB), Reply(body=b"another"))
    assert source.profile("INDX").outcome is Outcome.ROWS
    assert source.profile("ORCH").profile == ORCHARD
    assert len(yahoo.asked(CRUMB)) == 2


def test_a_crumb_that_is_never_good_is_an_outcome(yahoo: CompanyServer) -> None:
    yahoo.server.fault(about("ORCH"), *[as_json({"finance": {"error": {}}}, 401)] * 9)
    answer = source_of(yahoo).profile("ORCH")
    assert (answer.outcome, answer.reason) == (
        Outcome.UNAVAILABLE,
        "yfinance did not answer: HTTP 401",
    )
