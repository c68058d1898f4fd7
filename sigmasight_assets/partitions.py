"""One partition per NYSE session: identity mappings only, history is read from the database.

Look-back expressed as partition mappings splits a backfill into many runs, so no asset maps to
another's earlier sessions; every asset is single-run for a range.
"""

from __future__ import annotations

import warnings
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from dagster import BackfillPolicy, BetaWarning, TimeWindowPartitionsDefinition

from sigmasight_assets.core import sessions
from sigmasight_assets.core.settings import load_settings

NEW_YORK: Final = ZoneInfo("America/New_York")
SINGLE_RUN: Final = BackfillPolicy.single_run()

# Single-run backfills are what the night is built on, and Dagster is pinned to one minor version.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", BetaWarning)


def session_partitions(start: date) -> TimeWindowPartitionsDefinition:
    """Sessions from `start`; today's exists from midnight, long before it is complete.

    `end_offset=1` is what makes tonight's session selectable tonight. On a holiday it shows the
    next session early; the assets refuse any session whose close has not passed.
    """
    holidays = sessions.weekday_holidays(start, sessions.LAST_KNOWN)
    return TimeWindowPartitionsDefinition(
        start=datetime(start.year, start.month, start.day, tzinfo=NEW_YORK),
        cron_schedule="0 0 * * 1-5",
        timezone="America/New_York",
        fmt="%Y-%m-%d",
        end_offset=1,
        exclusions=[datetime(day.year, day.month, day.day, tzinfo=NEW_YORK) for day in holidays],
    )


SESSIONS: Final = session_partitions(load_settings().start_date)
