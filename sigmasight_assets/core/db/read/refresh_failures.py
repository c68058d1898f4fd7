"""Which portfolios a session lacks because their refresh failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection

from sigmasight_assets.core.db.write.failures import BatchFailure

EXPECTED: Final = """
    SELECT day, count(p.id) FROM unnest(%(days)s::date[]) AS day
    LEFT JOIN portfolios p ON p.deleted_at IS NULL AND p.inception_date <= day
    GROUP BY day ORDER BY day
"""

# A session that was left out is logged beside the portfolios: it is no id, so it joins nothing.
FAILED: Final = """
    SELECT DISTINCT ON (f.batch_date, f.item) f.batch_date, f.item, f.reason, f.detail
    FROM batch_failure_log f
    JOIN portfolios p ON p.id::text = f.item
        AND p.deleted_at IS NULL AND p.inception_date <= f.batch_date
    WHERE f.batch_type = %(batch_type)s AND f.batch_date = ANY(%(days)s::date[])
      AND NOT EXISTS (
          SELECT FROM portfolio_snapshots s
          WHERE s.portfolio_id = p.id AND s.snapshot_date = f.batch_date)
    ORDER BY f.batch_date, f.item, f.attempt DESC
"""


@dataclass(frozen=True)
class SessionFailures:
    """How many portfolios a session should have, and those whose refresh failed, by id."""

    session: date
    expected: int
    failures: Sequence[BatchFailure]

    @property
    def share(self) -> float:
        """Failed of expected, a fraction."""
        return len(self.failures) / self.expected if self.expected else 0.0


def refresh_failures(
    connection: Connection, batch_type: str, days: Sequence[date]
) -> list[SessionFailures]:
    """The portfolios without a snapshot on each session that are logged as failed, as last logged.

    One that was refreshed since has its snapshot, one that was deleted is expected no more.
    """
    values = {"batch_type": batch_type, "days": list(days)}
    failed: defaultdict[date, list[BatchFailure]] = defaultdict(list)
    for day, item, reason, detail in connection.execute(FAILED, values):
        failed[day].append(BatchFailure(item, reason, detail))
    expected = connection.execute(EXPECTED, values).fetchall()
    return [SessionFailures(day, count, failed[day]) for day, count in expected]
