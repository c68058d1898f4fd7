"""One quoteSummary document read as a profile and its estimates.

Where several modules of the document say the same, the first that knows is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlsplit

from sigmasight_assets.core.errors import SourceUnavailable
from sigmasight_assets.core.market.companies import AnalystEstimate, CompanyProfile, ProfileAnswer
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets.core.market.yahoo_session import SOURCE
from sigmasight_assets.core.market.yahoo_values import (
    count,
    day,
    inner,
    items,
    number,
    other_symbol,
    positive,
    text,
)

MODULES: Final = (
    "assetProfile",
    "summaryDetail",
    "defaultKeyStatistics",
    "financialData",
    "price",
    "quoteType",
    "calendarEvents",
    "earningsTrend",
)

LONGEST_DESCRIPTION: Final = 10_000

Reader = Callable[[object], Any]

FIELDS: Final[Mapping[str, tuple[Reader, tuple[str, ...]]]] = {
    "company_name": (text, ("price.longName", "quoteType.longName", "price.shortName")),
    "quote_type": (text, ("quoteType.quoteType", "price.quoteType")),
    "sector": (text, ("assetProfile.sector",)),
    "industry": (text, ("assetProfile.industry",)),
    "exchange": (text, ("price.exchangeName", "quoteType.exchange")),
    "country": (text, ("assetProfile.country",)),
    "employees": (count, ("assetProfile.fullTimeEmployees",)),
    "currency": (text, ("price.currency", "summaryDetail.currency")),
    "financial_currency": (text, ("financialData.financialCurrency",)),
    "market_cap": (positive, ("price.marketCap", "summaryDetail.marketCap")),
    "enterprise_value": (number, ("defaultKeyStatistics.enterpriseValue",)),
    "pe_ratio": (number, ("summaryDetail.trailingPE",)),
    "forward_pe": (number, ("summaryDetail.forwardPE", "defaultKeyStatistics.forwardPE")),
    "price_to_sales": (number, ("summaryDetail.priceToSalesTrailing12Months",)),
    "dividend_yield": (number, ("summaryDetail.dividendYield", "summaryDetail.yield")),
    "beta": (
        number,
        ("summaryDetail.beta", "defaultKeyStatistics.beta", "defaultKeyStatistics.beta3Year"),
    ),
    "week_52_high": (positive, ("summaryDetail.fiftyTwoWeekHigh",)),
    "week_52_low": (positive, ("summaryDetail.fiftyTwoWeekLow",)),
    "target_mean_price": (positive, ("financialData.targetMeanPrice",)),
    "target_high_price": (positive, ("financialData.targetHighPrice",)),
    "target_low_price": (positive, ("financialData.targetLowPrice",)),
    "number_of_analyst_opinions": (count, ("financialData.numberOfAnalystOpinions",)),
    "recommendation_mean": (positive, ("financialData.recommendationMean",)),
    "forward_eps": (number, ("defaultKeyStatistics.forwardEps",)),
    "earnings_growth": (number, ("financialData.earningsGrowth",)),
    "revenue_growth": (number, ("financialData.revenueGrowth",)),
    "earnings_quarterly_growth": (number, ("defaultKeyStatistics.earningsQuarterlyGrowth",)),
    "profit_margins": (
        number,
        ("financialData.profitMargins", "defaultKeyStatistics.profitMargins"),
    ),
    "operating_margins": (number, ("financialData.operatingMargins",)),
    "gross_margins": (number, ("financialData.grossMargins",)),
    "return_on_assets": (number, ("financialData.returnOnAssets",)),
    "return_on_equity": (number, ("financialData.returnOnEquity",)),
    "total_revenue": (number, ("financialData.totalRevenue",)),
    "last_fiscal_year_end": (day, ("defaultKeyStatistics.lastFiscalYearEnd",)),
}
"""Column -> how its value is read, and where it may be."""

PERIODS: Final = {
    "0q": "current_quarter",
    "+1q": "next_quarter",
    "0y": "current_year",
    "+1y": "next_year",
}

# The chief of the whole company: neither of a division, nor somebody's assistant.
CHIEF: Final = re.compile(
    r"(?<!to )(?<!to the )\b(?:CEO|Chief Executive)\b(?!(?: Officer)? (?:of|for)\b)", re.IGNORECASE
)


def read_profile(symbol: str, document: object) -> ProfileAnswer:
    """The answer that a quoteSummary document is.

    Raises:
        SourceUnavailable: if it is no such document.
    """
    results = inner(document, "quoteSummary", "result")
    error = inner(document, "quoteSummary", "error", "code")
    if error == "Not Found" or results == []:
        return ProfileAnswer(Outcome.NO_DATA, reason="Yahoo knows no such symbol")
    modules = items(results)[0] if items(results) else None
    if not isinstance(modules, dict):
        raise SourceUnavailable(SOURCE, "an answer that is no profile")
    named = [inner(modules, module, "symbol") for module in ("price", "quoteType")]
    if reason := other_symbol(symbol, named):
        return ProfileAnswer(Outcome.REJECTED, reason=reason)
    return ProfileAnswer(Outcome.ROWS, _profile(symbol, modules), _estimates(symbol, modules))


def _profile(symbol: str, modules: Mapping[str, Any]) -> CompanyProfile:
    known = {name: _first(modules, *field) for name, field in FIELDS.items()}
    quote_type = known["quote_type"]
    profile = inner(modules, "assetProfile")
    key = text(inner(modules, "financialData", "recommendationKey"))
    return CompanyProfile(
        symbol=symbol,
        is_etf=None if quote_type is None else quote_type == "ETF",
        is_fund=None if quote_type is None else quote_type == "MUTUALFUND",
        description=text(inner(profile, "longBusinessSummary"), LONGEST_DESCRIPTION),
        ceo=_chief(inner(profile, "companyOfficers")),
        website=_address(inner(profile, "website")),
        recommendation_key=None if key == "none" else key,
        next_earnings_date=_earnings_date(modules),
        **known,
    )


def _first(modules: Mapping[str, Any], read: Reader, places: tuple[str, ...]) -> Any:  # noqa: ANN401
    found = (read(inner(modules, *place.split("."))) for place in places)
    return next((value for value in found if value is not None), None)


def _chief(officers: object) -> str | None:
    for officer in items(officers):
        title = text(inner(officer, "title"))
        if title and CHIEF.search(title):
            return text(inner(officer, "name"))
    return None


def _address(value: object) -> str | None:
    """Shown as a link, so nothing but a web page."""
    address = text(value)
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and parts.netloc else None


def _earnings_date(modules: Mapping[str, Any]) -> date | None:
    """The first day of what may be a range."""
    days = map(day, items(inner(modules, "calendarEvents", "earnings", "earningsDate")))
    return min((each for each in days if each), default=None)


def _estimates(symbol: str, modules: Mapping[str, Any]) -> tuple[AnalystEstimate, ...]:
    """One per period of which anything is known, the first that names the period."""
    found: dict[str, AnalystEstimate] = {}
    for trend in items(inner(modules, "earningsTrend", "trend")):
        name = text(inner(trend, "period"))
        if name in PERIODS and (estimate := _estimate(symbol, PERIODS[name], trend)):
            found.setdefault(estimate.period, estimate)
    return tuple(found[period] for period in PERIODS.values() if period in found)


def _estimate(symbol: str, period: str, trend: object) -> AnalystEstimate | None:
    revenue, earnings = inner(trend, "revenueEstimate"), inner(trend, "earningsEstimate")
    values = {**_expected("revenue", revenue), **_expected("earnings", earnings)}
    if all(value is None for value in values.values()):
        return None
    analysts = count(inner(earnings, "numberOfAnalysts"))
    return AnalystEstimate(
        symbol,
        period,
        end_date=day(inner(trend, "endDate")),
        revenue_currency=text(inner(revenue, "revenueCurrency")),
        earnings_currency=text(inner(earnings, "earningsCurrency")),
        analyst_count=analysts or count(inner(revenue, "numberOfAnalysts")),
        **values,
    )


def _expected(what: str, estimate: object) -> dict[str, float | None]:
    names = ("avg", "low", "high", "growth")
    return {f"{what}_{name}": number(inner(estimate, name)) for name in names}
