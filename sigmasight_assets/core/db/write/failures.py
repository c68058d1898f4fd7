"""What a batch could not do, for a person and for the next run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.engine import Database

LOG: Final = """
    INSERT INTO batch_failure_log (batch_type, batch_date, item, attempt, reason, detail)
    SELECT %(type)s, %(day)s, f.item, coalesce(max(b.attempt), 0) + 1, f.reason, f.detail
    FROM unnest(%(items)s::text[], %(reasons)s::text[], %(details)s::text[])
        AS f (item, reason, detail)
    LEFT JOIN batch_failure_log b
        ON b.batch_type = %(type)s AND b.batch_date = %(day)s AND b.item = f.item
    GROUP BY f.item, f.reason, f.detail
    ORDER BY f.item
"""


@dataclass(frozen=True)
class BatchFailure:
    """One item a batch could not do: a machine-readable reason, a sentence for a person."""

    item: str
    reason: str
    detail: str


def log_failures(
    database: Database, batch_type: str, day: date, failures: Iterable[BatchFailure]
) -> None:
    """Append failures, one per item, each with the next attempt number."""
    found = list(failures)
    if found:
        database.transaction(lambda connection: note_failures(connection, batch_type, day, found))


def note_failures(
    connection: Connection, batch_type: str, day: date, failures: Iterable[BatchFailure]
) -> None:
    """The same, for the transaction that writes what did not fail."""
    by_item = {failure.item: failure for failure in failures}
    if not by_item:
        return
    ordered = [by_item[item] for item in sorted(by_item)]
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 1)", (f"failures {batch_type}",))
    connection.execute(
        LOG,
        {
            "type": batch_type,
            "day": day,
            "items": [failure.item for failure in ordered],
            "reasons": [failure.reason for failure in ordered],
            "details": [failure.detail for failure in ordered],
        },
    )
