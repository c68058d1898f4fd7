"""Company profiles and fundamentals: what the provider says today of those it knows.

They follow the night rather than precede it: a provider in trouble must not hold up the factors.
The latest session's copies of them are made by computing that session once more.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from dagster import AssetExecutionContext, MaterializeResult

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.market.companies import CompanySource
from sigmasight_assets.core.nightly.companies import (
    CompanyReport,
    refresh_fundamentals,
    refresh_profiles,
)
from sigmasight_assets.metadata import failures_table, table_asset
from sigmasight_assets.pools import YAHOO
from sigmasight_assets.resources import Platform

Refresh = Callable[[Database, CompanySource, datetime, int], CompanyReport]

NOT_ASKED: Final = (
    "no source of companies is configured, or the run's last session is not the latest"
)


@table_asset(
    deps=["symbol_universe"],
    group="companies",
    pool=YAHOO,
    description=(
        "Name, sector, valuation, analysts' targets and estimates of every symbol, asked for anew "
        "after 7 days, held symbols first. On the latest session only. Methodology, section 3."
    ),
)
def company_profiles(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    """Ask for the profiles that are due."""
    return _refreshed(context, platform, refresh_profiles, platform.settings().profiles_per_night)


@table_asset(
    deps=["company_profiles"],
    group="companies",
    pool=YAHOO,
    description=(
        "Income statements, balance sheets and cash flows, quarterly and annual, of companies "
        "that reported three days ago or more, or whose are missing. Methodology, section 11."
    ),
)
def fundamentals(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    """Ask for the statements that are due."""
    return _refreshed(
        context, platform, refresh_fundamentals, platform.settings().fundamentals_per_night
    )


def _refreshed(
    context: AssetExecutionContext, platform: Platform, refresh: Refresh, most: int
) -> MaterializeResult[None]:
    """Ask for what is due, if the run ends with the latest session: companies are of today."""
    started = time.perf_counter()
    days = platform.completed(context.partition_keys)
    is_latest = days[-1] == sessions.latest_completed(platform.now())
    source = platform.company_source() if is_latest else None
    if source is None:
        return MaterializeResult(metadata={"asked": 0, "why": NOT_ASKED})
    report = refresh(platform.database(), source, platform.now(), most)
    return MaterializeResult(
        metadata={
            "due": report.due,
            "asked": sum(report.outcomes.values()),
            "seconds": round(time.perf_counter() - started, 3),
            **{f"symbols {outcome}": count for outcome, count in report.outcomes.items()},
            "failures": failures_table(report.failures),
        }
    )
