"""Which symbols the night needs."""

import time

from dagster import AssetExecutionContext, MaterializeResult

from sigmasight_assets.core.db.write.universe import gather_universe
from sigmasight_assets.metadata import table_asset
from sigmasight_assets.pools import YAHOO
from sigmasight_assets.resources import Platform


@table_asset(
    deps=[],
    # With the root asset in it a second batch waits in the queue, not in a place of a run.
    pool=YAHOO,
    group="symbols",
    description=(
        "Every symbol that the session needs: held symbols, underlyings and contracts of options, "
        "factor proxies, benchmarks, and whatever is active already. Methodology, section 2."
    ),
)
def symbol_universe(context: AssetExecutionContext, platform: Platform) -> MaterializeResult[None]:
    """Bring the symbols in and mark them as seen."""
    started = time.perf_counter()
    days = platform.completed(context.partition_keys)
    counts = gather_universe(platform.database(), days[0], days[-1])
    return MaterializeResult(
        metadata={
            "dagster/row_count": sum(counts.values()),
            "seconds": round(time.perf_counter() - started, 3),
            **{f"symbols {kind}": count for kind, count in counts.items()},
        }
    )
