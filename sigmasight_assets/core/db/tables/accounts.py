"""Who owns what: users, portfolios, positions and what people state about them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)

from sigmasight_assets.core.db.tables.base import (
    OUTSIDE_CHECKSUM,
    id_key,
    metadata,
    stamped,
    usd,
    words,
)


def _in_calendar(*columns: str) -> CheckConstraint:
    """Dates that the NYSE calendar can place, with 280 sessions of history before them."""
    bounds = "BETWEEN DATE '1992-01-01' AND DATE '2038-12-31'"
    return CheckConstraint(" AND ".join(f"{name} {bounds}" for name in columns), name="calendar")


users: Final = Table(
    "users",
    metadata,
    id_key("id"),
    Column("email", Text, nullable=False, unique=True),
    words("full_name", "shown to its owner"),
    stamped("created_at", "when the account was made"),
)

portfolios: Final = Table(
    "portfolios",
    metadata,
    id_key("id"),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    words("account_name", "unique for its user", nullable=False),
    usd("starting_equity", "NAV at inception", nullable=False),
    Column("inception_date", Date, nullable=False, comment="a session"),
    Column("stale_from", Date, comment="first session whose stored rows a later change can alter"),
    Column(
        "data_version",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="grows with every change of what the owner states",
        info=OUTSIDE_CHECKSUM,
    ),
    Column(
        "display_order", BigInteger, Identity(), comment="order in lists", info=OUTSIDE_CHECKSUM
    ),
    stamped("created_at", "when it was made"),
    Column("deleted_at", DateTime(timezone=True), comment="soft deletion"),
    UniqueConstraint("user_id", "account_name"),
    _in_calendar("inception_date"),
)

positions: Final = Table(
    "positions",
    metadata,
    id_key("id"),
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE"), nullable=False),
    Column("symbol", Text(collation="C"), nullable=False, comment="stored symbol form"),
    words("investment_class", "PUBLIC, OPTIONS or PRIVATE; NULL reads as PUBLIC"),
    words("investment_subtype", "finer kind, for display"),
    words("position_type", "LONG SHORT LC LP SC SP", nullable=False),
    Column("quantity", Numeric(20, 6), nullable=False, comment="signed; a lot is never reduced"),
    usd("entry_price", "per share or contract unit", nullable=False),
    Column("entry_date", Date, nullable=False),
    usd("exit_price", "per share or contract unit"),
    Column("exit_date", Date),
    Column(
        "recorded_on",
        Date,
        nullable=False,
        server_default=func.current_date(),
        comment="the day entry figures were recorded: splits after it apply to them",
    ),
    Column("exit_recorded_on", Date, comment="the same for the exit price"),
    words("underlying_symbol", "of an option"),
    usd("strike_price", "USD, of an option"),
    Column("expiration_date", Date, comment="of an option"),
    words("option_type", "CALL or PUT"),
    Column("split_from", Uuid, ForeignKey("positions.id"), comment="the lot it was split from"),
    stamped("created_at", "when it was entered"),
    Column("deleted_at", DateTime(timezone=True), comment="soft deletion"),
    _in_calendar("entry_date", "exit_date", "expiration_date"),
    CheckConstraint("quantity <> 0 AND quantity <> 'NaN'", name="quantity"),
    CheckConstraint("entry_price >= 0", name="entry_price"),
    CheckConstraint(
        "exit_date IS NULL OR (exit_price IS NOT NULL AND exit_date >= entry_date)", name="exit"
    ),
    CheckConstraint(
        "position_type IN ('LONG', 'SHORT', 'LC', 'LP', 'SC', 'SP')", name="position_type"
    ),
    CheckConstraint("(quantity > 0) = (position_type IN ('LONG', 'LC', 'LP'))", name="side"),
    CheckConstraint(
        "investment_class IN ('PUBLIC', 'OPTIONS', 'PRIVATE')", name="investment_class"
    ),
    CheckConstraint(
        "investment_class IS DISTINCT FROM 'OPTIONS' OR (position_type IN ('LC', 'LP', 'SC', 'SP')"
        " AND underlying_symbol IS NOT NULL AND strike_price > 0 AND expiration_date IS NOT NULL"
        " AND option_type IN ('CALL', 'PUT'))",
        name="option",
    ),
    Index(None, "portfolio_id"),
    Index(None, "symbol"),
    Index(None, "underlying_symbol"),
)

position_valuations: Final = Table(
    "position_valuations",
    metadata,
    id_key("position_id", "positions.id"),
    Column("valuation_date", Date, primary_key=True),
    usd("market_value", "of the whole lot, signed", nullable=False),
    words("entered_by", "who stated it", nullable=False),
    stamped("entered_at", "when it was stated"),
)

equity_changes: Final = Table(
    "equity_changes",
    metadata,
    id_key("id"),
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE"), nullable=False),
    words("change_type", "CONTRIBUTION or WITHDRAWAL", nullable=False),
    usd("amount", "positive", nullable=False),
    Column("change_date", Date, nullable=False),
    words("notes", "free text"),
    stamped("created_at", "when it was entered"),
    Column("deleted_at", DateTime(timezone=True), comment="soft deletion"),
    CheckConstraint("change_type IN ('CONTRIBUTION', 'WITHDRAWAL')", name="change_type"),
    CheckConstraint("amount > 0", name="amount"),
    _in_calendar("change_date"),
    Index(None, "portfolio_id"),
)
