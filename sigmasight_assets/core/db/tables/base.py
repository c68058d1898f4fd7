"""Column types and small builders shared by every table.

`finite` and `usd` are PostgreSQL domains: a plain `CHECK (x > 0)` lets NaN through, because
PostgreSQL sorts NaN above every number, so each value is bounded from above as well.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    MetaData,
    Numeric,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN, JSONB

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

FINITE: Final = DOMAIN(
    "finite",
    Double(),
    check=text("VALUE > '-Infinity' AND VALUE < 'Infinity'"),
    metadata=metadata,
)
"""Double precision without NaN or infinity: prices, returns, betas, correlations."""

USD: Final = DOMAIN("usd", Numeric(20, 6), check=text("VALUE <> 'NaN'"), metadata=metadata)
"""Money in USD, rounded once, to 6 decimals, when it is stored."""


OUTSIDE_CHECKSUM: Final = {"checksum": False}
"""Column info of what may differ between two runs: timestamps, counters, copies of profiles."""


def number(name: str, comment: str, nullable: bool = True) -> Column[Any]:
    """A finite double precision column."""
    return Column(name, FINITE, nullable=nullable, comment=comment)


def copied(name: str, comment: str) -> Column[Any]:
    """A number copied from a profile when the session was the latest; outside the checksum."""
    return Column(name, FINITE, comment=comment, info=OUTSIDE_CHECKSUM)


def usd(name: str, comment: str, nullable: bool = True) -> Column[Any]:
    """A money column."""
    return Column(name, USD, nullable=nullable, comment=comment)


def words(name: str, comment: str, nullable: bool = True) -> Column[Any]:
    """A text column."""
    return Column(name, Text, nullable=nullable, comment=comment)


def symbol_key() -> Column[Any]:
    """The `symbol` part of a natural key, compared byte by byte: the order bulk writes use."""
    return Column("symbol", Text(collation="C"), primary_key=True, comment="stored symbol form")


def day_key(name: str, comment: str = "NYSE session") -> Column[Any]:
    """The session part of a natural key."""
    return Column(name, Date, primary_key=True, comment=comment)


def id_key(name: str, target: str | None = None) -> Column[Any]:
    """A UUID part of a natural key; `target` names the row it belongs to."""
    reference = [ForeignKey(target, ondelete="CASCADE")] if target else []
    default = None if target else func.gen_random_uuid()
    return Column(name, Uuid, *reference, primary_key=True, server_default=default)


def derived_id(name: str) -> Column[Any]:
    """An id in the key of a computed table.

    No foreign key: rows are derived and recomputable, checking each against its parent took as
    long as writing it, and its row locks would make a refresh wait for a user's edit.
    """
    return Column(name, Uuid, primary_key=True)


def document(name: str, comment: str, nullable: bool = True) -> Column[Any]:
    """A JSONB column; JSONB itself refuses NaN."""
    return Column(name, JSONB, nullable=nullable, comment=comment)


def stamped(name: str, comment: str) -> Column[Any]:
    """When a row was written; outside every checksum."""
    return Column(
        name,
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
        comment=comment,
        info=OUTSIDE_CHECKSUM,
    )
