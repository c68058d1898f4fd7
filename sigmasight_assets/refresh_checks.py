"""Asset check: did the refresh do every portfolio.

One portfolio that fails does not hold up the others, so nothing but this check and the log says
that it is missing. It blocks nothing: what is there is right.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    asset_check,
)

from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published
from sigmasight_assets.core.db.read.refresh_failures import SessionFailures, refresh_failures
from sigmasight_assets.core.nightly.portfolio_sessions import BATCH_TYPE
from sigmasight_assets.metadata import session_failures_table
from sigmasight_assets.ranges import sessions_of_run
from sigmasight_assets.resources import Platform

MOST_FAILED: Final = 0.10
MOST_NAMED: Final = 5


@asset_check(
    asset="portfolio_snapshots",
    name="portfolios_refreshed",
    description=(
        "Portfolios whose refresh failed: any of them warns, more than 10 % of a session's is an "
        "error. The session's other portfolios are complete."
    ),
)
def portfolios_refreshed_check(
    context: AssetCheckExecutionContext, platform: Platform
) -> AssetCheckResult:
    """One that failed and was refreshed since is no failure any more."""
    days = checked_sessions(context, platform, Layer.PORTFOLIOS)
    with platform.database().connection() as connection:
        found = refresh_failures(connection, BATCH_TYPE, days)
    failed = [each for each in found if each.failures]
    worst = max(failed, key=lambda each: each.share, default=None)
    too_many = worst is not None and worst.share > MOST_FAILED
    return AssetCheckResult(
        passed=worst is None,
        severity=AssetCheckSeverity.ERROR if too_many else AssetCheckSeverity.WARN,
        description=_sentence(worst, len(failed)) if worst else "every portfolio was refreshed",
        metadata={
            "sessions": len(days),
            "sessions with failures": len(failed),
            "portfolios failed": _portfolios(failed),
            "worst share": worst.share if worst else 0.0,
            **({"failures": session_failures_table(failed)} if failed else {}),
        },
    )


REFRESH_CHECKS: Final = [portfolios_refreshed_check]


def checked_sessions(
    context: AssetCheckExecutionContext, platform: Platform, layer: Layer
) -> list[date]:
    """The sessions of the run; for a check launched alone, the newest published one."""
    days = sessions_of_run(context.run.tags)
    if days:
        return days
    with platform.database().connection() as connection:
        return published(connection, layer)[-1:]


def _portfolios(failed: Sequence[SessionFailures]) -> int:
    return len({failure.item for each in failed for failure in each.failures})


def _sentence(worst: SessionFailures, sessions: int) -> str:
    """The worst session, the first of its portfolios, and whether there are other sessions."""
    count = len(worst.failures)
    named = ", ".join(f"{each.item} ({each.reason})" for each in worst.failures[:MOST_NAMED])
    more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    others = f"; failures on {sessions} sessions" if sessions > 1 else ""
    return f"{worst.session}: {count} of {worst.expected} portfolios failed: {named}{more}{others}"
