"""The protocol of a source of companies: profiles, analysts' estimates and statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from sigmasight_assets.core.market.source import Outcome


@dataclass(frozen=True)
class CompanyProfile:
    """What a source says of one company or fund; None is unknown.

    The fields are columns of `company_profiles`, whose comments state the units.
    """

    symbol: str
    company_name: str | None = None
    quote_type: str | None = None
    is_etf: bool | None = None
    is_fund: bool | None = None
    sector: str | None = None
    industry: str | None = None
    exchange: str | None = None
    country: str | None = None
    description: str | None = None
    ceo: str | None = None
    employees: int | None = None
    website: str | None = None
    currency: str | None = None
    financial_currency: str | None = None
    market_cap: float | None = None
    enterprise_value: float | None = None
    pe_ratio: float | None = None
    forward_pe: float | None = None
    price_to_sales: float | None = None
    dividend_yield: float | None = None
    beta: float | None = None
    week_52_high: float | None = None
    week_52_low: float | None = None
    target_mean_price: float | None = None
    target_high_price: float | None = None
    target_low_price: float | None = None
    number_of_analyst_opinions: int | None = None
    recommendation_mean: float | None = None
    recommendation_key: str | None = None
    forward_eps: float | None = None
    earnings_growth: float | None = None
    revenue_growth: float | None = None
    earnings_quarterly_growth: float | None = None
    profit_margins: float | None = None
    operating_margins: float | None = None
    gross_margins: float | None = None
    return_on_assets: float | None = None
    return_on_equity: float | None = None
    total_revenue: float | None = None
    next_earnings_date: date | None = None
    last_fiscal_year_end: date | None = None


@dataclass(frozen=True)
class AnalystEstimate:
    """What analysts expect of one period; the fields are columns of `analyst_estimates`.

    period: current_quarter, next_quarter, current_year or next_year.
    """

    symbol: str
    period: str
    end_date: date | None = None
    revenue_currency: str | None = None
    revenue_avg: float | None = None
    revenue_low: float | None = None
    revenue_high: float | None = None
    revenue_growth: float | None = None
    earnings_currency: str | None = None
    earnings_avg: float | None = None
    earnings_low: float | None = None
    earnings_high: float | None = None
    earnings_growth: float | None = None
    analyst_count: int | None = None


class StatementKind(StrEnum):
    """The three statements, by the names of their tables."""

    INCOME = "income_statements"
    BALANCE = "balance_sheets"
    CASH_FLOW = "cash_flows"


@dataclass(frozen=True)
class Statement:
    """One statement of one period. frequency: q or a; currency: of every amount in it.

    items: every line item of its table, as reported; None is unknown, and never all are.
    """

    kind: StatementKind
    symbol: str
    period_date: date
    frequency: str
    fiscal_year: int
    currency: str | None
    items: Mapping[str, float | None]


@dataclass(frozen=True)
class ProfileAnswer:
    """What a source said when asked for a profile: there is one if the outcome is ROWS.

    reason: why there is none, for a person; never a secret, never an address.
    """

    outcome: Outcome
    profile: CompanyProfile | None = None
    estimates: tuple[AnalystEstimate, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class StatementsAnswer:
    """What a source said when asked for statements: some if the outcome is ROWS, else a reason."""

    outcome: Outcome
    statements: tuple[Statement, ...] = ()
    reason: str = ""


class CompanySource(Protocol):
    """Where profiles and statements come from; asked by several threads at once.

    A failure of the source is an outcome of its answer, never an error.
    """

    name: str

    def profile(self, symbol: str) -> ProfileAnswer:
        """The profile and the estimates of one symbol."""
        ...

    def statements(
        self, symbol: str, last_fiscal_year_end: date | None, today: date
    ) -> StatementsAnswer:
        """The statements of one company, quarterly and annual, up to `today`.

        last_fiscal_year_end: numbers the fiscal years of one that reports no annual statement.
        """
        ...
