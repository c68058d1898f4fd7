"""Which prices changed under stored results, and how often a source may be asked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATUS = "pending, processing, active, delisted{} or error"
STATUS_CHECK = "status IN ('pending', 'processing', 'active', 'delisted', {}'error')"
# Thousands of actions meet hundreds of thousands of positions: an OR can use no index.
HOLDERS = """
CREATE OR REPLACE FUNCTION mark_holders_changed(symbols text[], action_types text[], days date[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mark_portfolio_changed(held.portfolio_id, min(
        CASE held.action_type WHEN 'dividend' THEN held.day ELSE '-infinity' END))
    FROM ({holders}) AS held
    GROUP BY held.portfolio_id ORDER BY held.portfolio_id;
END $$
"""
ACTIONS = "unnest(symbols, action_types, days) AS a (symbol, action_type, day)"
BY_INDEX = f"""
    SELECT p.portfolio_id, a.action_type, a.day FROM {ACTIONS} JOIN positions p USING (symbol)
    UNION ALL
    SELECT p.portfolio_id, a.action_type, a.day FROM {ACTIONS}
    JOIN positions p ON p.underlying_symbol = a.symbol
"""
BY_SCAN = f"""
    SELECT p.portfolio_id, a.action_type, a.day FROM {ACTIONS}
    JOIN positions p ON p.symbol = a.symbol OR p.underlying_symbol = a.symbol
"""

WARNING_TYPES = ("jump or frozen", "jump, frozen or one_series_split")
WARNING_VALUES = (
    "the price ratio of a jump, the number of equal closes",
    "the ratio of a jump or of the two series, the number of equal closes",
)


def upgrade() -> None:
    """Forward."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("price_change")))
    op.create_table(
        "changed_prices",
        sa.Column("symbol", sa.Text(collation="C"), nullable=False, comment="stored symbol form"),
        sa.Column(
            "first_changed",
            sa.Date(),
            nullable=False,
            comment="first session with another price",
        ),
        sa.Column(
            "last_changed",
            sa.Date(),
            nullable=False,
            comment="last session with another price",
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            server_default=sa.text("nextval('price_change')"),
            nullable=False,
            comment="grows with every change; results of the version read settle it",
        ),
        sa.Column(
            "settled",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="every published session says what the prices of this version say",
        ),
        sa.PrimaryKeyConstraint("symbol", name=op.f("changed_prices_pkey")),
    )
    op.create_table(
        "source_limits",
        sa.Column("source", sa.Text(), nullable=False, comment="yfinance or polygon"),
        sa.Column(
            "next_request_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when the next request of any process may be sent",
        ),
        sa.Column(
            "paused_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source asked for silence until then",
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("source_limits_pkey")),
    )
    op.add_column(
        "symbol_universe",
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the source last answered for the newest sessions",
        ),
    )
    op.create_index(op.f("positions_underlying_symbol_idx"), "positions", ["underlying_symbol"])
    op.execute(HOLDERS.format(holders=BY_INDEX))
    _allow_status(", retired", "'retired', ")
    _describe("warning_type", sa.Text(), *WARNING_TYPES)
    _describe("value", sa.Double(), *WARNING_VALUES)


def downgrade() -> None:
    """Back; a retired symbol becomes a delisted one, which nobody asks for either."""
    op.execute("DELETE FROM price_warnings WHERE warning_type = 'one_series_split'")
    _describe("warning_type", sa.Text(), *reversed(WARNING_TYPES))
    _describe("value", sa.Double(), *reversed(WARNING_VALUES))
    op.execute("UPDATE symbol_universe SET status = 'delisted' WHERE status = 'retired'")
    _allow_status("", "")
    op.execute(HOLDERS.format(holders=BY_SCAN))
    op.drop_index(op.f("positions_underlying_symbol_idx"), "positions")
    op.drop_column("symbol_universe", "asked_at")
    op.drop_table("source_limits")
    op.drop_table("changed_prices")
    op.execute(sa.schema.DropSequence(sa.Sequence("price_change")))


def _allow_status(named: str, quoted: str) -> None:
    op.drop_constraint(op.f("symbol_universe_status_check"), "symbol_universe")
    op.create_check_constraint(
        op.f("symbol_universe_status_check"), "symbol_universe", STATUS_CHECK.format(quoted)
    )
    op.alter_column(
        "symbol_universe",
        "status",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment=STATUS.format(named),
    )


def _describe(column: str, existing: sa.Text | sa.Double[float], old: str, new: str) -> None:
    op.alter_column(
        "price_warnings",
        column,
        existing_type=existing,
        existing_nullable=False,
        existing_comment=old,
        comment=new,
    )
