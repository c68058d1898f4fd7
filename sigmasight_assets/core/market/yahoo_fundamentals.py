"""One fundamentals-timeseries document read as statements.

Yahoo answers with a series per line item and frequency; a statement is what the series of its
items say of one day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sigmasight_assets.core.errors import SourceUnavailable
from sigmasight_assets.core.market.companies import Statement, StatementKind, StatementsAnswer
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.market.yahoo_session import SOURCE
from sigmasight_assets.core.market.yahoo_values import (
    day,
    inner,
    items,
    number,
    other_symbol,
    text,
)

FREQUENCIES: Final = {"annual": "a", "quarterly": "q"}

LINE_ITEMS: Final[Mapping[StatementKind, Mapping[str, str]]] = {
    StatementKind.INCOME: {
        "total_revenue": "TotalRevenue",
        "cost_of_revenue": "CostOfRevenue",
        "gross_profit": "GrossProfit",
        "research_and_development": "ResearchAndDevelopment",
        "selling_general_and_administrative": "SellingGeneralAndAdministration",
        "operating_income": "OperatingIncome",
        "ebit": "EBIT",
        "ebitda": "EBITDA",
        "net_income": "NetIncome",
        "tax_provision": "TaxProvision",
        "interest_expense": "InterestExpense",
        "depreciation_and_amortization": "ReconciledDepreciation",
        "basic_eps": "BasicEPS",
        "diluted_eps": "DilutedEPS",
        "basic_average_shares": "BasicAverageShares",
        "diluted_average_shares": "DilutedAverageShares",
    },
    StatementKind.BALANCE: {
        "total_assets": "TotalAssets",
        "current_assets": "CurrentAssets",
        "cash_and_cash_equivalents": "CashAndCashEquivalents",
        "short_term_investments": "OtherShortTermInvestments",
        "accounts_receivable": "AccountsReceivable",
        "inventory": "Inventory",
        "property_plant_equipment": "NetPPE",
        "intangible_assets": "OtherIntangibleAssets",
        "total_liabilities": "TotalLiabilitiesNetMinorityInterest",
        "current_liabilities": "CurrentLiabilities",
        "accounts_payable": "AccountsPayable",
        "short_term_debt": "CurrentDebt",
        "long_term_debt": "LongTermDebt",
        "total_debt": "TotalDebt",
        "total_stockholders_equity": "StockholdersEquity",
        "retained_earnings": "RetainedEarnings",
        "common_stock": "CommonStock",
        "shares_outstanding": "OrdinarySharesNumber",
    },
    StatementKind.CASH_FLOW: {
        "operating_cash_flow": "OperatingCashFlow",
        "depreciation_and_amortization": "DepreciationAndAmortization",
        "stock_based_compensation": "StockBasedCompensation",
        "change_in_working_capital": "ChangeInWorkingCapital",
        "investing_cash_flow": "InvestingCashFlow",
        "capital_expenditures": "CapitalExpenditure",
        "acquisitions": "PurchaseOfBusiness",
        "purchases_of_investments": "PurchaseOfInvestment",
        "financing_cash_flow": "FinancingCashFlow",
        "dividends_paid": "CashDividendsPaid",
        "stock_repurchases": "RepurchaseOfCapitalStock",
        "debt_issuance_repayment": "NetIssuancePaymentsOfDebt",
        "net_change_in_cash": "ChangesInCash",
        "beginning_cash_position": "BeginningCashPosition",
        "free_cash_flow": "FreeCashFlow",
    },
}
"""Column -> Yahoo's line item, by statement."""

SHARE_COUNTS: Final = frozenset(
    {"basic_average_shares", "diluted_average_shares", "shares_outstanding"}
)

TYPES: Final = tuple(
    f"{frequency}{item}"
    for frequency in FREQUENCIES
    for items_of in LINE_ITEMS.values()
    for item in items_of.values()
)
"""The series that one request asks for."""

# A year of 52 or 53 weeks ends up to a week beside the day on which the year before ended.
DRIFT: Final = timedelta(days=10)


@dataclass(frozen=True)
class _Point:
    """What one series says of one day; currency is None where none is stated."""

    value: float
    currency: str | None


Series = Mapping[str, Mapping[date, _Point]]


def read_statements(
    symbol: str, document: object, last_fiscal_year_end: date | None
) -> StatementsAnswer:
    """The answer that a fundamentals-timeseries document is.

    Raises:
        SourceUnavailable: if it is no such document.
    """
    results = inner(document, "timeseries", "result")
    if not isinstance(results, list) or inner(document, "timeseries", "error") is not None:
        raise SourceUnavailable(SOURCE, "an answer that is no set of statements")
    named = [each for result in results for each in items(inner(result, "meta", "symbol"))]
    if results and (reason := other_symbol(symbol, named)):
        return StatementsAnswer(Outcome.REJECTED, reason=reason)
    statements = tuple(_statements(symbol, _series(results), last_fiscal_year_end))
    if not statements:
        return StatementsAnswer(Outcome.NO_DATA, reason="Yahoo has no statement of it")
    return StatementsAnswer(Outcome.ROWS, statements)


def fiscal_year(period_end: date, year_end: date | None) -> int:
    """The year in which the fiscal year ends that a period belongs to.

    year_end: the end of any fiscal year of the company; without one, calendar years.
    """
    earliest = period_end - DRIFT
    ends = (year_end.month, year_end.day) if year_end else (12, 31)
    return earliest.year + ((earliest.month, earliest.day) > ends)


def _series(results: list[Any]) -> Series:
    """The points of each series by day; of several about one day the last."""
    found: dict[str, dict[date, _Point]] = {}
    for result in results:
        for name in TYPES:
            for entry in items(inner(result, name)):
                on, value = day(inner(entry, "asOfDate")), number(inner(entry, "reportedValue"))
                if on is not None and value is not None:
                    point = _Point(value, text(inner(entry, "currencyCode")))
                    found.setdefault(name, {})[on] = point
    return found


def _statements(
    symbol: str, series: Series, last_fiscal_year_end: date | None
) -> Iterator[Statement]:
    """In the order of kind, frequency and day."""
    annual = {on for name, points in series.items() if name.startswith("annual") for on in points}
    for kind, columns in LINE_ITEMS.items():
        for prefix, frequency in FREQUENCIES.items():
            points = {name: series.get(prefix + item, {}) for name, item in columns.items()}
            for on in sorted(set().union(*points.values())):
                year = on.year
                if frequency == "q":
                    year = fiscal_year(on, _year_end(on, annual) or last_fiscal_year_end)
                told = {name: points[name].get(on) for name in columns}
                yield Statement(kind, symbol, on, frequency, year, *_in_one_currency(told))


def _year_end(period_end: date, annual: Collection[date]) -> date | None:
    """The end of the fiscal year that holds a period, else the last one reported."""
    later = [end for end in annual if end >= period_end - DRIFT]
    return min(later, default=max(annual, default=None))


def _in_one_currency(
    told: Mapping[str, _Point | None],
) -> tuple[str | None, Mapping[str, float | None]]:
    """The currency of the first amount that states one, and the items that are not in another."""
    stated = (
        point.currency
        for name, point in told.items()
        if point and point.currency and name not in SHARE_COUNTS
    )
    currency = next(stated, None)
    return currency, {
        name: point.value
        if point and (name in SHARE_COUNTS or point.currency in (currency, None))
        else None
        for name, point in told.items()
    }
