"""What companies report: three statements, line items as reported, ratios left to the reader."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, Date, Integer, Table, Text

from sigmasight_assets.core.db.tables.base import metadata, number, stamped, symbol_key, words


def _statement_table(name: str, *items: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        symbol_key(),
        Column("period_date", Date, primary_key=True, comment="last day of the period"),
        Column("frequency", Text, primary_key=True, comment="q quarter, a fiscal year"),
        Column("fiscal_year", Integer, nullable=False, comment="in which the fiscal year ends"),
        words("currency", "of every amount of the row"),
        *items,
        stamped("fetched_at", "when it was fetched or last restated"),
        CheckConstraint("frequency IN ('q', 'a')", name="frequency"),
    )


def _amounts(*names: str) -> tuple[Column[Any], ...]:
    return tuple(number(name, "in currency, as reported") for name in names)


def _per_share(*names: str) -> tuple[Column[Any], ...]:
    return tuple(number(name, "in currency per share") for name in names)


def _shares(*names: str) -> tuple[Column[Any], ...]:
    return tuple(number(name, "shares") for name in names)


income_statements: Final = _statement_table(
    "income_statements",
    *_amounts(
        "total_revenue",
        "cost_of_revenue",
        "gross_profit",
        "research_and_development",
        "selling_general_and_administrative",
        "operating_income",
        "ebit",
        "ebitda",
        "net_income",
        "tax_provision",
        "interest_expense",
        "depreciation_and_amortization",
    ),
    *_per_share("basic_eps", "diluted_eps"),
    *_shares("basic_average_shares", "diluted_average_shares"),
)

balance_sheets: Final = _statement_table(
    "balance_sheets",
    *_amounts(
        "total_assets",
        "current_assets",
        "cash_and_cash_equivalents",
        "short_term_investments",
        "accounts_receivable",
        "inventory",
        "property_plant_equipment",
        "intangible_assets",
        "total_liabilities",
        "current_liabilities",
        "accounts_payable",
        "short_term_debt",
        "long_term_debt",
        "total_debt",
        "total_stockholders_equity",
        "retained_earnings",
        "common_stock",
    ),
    *_shares("shares_outstanding"),
)

cash_flows: Final = _statement_table(
    "cash_flows",
    *_amounts(
        "operating_cash_flow",
        "depreciation_and_amortization",
        "stock_based_compensation",
        "change_in_working_capital",
        "investing_cash_flow",
        "capital_expenditures",
        "acquisitions",
        "purchases_of_investments",
        "financing_cash_flow",
        "dividends_paid",
        "stock_repurchases",
        "debt_issuance_repayment",
        "net_change_in_cash",
        "beginning_cash_position",
        "free_cash_flow",
    ),
)
