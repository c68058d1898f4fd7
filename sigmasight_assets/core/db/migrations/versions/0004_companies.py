"""What is known of companies: whole profiles, estimates, statements, and when they were asked for."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FINITE = postgresql.DOMAIN(
    "finite", sa.Double(), check="VALUE > '-Infinity' AND VALUE < 'Infinity'", create_type=False
)

PROFILE_COLUMNS = (
    ("is_etf", sa.Boolean(), "quote_type is ETF"),
    ("is_fund", sa.Boolean(), "quote_type is MUTUALFUND"),
    ("exchange", sa.Text(), "as the provider names it"),
    ("country", sa.Text(), "of the company, as the provider names it"),
    ("description", sa.Text(), "what the company or fund does"),
    ("ceo", sa.Text(), "chief executive officer"),
    ("employees", sa.Integer(), "full-time"),
    ("website", sa.Text(), "http or https address"),
    ("currency", sa.Text(), "of prices, market_cap, enterprise_value and target prices"),
    ("financial_currency", sa.Text(), "of what the company reports: total_revenue, forward_eps"),
    ("enterprise_value", FINITE, "in currency, as the provider states it"),
    ("forward_pe", FINITE, "price over expected earnings"),
    ("price_to_sales", FINITE, "market_cap over the revenue of twelve months"),
    ("dividend_yield", FINITE, "fraction of the price; of a fund, its distributions"),
    ("week_52_high", FINITE, "in currency"),
    ("week_52_low", FINITE, "in currency"),
    ("target_mean_price", FINITE, "in currency, of analysts"),
    ("target_high_price", FINITE, "in currency, of analysts"),
    ("target_low_price", FINITE, "in currency, of analysts"),
    ("number_of_analyst_opinions", sa.Integer(), "behind the target prices"),
    ("recommendation_mean", FINITE, "1 strong buy to 5 sell"),
    ("recommendation_key", sa.Text(), "strong_buy, buy, hold, underperform or sell"),
    ("forward_eps", FINITE, "expected earnings per share, in financial_currency"),
    ("earnings_growth", FINITE, "fraction, last quarter on the same quarter a year before"),
    ("revenue_growth", FINITE, "fraction, last quarter on the same quarter a year before"),
    (
        "earnings_quarterly_growth",
        FINITE,
        "fraction, net income of the last quarter on a year before",
    ),
    ("profit_margins", FINITE, "fraction, twelve months"),
    ("operating_margins", FINITE, "fraction, twelve months"),
    ("gross_margins", FINITE, "fraction, twelve months"),
    ("return_on_assets", FINITE, "fraction, twelve months"),
    ("return_on_equity", FINITE, "fraction, twelve months"),
    ("total_revenue", FINITE, "in financial_currency, twelve months"),
    ("next_earnings_date", sa.Date(), "as announced or expected; passed until renewed"),
    ("last_earnings_date", sa.Date(), "newest next_earnings_date that passed"),
    ("last_fiscal_year_end", sa.Date(), "of the last year reported"),
)

PROFILE_COMMENTS = (
    ("market_cap", FINITE, True, "USD", "in currency"),
    (
        "beta",
        FINITE,
        True,
        "the provider's one-year beta",
        "the provider's beta; of a fund, over three years",
    ),
    (
        "updated_at",
        sa.DateTime(timezone=True),
        False,
        "when the profile was fetched",
        "when what the profile says last changed",
    ),
)

ESTIMATE_COLUMNS = (
    ("end_date", sa.Date(), "last day of the period"),
    ("revenue_currency", sa.Text(), "of the revenues"),
    ("revenue_avg", FINITE, "in revenue_currency"),
    ("revenue_low", FINITE, "in revenue_currency"),
    ("revenue_high", FINITE, "in revenue_currency"),
    ("revenue_growth", FINITE, "fraction, on the same period a year before"),
    ("earnings_currency", sa.Text(), "of the earnings"),
    ("earnings_avg", FINITE, "per share, in earnings_currency"),
    ("earnings_low", FINITE, "per share, in earnings_currency"),
    ("earnings_high", FINITE, "per share, in earnings_currency"),
    ("earnings_growth", FINITE, "fraction, on the same period a year before"),
    ("analyst_count", sa.Integer(), "analysts who expect earnings, else revenues"),
)

AMOUNT, PER_SHARE, SHARES = "in currency, as reported", "in currency per share", "shares"

INCOME_ITEMS = {
    "total_revenue": AMOUNT,
    "cost_of_revenue": AMOUNT,
    "gross_profit": AMOUNT,
    "research_and_development": AMOUNT,
    "selling_general_and_administrative": AMOUNT,
    "operating_income": AMOUNT,
    "ebit": AMOUNT,
    "ebitda": AMOUNT,
    "net_income": AMOUNT,
    "tax_provision": AMOUNT,
    "interest_expense": AMOUNT,
    "depreciation_and_amortization": AMOUNT,
    "basic_eps": PER_SHARE,
    "diluted_eps": PER_SHARE,
    "basic_average_shares": SHARES,
    "diluted_average_shares": SHARES,
}

BALANCE_ITEMS = {
    "total_assets": AMOUNT,
    "current_assets": AMOUNT,
    "cash_and_cash_equivalents": AMOUNT,
    "short_term_investments": AMOUNT,
    "accounts_receivable": AMOUNT,
    "inventory": AMOUNT,
    "property_plant_equipment": AMOUNT,
    "intangible_assets": AMOUNT,
    "total_liabilities": AMOUNT,
    "current_liabilities": AMOUNT,
    "accounts_payable": AMOUNT,
    "short_term_debt": AMOUNT,
    "long_term_debt": AMOUNT,
    "total_debt": AMOUNT,
    "total_stockholders_equity": AMOUNT,
    "retained_earnings": AMOUNT,
    "common_stock": AMOUNT,
    "shares_outstanding": SHARES,
}

CASH_ITEMS = dict.fromkeys(
    (
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
    AMOUNT,
)

STATEMENTS = {
    "income_statements": INCOME_ITEMS,
    "balance_sheets": BALANCE_ITEMS,
    "cash_flows": CASH_ITEMS,
}


def upgrade() -> None:
    """Forward."""
    for name, kind, comment in PROFILE_COLUMNS:
        op.add_column("company_profiles", sa.Column(name, kind, nullable=True, comment=comment))
    for described in PROFILE_COMMENTS:
        _describe(*described)
    _create_estimates()
    _create_checks()
    for name, items in STATEMENTS.items():
        _create_statements(name, items)


def downgrade() -> None:
    """Back."""
    for name in STATEMENTS:
        op.drop_table(name)
    op.drop_table("company_checks")
    op.drop_table("analyst_estimates")
    for name, kind, nullable, old, new in PROFILE_COMMENTS:
        _describe(name, kind, nullable, new, old)
    for name, _, _ in PROFILE_COLUMNS:
        op.drop_column("company_profiles", name)


def _describe(
    name: str, kind: sa.types.TypeEngine[Any], nullable: bool, old: str, new: str
) -> None:
    op.alter_column(
        "company_profiles",
        name,
        existing_type=kind,
        existing_nullable=nullable,
        existing_comment=old,
        comment=new,
    )


def _symbol() -> sa.Column[Any]:
    return sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form")


def _stamp(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
        comment=comment,
    )


def _create_estimates() -> None:
    op.create_table(
        "analyst_estimates",
        _symbol(),
        sa.Column("period", sa.Text(), nullable=False, comment="current or next _quarter or _year"),
        *(sa.Column(name, kind, comment=comment) for name, kind, comment in ESTIMATE_COLUMNS),
        _stamp("updated_at", "when the estimate last changed"),
        sa.CheckConstraint(
            "period IN ('current_quarter', 'next_quarter', 'current_year', 'next_year')",
            name=op.f("analyst_estimates_period_check"),
        ),
        sa.PrimaryKeyConstraint("symbol", "period", name=op.f("analyst_estimates_pkey")),
    )


def _create_checks() -> None:
    op.create_table(
        "company_checks",
        _symbol(),
        sa.Column("subject", sa.Text(), nullable=False, comment="profile or statements"),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="updated, unchanged, no_data or rejected",
        ),
        _stamp("checked_at", "when the source last answered"),
        sa.CheckConstraint(
            "subject IN ('profile', 'statements')", name=op.f("company_checks_subject_check")
        ),
        sa.CheckConstraint(
            "outcome IN ('updated', 'unchanged', 'no_data', 'rejected')",
            name=op.f("company_checks_outcome_check"),
        ),
        sa.PrimaryKeyConstraint("symbol", "subject", name=op.f("company_checks_pkey")),
    )


def _create_statements(name: str, items: dict[str, str]) -> None:
    op.create_table(
        name,
        _symbol(),
        sa.Column("period_date", sa.Date(), nullable=False, comment="last day of the period"),
        sa.Column("frequency", sa.Text(), nullable=False, comment="q quarter, a fiscal year"),
        sa.Column(
            "fiscal_year", sa.Integer(), nullable=False, comment="in which the fiscal year ends"
        ),
        sa.Column("currency", sa.Text(), comment="of every amount of the row"),
        *(sa.Column(item, FINITE, comment=comment) for item, comment in items.items()),
        _stamp("fetched_at", "when it was fetched or last restated"),
        sa.CheckConstraint("frequency IN ('q', 'a')", name=op.f(f"{name}_frequency_check")),
        sa.PrimaryKeyConstraint("symbol", "period_date", "frequency", name=op.f(f"{name}_pkey")),
    )
