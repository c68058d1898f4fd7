"""What a source said of companies is stored: one transaction per set of answers.

A company's row is what was said last, with nothing older beside it; where nothing was said, it
stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.types.json import Jsonb
from sqlalchemy import Table

from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.tables import analyst_estimates, company_profiles, metadata
from sigmasight_assets.core.market.companies import ProfileAnswer, StatementKind, StatementsAnswer
from sigmasight_assets.core.market.source import UNANSWERED, Outcome

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('companies'), 0)"

# The source moves the date ahead once the earnings are out, before its statements are fetched.
KEEP_PASSED_DATES: Final = """
    UPDATE company_profiles
    SET last_earnings_date = GREATEST(last_earnings_date, next_earnings_date)
    WHERE symbol = ANY(%s) AND next_earnings_date <= %s
"""

DROP_ESTIMATES: Final = """
    DELETE FROM analyst_estimates WHERE symbol = ANY(%s) AND (symbol, period) NOT IN (
        SELECT * FROM unnest(%s::text[], %s::text[]))
    RETURNING symbol
"""

# Rows that say the same keep their stamp.
UPSERT: Final = """
    INSERT INTO {table} ({columns}, {stamp})
    SELECT {columns}, %(now)s FROM jsonb_populate_recordset(NULL::{table}, %(rows)s)
    ORDER BY {key}
    ON CONFLICT ({key}) DO UPDATE SET ({columns}, {stamp}) = ROW({new}, excluded.{stamp})
    WHERE ({old}) IS DISTINCT FROM ({new})
    RETURNING symbol
"""

CHECK: Final = """
    INSERT INTO company_checks (symbol, subject, outcome, checked_at)
    SELECT symbol, %(subject)s, outcome, %(now)s
    FROM unnest(%(symbols)s::text[], %(outcomes)s::text[]) AS answered (symbol, outcome)
    ORDER BY symbol COLLATE "C"
    ON CONFLICT (symbol, subject) DO UPDATE
        SET outcome = excluded.outcome, checked_at = excluded.checked_at
"""

Rows = list[dict[str, Any]]


class Stored(StrEnum):
    """What became of an answer."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NO_DATA = "no_data"
    REJECTED = "rejected"


def write_profiles(
    database: Database, answers: Mapping[str, ProfileAnswer], now: datetime
) -> dict[str, Stored]:
    """Store profiles and estimates, and that they were asked for; what became of each answer.

    Symbols that got no answer are left out.
    """

    def work(connection: Connection) -> dict[str, Stored]:
        connection.execute(LOCK)
        given = [each for each in answers.values() if each.profile]
        symbols = [each.profile.symbol for each in given if each.profile]
        connection.execute(KEEP_PASSED_DATES, (symbols, now.astimezone(UTC).date()))
        profiles = [asdict(each.profile) for each in given if each.profile]
        changed = _upsert(connection, company_profiles, "updated_at", profiles, now)
        estimates = [asdict(one) for each in given for one in each.estimates]
        kept = [[row[name] for row in estimates] for name in ("symbol", "period")]
        gone = connection.execute(DROP_ESTIMATES, (symbols, *kept))
        changed |= {symbol for (symbol,) in gone}
        changed |= _upsert(connection, analyst_estimates, "updated_at", estimates, now)
        return _check(connection, "profile", answers, changed, now)

    return database.transaction(work)


def write_statements(
    database: Database, answers: Mapping[str, StatementsAnswer], now: datetime
) -> dict[str, Stored]:
    """Store statements, and that they were asked for; what became of each answer.

    A restated period replaces what was stored of it, a period no longer listed stays. Symbols
    that got no answer are left out.
    """
    rows: dict[StatementKind, Rows] = {kind: [] for kind in StatementKind}
    for answer in answers.values():
        for statement in answer.statements:
            row = asdict(statement)
            kind, items = row.pop("kind"), row.pop("items")
            rows[kind].append(row | items)

    def work(connection: Connection) -> dict[str, Stored]:
        connection.execute(LOCK)
        changed: set[str] = set()
        for kind, found in rows.items():
            table = metadata.tables[kind]
            changed |= _upsert(connection, table, "fetched_at", found, now)
        return _check(connection, "statements", answers, changed, now)

    return database.transaction(work)


def _upsert(
    connection: Connection, table: Table, stamp: str, rows: Rows, now: datetime
) -> set[str]:
    """Store rows of equal columns; returns the symbols with a new or another row."""
    if not rows:
        return set()
    key = [column.name for column in table.primary_key.columns]
    statement = sql.SQL(UPSERT).format(
        table=sql.Identifier(table.name),
        stamp=sql.Identifier(stamp),
        key=_listed(key),
        columns=_listed(rows[0]),
        old=_listed(rows[0], table.name),
        new=_listed(rows[0], "excluded"),
    )
    dumps = partial(json.dumps, default=str, allow_nan=False)
    stored = connection.execute(statement, {"rows": Jsonb(rows, dumps), "now": now})
    return {symbol for (symbol,) in stored}


def _listed(names: Sequence[str] | Mapping[str, object], *of: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*of, name) for name in names)


def _check(
    connection: Connection,
    subject: str,
    answers: Mapping[str, ProfileAnswer] | Mapping[str, StatementsAnswer],
    changed: set[str],
    now: datetime,
) -> dict[str, Stored]:
    """Remember who was asked for, and with what success."""
    stored = {
        symbol: _stored(answer.outcome, symbol in changed)
        for symbol, answer in answers.items()
        if answer.outcome not in UNANSWERED
    }
    connection.execute(
        CHECK,
        {
            "subject": subject,
            "symbols": list(stored),
            "outcomes": list(stored.values()),
            "now": now,
        },
    )
    return stored


def _stored(outcome: Outcome, changed: bool) -> Stored:
    if outcome is Outcome.ROWS:
        return Stored.UPDATED if changed else Stored.UNCHANGED
    return Stored(outcome)
