"""Company profiles and fundamentals: what the provider says today of those it knows.

They follow the night rather than precede it: a provider in trouble must not hold up the factors.
The latest session's copies of them are made by computing that session once more.
"""

import time
from typing import Final

from dagster import AssetExecutionContext, MaterializeResult, asset

from sigmasight_assets.core import sessions
from sigmasight_assets.core.market.companies import CompanySource
from sigmasight_assets.core.nightly.companies import (
    CompanyReport,
    refresh_fundamentals,
    refresh_profiles,
)
from sigmasight_assets.metadata import failures_table
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN
from sigmasight_assets.resources import Platform

NOT_ASKED: Final = (
    "no source of companies is configured, or the run's last session is not the latest"
)


@asset(
    deps=["symbol_universe"],
    partitions_def=SESSIONS,
    backfill_policy=SINGLE_RUN,
    group_name="companies",
    owners=["team:risk"],
    kinds={"postgres", "table"},
    code_version="1",
    pool="yfinance",
    description=(
        "Name, sector, valuation, analysts' targets and estimates of every symbol, asked for anew "
        "after 7 days, held symbols first. On the latest session only. Methodology, section 3."
    ),
)
def company_profiles(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    """Ask for the profiles that are due."""
    started = time.perf_counter()
    source = _source_of_today(context, platform)
    if source is None:
        return MaterializeResult(metadata={"asked": 0, "why": NOT_ASKED})
    most = platform.settings().profiles_per_night
    report = refresh_profiles(platform.database(), source, platform.now(), most)
    return _result(report, started)


@asset(
    deps=["company_profiles"],
    partitions_def=SESSIONS,
    backfill_policy=SINGLE_RUN,
    group_name="companies",
    owners=["team:risk"],
    kinds={"postgres", "table"},
    code_version="1",
    pool="yfinance",
    description=(
        "Income statements, balance sheets and cash flows, quarterly and annual, of companies "
        "that reported three days ago or more, or whose are missing. Methodology, section 11."
    ),
)
def fundamentals(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    """Ask for the statements that are due."""
    started = time.perf_counter()
    source = _source_of_today(context, platform)
    if source is None:
        return MaterializeResult(metadata={"asked": 0, "why": NOT_ASKED})
    most = platform.settings().fundamentals_per_night
    report = refresh_fundamentals(platform.database(), source, platform.now(), most)
    return _result(report, started)


def _source_of_today(context: AssetExecutionContext, platform: Platform) -> CompanySource | None:
    """The source, if the run ends with the latest session: profiles are of today only."""
    days = platform.completed(context.partition_keys)
    is_latest = days[-1] == sessions.latest_completed(platform.now())
    return platform.company_source() if is_latest else None


def _result(report: CompanyReport, started: float) -> MaterializeResult[None]:
    return MaterializeResult(
        metadata={
            "due": report.due,
            "asked": sum(report.outcomes.values()),
            "seconds": round(time.perf_counter() - started, 3),
            **{f"symbols {outcome}": count for outcome, count in report.outcomes.items()},
            "failures": failures_table(report.failures),
        }
    )
