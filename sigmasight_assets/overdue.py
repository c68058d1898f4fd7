"""Are the latest session's portfolios refreshed in time: one question, a check and an alarm."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    asset_check,
)

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.book import change_marks
from sigmasight_assets.core.db.read.published import published, published_at
from sigmasight_assets.partitions import NEW_YORK
from sigmasight_assets.resources import Platform

NIGHT_BEGINS: Final = time(21, 0, tzinfo=NEW_YORK)
PATIENCE: Final = timedelta(minutes=60)
CHECKED: Final = AssetKey("portfolio_snapshots")
CHECK_NAME: Final = "refreshed_within_an_hour"


@dataclass(frozen=True)
class Punctuality:
    """Whether the portfolios of the latest completed session should long be there."""

    session: date
    overdue: bool

    def sentence(self) -> str:
        """For a person."""
        if self.overdue:
            return f"the portfolios of {self.session} are missing an hour after their time"
        return f"the portfolios of {self.session} are there, or not due yet"

    def alarm(self) -> AssetCheckEvaluation:
        """The check's failure, reported by a sensor when no run is there to evaluate it."""
        return AssetCheckEvaluation(
            asset_key=CHECKED,
            check_name=CHECK_NAME,
            passed=not self.overdue,
            severity=AssetCheckSeverity.ERROR,
            description=self.sentence(),
        )


@asset_check(
    asset=CHECKED,
    name=CHECK_NAME,
    description="The latest session's portfolios are there an hour after 21:00 or their symbols.",
)
def refreshed_within_an_hour_check(platform: Platform) -> AssetCheckResult:
    """Part of every refresh, so that it passes again with the one that was missing.

    A refresh of earlier sessions that meets it warns; the sensor's alarm is the error.
    """
    found = punctuality(platform.database(), platform.now())
    return AssetCheckResult(
        passed=not found.overdue,
        severity=AssetCheckSeverity.WARN,
        description=found.sentence(),
    )


def punctuality(database: Database, now: datetime) -> Punctuality:
    """Are the portfolios of the latest completed session published, or not due yet.

    They are due an hour after the night began, or after a later symbol batch was published; a
    symbol batch that failed does not excuse them. A database without portfolios in which nothing
    was ever published owes nobody anything.
    """
    session = sessions.latest_completed(now)
    with database.connection() as connection:
        owed = published(connection, Layer.SYMBOLS) or len(change_marks(connection, session).id)
        done = session in published(connection, Layer.PORTFOLIOS, session)
        symbols_done = published_at(connection, Layer.SYMBOLS, session)
    night = datetime.combine(session, NIGHT_BEGINS)
    due = max(night, symbols_done or night) + PATIENCE
    return Punctuality(session, bool(owed) and not done and now > due)
