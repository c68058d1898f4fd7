"""The nightly reconciliation: after the portfolio layer, three accounts of its money compared."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final

from dagster import AssetExecutionContext, AssetSpec, MaterializeResult, multi_asset

from sigmasight_assets.core.db.epochs import Layer
from sigmasight_assets.core.db.read.published import published_since
from sigmasight_assets.core.db.write.reconciliation import ReconciliationException
from sigmasight_assets.core.nightly.reconciliation import ReconciledSession, reconcile
from sigmasight_assets.metadata import (
    Figures,
    Finished,
    layer_spec,
    materialized,
    short_table,
)
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN
from sigmasight_assets.resources import Platform

TABLE: Final = "reconciliation_exceptions"

SPEC: Final[AssetSpec] = layer_spec(
    TABLE,
    group="portfolios",
    deps=["portfolio_snapshots"],
    description=(
        "Money items on which the snapshot, positions x prices and what the service would answer "
        "differ by more than half a cent; there should be none. Methodology, section 4; "
        "formula: core/db/read/reconciliation_figures.py."
    ),
)


@multi_asset(
    name="reconciliation", specs=[SPEC], partitions_def=SESSIONS, backfill_policy=SINGLE_RUN
)
def reconciliation(
    context: AssetExecutionContext, platform: Platform
) -> Iterator[MaterializeResult[None]]:
    """Compare the sessions that the portfolio layer has published; the others are named."""
    days = platform.completed(context.partition_keys)
    together = sorted({*days, *_brought_up_to_date(context, platform)})
    compared = _finished(context, reconcile(platform.database(), together), days)
    yield from materialized(context, {TABLE: (TABLE,)}, days, compared)


def _brought_up_to_date(context: AssetExecutionContext, platform: Platform) -> list[date]:
    """Sessions that this run's refresh published besides its own."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if record is None or record.start_time is None:
        return []
    began = datetime.fromtimestamp(record.start_time, UTC)
    with platform.database().connection() as connection:
        return published_since(connection, Layer.PORTFOLIOS, began)


def _finished(
    context: AssetExecutionContext, reconciled: Iterable[ReconciledSession], days: Sequence[date]
) -> Iterator[Finished]:
    waiting = set(days)
    for done in reconciled:
        if done.session not in days:
            continue
        waiting.discard(done.session)
        figures: Figures = {
            "portfolios compared": done.portfolios,
            "left out, out of date": done.stale,
            "left out, failed": done.failed,
            "exceptions": len(done.exceptions),
            "seconds": round(done.seconds, 3),
            **_first_exceptions(done.exceptions),
        }
        yield Finished(done.session, {TABLE: len(done.exceptions)}, figures)
    if waiting:
        named = ", ".join(str(day) for day in sorted(waiting))
        context.log.warning(f"left out, their portfolios are not published: {named}")


def _first_exceptions(exceptions: Sequence[ReconciliationException]) -> Figures:
    if not exceptions:
        return {}
    rows = [(each.portfolio_id, each.item, each.detail) for each in exceptions]
    return {"first exceptions": short_table(("portfolio", "item", "detail"), rows)}
