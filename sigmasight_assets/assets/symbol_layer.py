"""The calculated tables of the symbol layer, written together: a reader never sees half of them.

One multi-asset rather than three assets, because a session of the layer is published by one
transaction. Any of its tables can still be materialized alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from dagster import AssetExecutionContext, AssetSpec, Failure, MaterializeResult, multi_asset

from sigmasight_assets.core import sessions
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.epochs import Layer, claim_sessions, claimed_by
from sigmasight_assets.core.nightly.symbols import (
    ASSET_TABLES,
    SymbolSession,
    WithheldSession,
    refresh_symbols,
)
from sigmasight_assets.metadata import Finished, layer_spec, materialized
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN
from sigmasight_assets.resources import Platform

COMPANY_SYNC: Final = "company_sync"
"""The job that computes the latest session once more, for the sake of its profiles alone."""

SPECS: list[AssetSpec] = [
    layer_spec(
        "symbol_factor_exposures",
        group="symbols",
        deps=["market_data_cache", "company_profiles"],
        description=(
            "Market, rate, style, spread and joint betas of every symbol, with their fit, sample "
            "and the reason where there are none. Methodology, section 3; "
            "formula: core/risk/symbol_factor_exposures.py."
        ),
    ),
    layer_spec(
        "symbol_daily_metrics",
        group="symbols",
        deps=["market_data_cache", "company_profiles"],
        description=(
            "Price, returns, realized volatility and data quality of every symbol. "
            "Methodology, section 3; formula: core/risk/symbol_daily_metrics.py."
        ),
    ),
    layer_spec(
        "factor_covariances",
        group="symbols",
        deps=["market_data_cache"],
        description=(
            "How the eight factor proxies move together (also factor_correlations and "
            "factor_market_slopes). Methodology, section 8; "
            "formula: core/risk/factor_covariances.py."
        ),
    ),
]


@multi_asset(
    name="symbol_layer",
    specs=SPECS,
    partitions_def=SESSIONS,
    backfill_policy=SINGLE_RUN,
    can_subset=True,
)
def symbol_layer(
    context: AssetExecutionContext, platform: Platform
) -> Iterator[MaterializeResult[None]]:
    """Read prices once, then compute and write session by session."""
    selected = {key.path[-1] for key in context.selected_asset_keys}
    days = platform.completed(context.partition_keys)
    database = platform.database()
    if context.job_name == COMPANY_SYNC and _is_under_way(context, database, days[-1]):
        context.log.info("a batch of the session is under way: it copies the profiles itself")
        return
    claim = database.transaction(
        lambda connection: claim_sessions(connection, Layer.SYMBOLS, days, context.run.run_id)
    )
    latest = sessions.latest_completed(platform.now())
    refreshed = refresh_symbols(database, claim, days, latest, selected)
    yield from materialized(context, ASSET_TABLES, days, _finished(refreshed, days))


def _is_under_way(context: AssetExecutionContext, database: Database, session: date) -> bool:
    """Whether another run is at work on the session, whose claim a new one would end."""
    with database.connection() as connection:
        run_id = claimed_by(connection, Layer.SYMBOLS, session)
    run = context.instance.get_run_by_id(run_id) if run_id else None
    return run is not None and not run.is_finished


def _finished(
    refreshed: Iterable[SymbolSession | WithheldSession], days: Sequence[date]
) -> Iterator[Finished]:
    """The sessions that were computed.

    Raises:
        Failure: if every one was withheld.
    """
    withheld: list[WithheldSession] = []
    for done in refreshed:
        if isinstance(done, WithheldSession):
            withheld.append(done)
        else:
            figures = {
                "seconds": round(done.seconds, 3),
                "market beta coverage": round(done.market_beta_coverage, 4),
            }
            yield Finished(done.session, done.rows, figures)
    if len(withheld) == len(days):
        raise Failure("; ".join(each.sentence() for each in withheld[:5]))
