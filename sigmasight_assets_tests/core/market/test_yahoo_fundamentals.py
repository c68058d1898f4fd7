"""A fundamentals-timeseries document becomes statements, through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql import DOMAIN

from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.errors import SourceUnavailable
from sigmasight_assets.core.market.companies import Statement, StatementKind
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.market.yahoo_fundamentals import (
    LINE_ITEMS,
    TYPES,
    fiscal_year,
    read_statements,
)
from sigmasight_assets_tests.market_servers.company_documents import STRANGE
from sigmasight_assets_tests.market_servers.loopback import HTML_PAGE, Reply, about, as_json
from sigmasight_assets_tests.market_servers.yahoo import CRUMB
from sigmasight_assets_tests.market_servers.yahoo_companies import (
    STATEMENTS_PATH,
    CompanyServer,
    company_server,
    source_of,
)

TODAY = date(2025, 2, 10)

SERIES: dict[str, list[tuple[str, Any]]] = {
    "annualTotalRevenue": [("2023-09-30", 383.285e9), ("2024-09-30", 391.035e9)],
    "annualNetIncome": [("2023-09-30", 96.995e9), ("2024-09-30", 93.736e9)],
    "annualDilutedEPS": [("2024-09-30", 6.08)],
    "annualDilutedAverageShares": [("2024-09-30", 15408095000)],
    "annualTotalAssets": [("2024-09-30", 364.98e9)],
    "annualOrdinarySharesNumber": [("2024-09-30", 15116786000)],
    "annualFreeCashFlow": [("2024-09-30", 108.807e9)],
    "annualCapitalExpenditure": [("2024-09-30", -9.447e9)],
    "quarterlyTotalRevenue": [("2024-09-30", 94.93e9), ("2024-12-31", 124.3e9)],
    "quarterlyFreeCashFlow": [("2024-12-31", 26.995e9)],
}


@pytest.fixture
def yahoo() -> Iterator[CompanyServer]:
    with company_server() as knows:
        knows.series["ORCH"] = SERIES
        yield knows


def asked(knows: CompanyServer, year_end: date | None = None) -> dict[Any, Statement]:
    answer = source_of(knows).statements("ORCH", year_end, TODAY)
    assert answer.outcome is Outcome.ROWS
    return {(each.kind, each.frequency, str(each.period_date)): each for each in answer.statements}


def series(name: str, *points: dict[str, Any], symbol: str = "ORCH") -> dict[str, Any]:
    return {"meta": {"symbol": [symbol], "type": [name]}, name: list(points)}


def point(day: object, value: object, currency: object = "USD") -> dict[str, Any]:
    return {"asOfDate": day, "currencyCode": currency, "reportedValue": {"raw": value}}


def read(*results: object, year_end: date | None = None) -> tuple[Statement, ...]:
    document = {"timeseries": {"result": list(results), "error": None}}
    return read_statements("ORCH", document, year_end).statements


def known(statement: Statement) -> dict[str, float]:
    return {name: value for name, value in statement.items.items() if value is not None}


def test_each_statement_has_exactly_the_line_items_of_its_table() -> None:
    for kind, columns in LINE_ITEMS.items():
        numbers = [c.name for c in metadata.tables[kind].columns if isinstance(c.type, DOMAIN)]
        assert sorted(columns) == sorted(numbers)
        assert len(set(columns.values())) == len(columns)
    assert set(LINE_ITEMS) == set(StatementKind)


def test_statements_of_both_frequencies_are_read(yahoo: CompanyServer) -> None:
    found = asked(yahoo)
    income, balance, cash = StatementKind
    assert sorted(found) == [
        (balance, "a", "2024-09-30"),
        (cash, "a", "2024-09-30"),
        (cash, "q", "2024-12-31"),
        (income, "a", "2023-09-30"),
        (income, "a", "2024-09-30"),
        (income, "q", "2024-09-30"),
        (income, "q", "2024-12-31"),
    ]
    year = found[income, "a", "2024-09-30"]
    assert (year.symbol, year.currency, year.fiscal_year) == ("ORCH", "USD", 2024)
    assert known(year) == {
        "total_revenue": 391.035e9,
        "net_income": 93.736e9,
        "diluted_eps": 6.08,
        "diluted_average_shares": 15408095000.0,
    }
    assert set(year.items) == set(LINE_ITEMS[income])
    assert known(found[balance, "a", "2024-09-30"]) == {
        "total_assets": 364.98e9,
        "shares_outstanding": 15116786000.0,
    }
    assert known(found[cash, "a", "2024-09-30"]) == {
        "capital_expenditures": -9.447e9,
        "free_cash_flow": 108.807e9,
    }
    assert known(found[income, "a", "2023-09-30"]) == {
        "total_revenue": 383.285e9,
        "net_income": 96.995e9,
    }


def test_a_quarter_after_a_september_year_end_belongs_to_the_next_year(
    yahoo: CompanyServer,
) -> None:
    found = asked(yahoo, year_end=date(2024, 12, 31))
    years = {
        day: each.fiscal_year
        for (kind, frequency, day), each in found.items()
        if kind is StatementKind.INCOME and frequency == "q"
    }
    assert years == {"2024-09-30": 2024, "2024-12-31": 2025}


@pytest.mark.parametrize(
    ("period_end", "year_end", "expected"),
    [
        ("2024-12-31", None, 2024),
        ("2024-03-31", None, 2024),
        ("2025-01-03", None, 2024),
        ("2024-12-28", "2024-09-28", 2025),
        ("2025-09-27", "2024-09-28", 2025),
        ("2025-03-29", "2024-09-28", 2025),
        ("2023-12-30", "2024-09-28", 2024),
        ("2025-05-03", "2025-02-01", 2026),
        ("2026-01-31", "2025-02-01", 2026),
        ("2027-01-30", "2025-02-01", 2027),
        ("2024-02-03", "2025-02-01", 2024),
        ("2024-06-30", "2024-06-30", 2024),
        ("2024-07-31", "2024-06-30", 2025),
        ("2025-03-31", "2024-02-29", 2026),
        ("2025-02-28", "2024-02-29", 2025),
    ],
)
def test_the_fiscal_year_is_that_in_which_it_ends(
    period_end: str, year_end: str | None, expected: int
) -> None:
    ends = date.fromisoformat(year_end) if year_end else None
    assert fiscal_year(date.fromisoformat(period_end), ends) == expected


def test_the_year_end_is_that_of_the_annual_statements_before_that_of_the_profile() -> None:
    quarter = series("quarterlyEBIT", point("2024-12-31", 1.0))
    (alone,) = read(quarter, year_end=date(2024, 6, 30))
    assert alone.fiscal_year == 2025
    (calendar,) = read(quarter)
    assert calendar.fiscal_year == 2024
    annual = series("annualTotalAssets", point("2024-01-31", 1.0))
    year, after = read(annual, quarter)[::-1]
    assert (year.frequency, year.fiscal_year, after.fiscal_year) == ("a", 2024, 2025)


def test_a_changed_year_end_counts_from_when_it_changed() -> None:
    annual = series("annualEBIT", point("2022-06-30", 1.0), point("2023-12-31", 2.0))
    quarters = series(
        "quarterlyEBIT",
        *(
            point(day, 3.0)
            for day in ("2021-09-30", "2022-03-31", "2022-09-30", "2023-12-31", "2024-09-30")
        ),
    )
    years = {
        str(s.period_date): s.fiscal_year for s in read(annual, quarters) if s.frequency == "q"
    }
    assert years == {
        "2021-09-30": 2022,
        "2022-03-31": 2022,
        "2022-09-30": 2022,
        "2023-12-31": 2023,
        "2024-09-30": 2024,
    }


def test_a_foreign_filer_keeps_its_currency(yahoo: CompanyServer) -> None:
    yahoo.currencies["ORCH"] = "TWD"
    assert {each.currency for each in asked(yahoo).values()} == {"TWD"}


def test_an_amount_in_another_currency_than_its_statement_is_unknown() -> None:
    (statement,) = read(
        series("annualOrdinarySharesNumber", point("2024-12-31", 9.0, "GBP")),
        series("annualTotalAssets", point("2024-12-31", 1.0, "TWD")),
        series("annualInventory", point("2024-12-31", 2.0, "USD")),
        series("annualCommonStock", point("2024-12-31", 3.0, None)),
    )
    assert statement.currency == "TWD"
    assert known(statement) == {
        "total_assets": 1.0,
        "common_stock": 3.0,
        "shares_outstanding": 9.0,
    }


def test_a_statement_without_a_stated_currency_has_none() -> None:
    (statement,) = read(series("annualEBIT", point("2024-12-31", 1.0, None)))
    assert (statement.currency, known(statement)) == (None, {"ebit": 1.0})
    (counted,) = read(series("annualOrdinarySharesNumber", point("2024-12-31", 9.0, "GBP")))
    assert (counted.currency, known(counted)) == (None, {"shares_outstanding": 9.0})


@pytest.mark.parametrize("strange", STRANGE, ids=[str(n) for n in range(len(STRANGE))])
def test_a_strange_value_is_unknown_and_spoils_no_other(strange: object) -> None:
    good = series("annualTotalRevenue", point("2024-12-31", 7.0))
    spoiled = [
        strange,
        {"meta": strange},
        series("annualEBIT", point("2024-12-31", "x"), point(strange, 8.0)),
        {"meta": {"symbol": ["ORCH"]}, "annualNetIncome": strange, "timestamp": strange},
        {"meta": {"symbol": ["ORCH"]}, "annualGrossProfit": [strange, None]},
        series("annualEBITDA", {"asOfDate": "2024-12-31", "reportedValue": strange}),
        series("annualCostOfRevenue", point("2024-12-31", 9.0, strange)),
    ]
    statements = read(good, *spoiled)
    (whole,) = [each for each in statements if each.period_date == date(2024, 12, 31)]
    assert whole.items["total_revenue"] == 7.0
    assert whole.currency == "USD"
    assert all(date(1980, 1, 1) <= each.period_date <= date(2099, 12, 31) for each in statements)


def test_a_company_that_has_no_statement_is_no_data(yahoo: CompanyServer) -> None:
    answer = source_of(yahoo).statements("EMPTY", None, TODAY)
    assert (answer.outcome, answer.statements) == (Outcome.NO_DATA, ())
    assert len(yahoo.asked(STATEMENTS_PATH)) == 1


def test_a_company_that_yahoo_does_not_know_is_no_data(yahoo: CompanyServer) -> None:
    error = {"code": "Not Found", "description": "No data"}
    yahoo.server.fault(
        about("ORCH"), as_json({"timeseries": {"result": None, "error": error}}, 404)
    )
    answer = source_of(yahoo).statements("ORCH", None, TODAY)
    assert (answer.outcome, answer.reason) == (Outcome.NO_DATA, "No data")
    assert len(yahoo.asked(STATEMENTS_PATH)) == 1


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"timeseries": []},
        {"timeseries": {}},
        {"timeseries": {"result": {}}},
        {"timeseries": {"result": [], "error": {"code": "x"}}},
    ],
)
def test_another_kind_of_document_is_no_answer(document: object) -> None:
    with pytest.raises(SourceUnavailable):
        read_statements("ORCH", document, None)


def test_no_result_is_no_data() -> None:
    document = {"timeseries": {"result": [], "error": None}}
    assert read_statements("ORCH", document, None).outcome is Outcome.NO_DATA


@pytest.mark.parametrize("other", ["BANK", "orch", "", 5, ["ORCH"], {"a": 1}])
def test_an_answer_about_another_symbol_is_rejected(other: Any) -> None:
    strange = series("annualEBIT", point("2024-12-31", 1.0), symbol=other)
    good = series("annualTotalRevenue", point("2024-12-31", 1.0))
    document = {"timeseries": {"result": [good, strange], "error": None}}
    answer = read_statements("ORCH", document, None)
    assert (answer.outcome, answer.statements) == (Outcome.REJECTED, ())


def test_an_answer_that_names_no_symbol_is_rejected() -> None:
    document = {"timeseries": {"result": [{"annualEBIT": [point("2024-12-31", 1.0)]}]}}
    assert read_statements("ORCH", document, None).outcome is Outcome.REJECTED


def test_a_company_costs_one_request_up_to_the_end_of_today(yahoo: CompanyServer) -> None:
    source = source_of(yahoo)
    for symbol in ("ORCH", "EMPTY"):
        source.statements(symbol, None, TODAY)
    (first, _) = yahoo.asked(STATEMENTS_PATH)
    assert len(yahoo.asked(CRUMB)) == 1
    assert first.query["symbol"] == "ORCH"
    assert first.query["period2"] == "1739232000"  # 2025-02-11 00:00 UTC
    assert set(first.query["type"].split(",")) == set(TYPES)
    # The client's own request for an annual income statement is longer, and Yahoo answers it.
    assert len(first.query["type"]) < 3000


FAULTS = {
    "server error": Reply(503, b"oops"),
    "page": Reply(200, HTML_PAGE),
    "truncated": Reply(200, b'{"timeseries": {"result": [{"me'),
    "not this": as_json({"finance": {"result": None, "error": {"code": "Internal"}}}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_is_overcome_and_a_lasting_one_an_outcome(
    yahoo: CompanyServer, fault: Reply
) -> None:
    source = source_of(yahoo)
    yahoo.server.fault(about("ORCH"), fault)
    assert source.statements("ORCH", None, TODAY).outcome is Outcome.ROWS
    assert len(yahoo.asked(STATEMENTS_PATH)) == 2
    yahoo.server.fault(about("ORCH"), *[fault] * 3)
    answer = source.statements("ORCH", None, TODAY)
    assert (answer.outcome, answer.statements) == (Outcome.UNAVAILABLE, ())
    assert source.statements("ORCH", None, TODAY).outcome is Outcome.ROWS


def test_too_many_requests_are_an_outcome(yahoo: CompanyServer) -> None:
    yahoo.server.fault(about("ORCH"), *[Reply(429)] * 3)
    answer = source_of(yahoo).statements("ORCH", None, TODAY)
    assert (answer.outcome, answer.statements) == (Outcome.RATE_LIMITED, ())
