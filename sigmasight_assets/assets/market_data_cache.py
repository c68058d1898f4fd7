"""Daily prices of the universe: shares and funds, and the option contracts that are held.

Two assets over one table: they have different sources, each with its own budget of requests and
its own pool, and the factors of the night need not wait for contracts.
"""

import time
from typing import Final

from dagster import AssetExecutionContext, MaterializeResult

from sigmasight_assets.core.db.epochs import Layer, claim_sessions
from sigmasight_assets.core.nightly.prices import refresh_prices
from sigmasight_assets.core.symbols import InvestmentClass
from sigmasight_assets.metadata import results_table, table_asset
from sigmasight_assets.pools import POLYGON, YAHOO
from sigmasight_assets.resources import Platform

FAILED_SHARE: Final = "share of symbols failed"
FAILURES: Final = "failures"


@table_asset(
    deps=["symbol_universe"],
    group="symbols",
    pool=YAHOO,
    description=(
        "Split-adjusted and total-return daily bars, from 280 sessions before the session on. "
        "Bad bars are refused with a reason, suspicious ones kept and listed in price_warnings. "
        "Methodology, section 1."
    ),
)
def market_data_cache(
    context: AssetExecutionContext, platform: Platform
) -> MaterializeResult[None]:
    """Ask the price sources for what is missing and store it."""
    return _refreshed(context, platform, InvestmentClass.PUBLIC)


@table_asset(
    deps=["symbol_universe"],
    group="symbols",
    pool=POLYGON,
    description=(
        "Daily bars of the option contracts that positions hold, in market_data_cache. A contract "
        "that did not trade keeps its last mark. Methodology, section 2."
    ),
)
def option_prices(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    """Ask for the bars of live contracts, one request each."""
    return _refreshed(context, platform, InvestmentClass.OPTIONS)


def _refreshed(
    context: AssetExecutionContext,
    platform: Platform,
    investment_class: InvestmentClass,
) -> MaterializeResult[None]:
    started = time.perf_counter()
    days = platform.completed(context.partition_keys)
    database = platform.database()
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, days, context.run.run_id)
    )
    sources = platform.price_sources()
    report = refresh_prices(
        database, sources, claim, days[0], days[-1], platform.now(), [investment_class]
    )
    for day in days:
        count = report.stored_rows.get(day, 0)
        context.add_asset_metadata({"dagster/row_count": count}, partition_key=day.isoformat())
    return MaterializeResult(
        metadata={
            "sources": " then ".join(each.name for each in sources.chain(investment_class)),
            "rows offered": report.offered_rows,
            "rows changed": report.changed_rows,
            "rows rejected": report.rejected_rows,
            "windows fetched again": report.restated,
            "price warnings": report.warnings,
            "seconds": round(time.perf_counter() - started, 3),
            **{f"symbols {result}": count for result, count in report.counts().items()},
            FAILURES: report.failures() or "none",
            FAILED_SHARE: round(report.failed_share(), 4),
            "results": results_table(report.results),
        },
    )
