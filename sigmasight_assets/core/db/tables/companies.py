"""Companies: their profiles, what analysts expect of them, and when they were asked for."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Boolean, CheckConstraint, Column, Date, Integer, Table, Text

from sigmasight_assets.core.db.tables.base import (
    OUTSIDE_CHECKSUM,
    metadata,
    number,
    stamped,
    symbol_key,
    words,
)


def _count(name: str, comment: str) -> Column[Any]:
    return Column(name, Integer, comment=comment)


company_profiles: Final = Table(
    "company_profiles",
    metadata,
    symbol_key(),
    words("company_name", "name"),
    words("quote_type", "EQUITY, ETF, MUTUALFUND, ..."),
    Column("is_etf", Boolean, comment="quote_type is ETF"),
    Column("is_fund", Boolean, comment="quote_type is MUTUALFUND"),
    words("sector", "as the provider names it"),
    words("industry", "as the provider names it"),
    words("exchange", "as the provider names it"),
    words("country", "of the company, as the provider names it"),
    words("description", "what the company or fund does"),
    words("ceo", "chief executive officer"),
    _count("employees", "full-time"),
    words("website", "http or https address"),
    words("currency", "of prices, market_cap, enterprise_value and target prices"),
    words("financial_currency", "of what the company reports: total_revenue, forward_eps"),
    number("market_cap", "in currency"),
    number("enterprise_value", "in currency, as the provider states it"),
    number("pe_ratio", "price over trailing earnings"),
    number("forward_pe", "price over expected earnings"),
    number("price_to_sales", "market_cap over the revenue of twelve months"),
    number("dividend_yield", "fraction of the price; of a fund, its distributions"),
    number("beta", "the provider's beta; of a fund, over three years"),
    number("week_52_high", "in currency"),
    number("week_52_low", "in currency"),
    number("target_mean_price", "in currency, of analysts"),
    number("target_high_price", "in currency, of analysts"),
    number("target_low_price", "in currency, of analysts"),
    _count("number_of_analyst_opinions", "behind the target prices"),
    number("recommendation_mean", "1 strong buy to 5 sell"),
    words("recommendation_key", "strong_buy, buy, hold, underperform or sell"),
    number("forward_eps", "expected earnings per share, in financial_currency"),
    number("earnings_growth", "fraction, last quarter on the same quarter a year before"),
    number("revenue_growth", "fraction, last quarter on the same quarter a year before"),
    number(
        "earnings_quarterly_growth", "fraction, net income of the last quarter on a year before"
    ),
    number("profit_margins", "fraction, twelve months"),
    number("operating_margins", "fraction, twelve months"),
    number("gross_margins", "fraction, twelve months"),
    number("return_on_assets", "fraction, twelve months"),
    number("return_on_equity", "fraction, twelve months"),
    number("total_revenue", "in financial_currency, twelve months"),
    Column("next_earnings_date", Date, comment="as announced or expected; passed until renewed"),
    Column("last_earnings_date", Date, comment="newest next_earnings_date that passed"),
    Column("last_fiscal_year_end", Date, comment="of the last year reported"),
    stamped("updated_at", "when what the profile says last changed"),
)

analyst_estimates: Final = Table(
    "analyst_estimates",
    metadata,
    symbol_key(),
    Column("period", Text, primary_key=True, comment="current or next _quarter or _year"),
    Column("end_date", Date, comment="last day of the period"),
    words("revenue_currency", "of the revenues"),
    number("revenue_avg", "in revenue_currency"),
    number("revenue_low", "in revenue_currency"),
    number("revenue_high", "in revenue_currency"),
    number("revenue_growth", "fraction, on the same period a year before"),
    words("earnings_currency", "of the earnings"),
    number("earnings_avg", "per share, in earnings_currency"),
    number("earnings_low", "per share, in earnings_currency"),
    number("earnings_high", "per share, in earnings_currency"),
    number("earnings_growth", "fraction, on the same period a year before"),
    _count("analyst_count", "analysts who expect earnings, else revenues"),
    stamped("updated_at", "when the estimate last changed"),
    CheckConstraint(
        "period IN ('current_quarter', 'next_quarter', 'current_year', 'next_year')", name="period"
    ),
)

company_checks: Final = Table(
    "company_checks",
    metadata,
    symbol_key(),
    Column("subject", Text, primary_key=True, comment="profile or statements"),
    Column(
        "outcome",
        Text,
        nullable=False,
        comment="updated, unchanged, no_data or rejected",
        info=OUTSIDE_CHECKSUM,
    ),
    stamped("checked_at", "when the source last answered"),
    CheckConstraint("subject IN ('profile', 'statements')", name="subject"),
    CheckConstraint("outcome IN ('updated', 'unchanged', 'no_data', 'rejected')", name="outcome"),
)
