"""Daily prices of the universe."""

import time

from dagster import AssetExecutionContext, MaterializeResult, asset

from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN
from sigmasight_assets.resources import Platform


@asset(
    deps=["symbol_universe"],
    partitions_def=SESSIONS,
    backfill_policy=SINGLE_RUN,
    group_name="symbols",
    owners=["team:risk"],
    kinds={"postgres", "table"},
    code_version="1",
    description=(
        "Split-adjusted and total-return daily bars, from 280 sessions before the session on. "
        "Bad bars are refused with a reason, suspicious ones kept and listed in price_warnings. "
        "Methodology, section 1."
    ),
)
def market_data_cache(
    context: AssetExecutionContext, platform: Platform
) -> MaterializeResult[None]:
    """Ask the price source for what is missing and store it."""
    started = time.perf_counter()
    days = platform.completed(context.partition_keys)
    database = platform.database()
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, days, context.run.run_id)
    )
    source = platform.price_source()
    report = refresh_prices(database, source, claim, days[0], days[-1])
    for day in days:
        count = report.stored_rows.get(day, 0)
        context.add_asset_metadata({"dagster/row_count": count}, partition_key=day.isoformat())
    return MaterializeResult(
        metadata={
            "source": source.name,
            "rows offered": report.offered_rows,
            "rows changed": report.changed_rows,
            "rows rejected": report.rejected_rows,
            "price warnings": report.warnings,
            "seconds": round(time.perf_counter() - started, 3),
            **{f"symbols {outcome}": count for outcome, count in report.outcomes.items()},
        }
    )
