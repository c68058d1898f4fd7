"""Asset checks of prices: are they complete, fresh and credible, and did their sources answer.

A run of a range records one evaluation without a partition, so each check looks at all sessions
of its run and reports the worst. Launched alone, it looks at the newest session there is.
"""

from collections.abc import Sequence
from typing import Final

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    asset_check,
)

from sigmasight_assets.assets.market_data_cache import FAILED_SHARE, FAILURES
from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.read.prices import last_stored_session
from sigmasight_assets.core.db.read.quality import (
    Coverage,
    price_coverage,
    price_warnings,
)
from sigmasight_assets.core.nightly.symbols import LEAST_COVERAGE, WithheldSession, log_withheld
from sigmasight_assets.core.risk.symbol_factor_exposures import BELONGS_WINDOW
from sigmasight_assets.metadata import warnings_table
from sigmasight_assets.ranges import sessions_of_run
from sigmasight_assets.resources import Platform

MOST_FAILED: Final = 0.10
WARNS_BELOW: Final = 0.9
STALE_AFTER: Final = 1


@asset_check(
    asset="market_data_cache",
    name="price_coverage",
    blocking=True,
    description=(
        "Symbols priced on each session: below 50 % its factors are withheld, and a run that has "
        "no other session stops; below 90 % warns."
    ),
)
def price_coverage_check(
    context: AssetCheckExecutionContext, platform: Platform
) -> AssetCheckResult:
    """Expected symbols x sessions against stored ones."""
    with platform.database().connection() as connection:
        newest = last_stored_session(connection)
        days = sessions_of_run(context.run.tags) or ([newest] if newest else [])
        earliest = [sessions.offset(day, 1 - BELONGS_WINDOW) for day in days]
        coverage = price_coverage(connection, days, earliest)
    result = coverage_result(coverage, "priced")
    withheld = [found for found in coverage if found.share < LEAST_COVERAGE]
    # An error blocks the run: sessions that can be computed should not wait for the others.
    blocks = coverage and len(withheld) == len(coverage)
    if blocks:
        log_withheld(platform.database(), [WithheldSession(each) for each in withheld])
    return result._replace(
        severity=AssetCheckSeverity.ERROR if blocks else AssetCheckSeverity.WARN,
        metadata={**result.metadata, "sessions withheld": len(withheld)},
    )


@asset_check(
    asset="market_data_cache",
    name="price_staleness",
    description="Sessions between the newest stored price and the latest completed session.",
)
def price_staleness_check(
    context: AssetCheckExecutionContext, platform: Platform
) -> AssetCheckResult:
    """A backfill of old sessions alone leaves the newest prices where they are: it warns."""
    latest = sessions.latest_completed(platform.now())
    with platform.database().connection() as connection:
        newest = last_stored_session(connection)
    behind = len(sessions.between(newest, latest)) - 1 if newest else None
    return AssetCheckResult(
        passed=behind is not None and behind <= STALE_AFTER,
        severity=AssetCheckSeverity.WARN,
        description=f"the newest price is of {newest}; the latest session is {latest}",
        metadata={} if behind is None else {"sessions behind": behind},
    )


@asset_check(
    asset="market_data_cache",
    name="failed_symbols",
    description="At most 10 % of the symbols that the night needs may fail.",
)
def failed_symbols_check(context: AssetCheckExecutionContext) -> AssetCheckResult:
    """A price source in trouble; the results are a table in the asset's metadata."""
    return _failures_checked(context, "market_data_cache", AssetCheckSeverity.ERROR)


@asset_check(
    asset="option_prices",
    name="failed_contracts",
    description="At most 10 % of the contracts that positions hold may fail.",
)
def failed_contracts_check(context: AssetCheckExecutionContext) -> AssetCheckResult:
    """It warns: without POLYGON_API_KEY contracts have no source, and the night goes on."""
    return _failures_checked(context, "option_prices", AssetCheckSeverity.WARN)


@asset_check(
    asset="market_data_cache",
    name="price_warnings",
    description="Jumps, standstills and splits that only one price column knows: kept, but look.",
)
def price_warnings_check(
    context: AssetCheckExecutionContext, platform: Platform
) -> AssetCheckResult:
    """Suspicious prices of the run's sessions."""
    with platform.database().connection() as connection:
        newest = last_stored_session(connection)
        days = sessions_of_run(context.run.tags) or ([newest] if newest else [])
        found = price_warnings(connection, days)
    return AssetCheckResult(
        passed=not found,
        severity=AssetCheckSeverity.WARN,
        description=f"{len(found)} suspicious prices" if found else "no price looks suspicious",
        metadata={"warnings": warnings_table(found)} if found else {},
    )


PRICE_CHECKS: Final = [
    price_coverage_check,
    price_staleness_check,
    failed_symbols_check,
    failed_contracts_check,
    price_warnings_check,
]


def _failures_checked(
    context: AssetCheckExecutionContext, asset: str, severity: AssetCheckSeverity
) -> AssetCheckResult:
    """What the asset's materialization in this run, or else its last one, says of its failures."""
    found = _materialization(context, AssetKey(asset))
    if found is None or FAILED_SHARE not in found.metadata:
        return AssetCheckResult(
            passed=False, severity=AssetCheckSeverity.WARN, description="nothing was asked for yet"
        )
    share = float(str(found.metadata[FAILED_SHARE].value))
    return AssetCheckResult(
        passed=share <= MOST_FAILED,
        severity=severity,
        description=f"{share:.1%} of what the night needs failed: {found.metadata[FAILURES].value}",
        metadata={"failed share": share},
    )


def _materialization(
    context: AssetCheckExecutionContext, key: AssetKey
) -> AssetMaterialization | None:
    """Of this run: another one may have materialized the asset since."""
    kind = DagsterEventType.ASSET_MATERIALIZATION
    logged = context.instance.all_logs(context.run.run_id, of_type=kind)
    events = [each for each in logged if each.asset_materialization]
    latest = context.instance.get_latest_materialization_event(key)
    for event in [*reversed(events), *([latest] if latest else [])]:
        found = event.asset_materialization
        if found and found.asset_key == key:
            return found
    return None


def coverage_result(coverage: Sequence[Coverage], what: str) -> AssetCheckResult:
    """The worst session decides."""
    worst = min(coverage, key=lambda found: found.share, default=None)
    if worst is None:
        return AssetCheckResult(
            passed=False, severity=AssetCheckSeverity.WARN, description="there is no session yet"
        )
    return AssetCheckResult(
        passed=worst.share >= WARNS_BELOW,
        severity=AssetCheckSeverity.ERROR
        if worst.share < LEAST_COVERAGE
        else AssetCheckSeverity.WARN,
        description=(
            f"{worst.session}: {worst.found} of {worst.expected} symbols {what} ({worst.share:.1%})"
        ),
        metadata={"worst share": worst.share, "sessions": len(coverage)},
    )
