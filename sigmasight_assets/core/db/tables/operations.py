"""What has been claimed, written and published, and what failed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    func,
)

from sigmasight_assets.core.db.tables.base import day_key, metadata, stamped, symbol_key, words

session_epochs: Final = Table(
    "session_epochs",
    metadata,
    Column("layer", Text, primary_key=True, comment="symbols or portfolios"),
    day_key("session"),
    Column("epoch", BigInteger, primary_key=True, comment="only grows; the highest may write"),
    Column("run_id", Text, nullable=False, comment="the run that claimed it"),
    stamped("claimed_at", "when it was claimed"),
    Index(None, "layer", "session", "run_id", unique=True),
)

data_version: Final = Sequence("data_version", metadata=metadata)

written_slices: Final = Table(
    "written_slices",
    metadata,
    Column("table_name", Text, primary_key=True),
    day_key("session"),
    Column("layer", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("row_count", Integer, nullable=False),
    stamped("written_at", "when the slice was committed"),
)

published_sessions: Final = Table(
    "published_sessions",
    metadata,
    Column("layer", Text, primary_key=True),
    day_key("session"),
    Column("epoch", BigInteger, nullable=False),
    Column(
        "data_version", BigInteger, nullable=False, comment="grows with every publication anywhere"
    ),
    stamped("published_at", "when readers could see it"),
    CheckConstraint("layer IN ('symbols', 'portfolios')", name="layer"),
)

batch_failure_log: Final = Table(
    "batch_failure_log",
    metadata,
    Column("batch_type", Text, primary_key=True, comment="the asset that met it"),
    day_key("batch_date"),
    Column("item", Text, primary_key=True, comment="symbol, portfolio id or session"),
    Column("attempt", Integer, primary_key=True),
    words("reason", "machine-readable word", nullable=False),
    words("detail", "for a person"),
    stamped("logged_at", "when it was logged"),
)

price_change: Final = Sequence("price_change", metadata=metadata)

changed_prices: Final = Table(
    "changed_prices",
    metadata,
    symbol_key(),
    Column("first_changed", Date, nullable=False, comment="first session with another price"),
    Column("last_changed", Date, nullable=False, comment="last session with another price"),
    Column(
        "version",
        BigInteger,
        nullable=False,
        server_default=price_change.next_value(),
        comment="grows with every change; results of the version read settle it",
    ),
    Column(
        "settled",
        Boolean,
        nullable=False,
        server_default="false",
        comment="every published session says what the prices of this version say",
    ),
)

source_limits: Final = Table(
    "source_limits",
    metadata,
    Column("source", Text, primary_key=True, comment="yfinance or polygon"),
    Column(
        "next_request_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="when the next request of any process may be sent",
    ),
    Column(
        "paused_until", DateTime(timezone=True), comment="the source asked for silence until then"
    ),
)
