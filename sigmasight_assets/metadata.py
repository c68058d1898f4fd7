"""How the assets of a layer look in the UI, and what each partition says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableMetadataValue,
    TableRecord,
    TableSchema,
    asset,
)

from sigmasight_assets.core.db.read.quality import PriceWarning
from sigmasight_assets.core.db.read.refresh_failures import SessionFailures
from sigmasight_assets.core.db.write.failures import BatchFailure
from sigmasight_assets.core.nightly.price_results import FAILURES, SymbolResult
from sigmasight_assets.partitions import SESSIONS, SINGLE_RUN

MOST_TABLE_ROWS: Final = 200

Figures = Mapping[str, int | float | str | MetadataValue[Any]]
"""What is said of a partition, by name. Ints and finite floats are drawn over partitions.

A figure that is not known is left out: the UI has no NaN.
"""


def layer_spec(key: str, *, group: str, deps: Sequence[str], description: str) -> AssetSpec:
    """The spec of a calculated table."""
    return AssetSpec(
        key,
        deps=deps,
        description=description,
        group_name=group,
        owners=["team:risk"],
        kinds={"postgres", "numpy"},
        code_version="1",
        skippable=True,
    )


def table_asset(
    *, group: str, deps: Sequence[str], description: str, pool: str | None = None
) -> Callable[[Callable[..., Any]], AssetsDefinition]:
    """An asset that fills a table from outside, one run for any range of sessions.

    pool: the source it asks, which one step asks at a time.
    """
    return asset(
        deps=deps,
        description=description,
        group_name=group,
        owners=["team:risk"],
        kinds={"postgres", "table"},
        code_version="1",
        partitions_def=SESSIONS,
        backfill_policy=SINGLE_RUN,
        pool=pool,
    )


@dataclass(frozen=True)
class Finished:
    """A session of a layer whose rows are committed.

    rows: by table; None where a session was replaced in part. figures: what every asset says of
    it. figures_of: what one asset says besides, by asset. charts: by asset, made for the last
    session of a run alone, for they are large.
    """

    session: date
    rows: Mapping[str, int] | None
    figures: Figures
    figures_of: Mapping[str, Figures] = field(default_factory=dict)
    charts: Mapping[str, Callable[[], Figures]] = field(default_factory=dict)

    def metadata(self, asset: str, tables: Sequence[str], with_charts: bool) -> Figures:
        """What the partition of an asset that fills these tables says."""
        counts = {} if self.rows is None else {table: self.rows[table] for table in tables}
        charts = self.charts[asset]() if with_charts and asset in self.charts else {}
        return {
            **({} if self.rows is None else {"dagster/row_count": sum(counts.values())}),
            **{f"rows {table}": count for table, count in counts.items()},
            **self.figures,
            **self.figures_of.get(asset, {}),
            **charts,
        }


def materialized(
    context: AssetExecutionContext,
    asset_tables: Mapping[str, Sequence[str]],
    days: Sequence[date],
    sessions: Iterable[Finished],
) -> Iterator[MaterializeResult[None]]:
    """One materialization per selected asset, in the layer's order, upstream first.

    Dagster makes an event of it for each partition of the run, `days`. When a session fails or
    is withheld, the others are committed all the same, and each gets an event of its own.
    """
    selected = {key.path[-1] for key in context.selected_asset_keys}
    chosen = {asset: tables for asset, tables in asset_tables.items() if asset in selected}
    committed: list[Finished] = []
    try:
        for done in sessions:
            committed.append(done)
    except BaseException:
        _record(context, chosen, committed, with_charts=False)
        raise
    if {done.session for done in committed} != set(days):
        _record(context, chosen, committed, with_charts=True)
        return
    for name, tables in chosen.items():
        for done in committed:
            context.add_asset_metadata(
                done.metadata(name, tables, done is committed[-1]),
                asset_key=name,
                partition_key=done.session.isoformat(),
            )
        yield MaterializeResult(asset_key=name)


def _record(
    context: AssetExecutionContext,
    asset_tables: Mapping[str, Sequence[str]],
    committed: Sequence[Finished],
    with_charts: bool,
) -> None:
    """An event for each session that is in place, of a run that does not have them all.

    with_charts: not for a run that was told to end, which should.
    """
    for name, tables in asset_tables.items():
        for done in committed:
            said = done.metadata(name, tables, with_charts and done is committed[-1])
            context.log_event(
                AssetMaterialization(name, partition=done.session.isoformat(), metadata=said)
            )


def results_table(results: Sequence[SymbolResult]) -> TableMetadataValue:
    """What became of symbols, failures first; the rest is counted elsewhere."""
    order = sorted(results, key=lambda each: (each.result not in FAILURES, each.symbol))
    rows = [(each.symbol, str(each.result), each.source, each.reason) for each in order]
    return short_table(("symbol", "result", "source", "reason"), rows)


def warnings_table(warnings: Sequence[PriceWarning]) -> TableMetadataValue:
    """Suspicious prices; the first of them, if they are many."""
    rows = [(w.symbol, str(w.session), w.warning_type, f"{w.value:.6g}") for w in warnings]
    return short_table(("symbol", "session", "warning", "value"), rows)


def failures_table(failures: Sequence[BatchFailure]) -> TableMetadataValue:
    """What could not be done; the first of it, if it is much."""
    rows = [(each.item, str(each.reason), each.detail) for each in failures]
    return short_table(("item", "reason", "detail"), rows)


def session_failures_table(found: Sequence[SessionFailures]) -> TableMetadataValue:
    """The portfolios that failed on each session; the first of them, if they are many."""
    rows = [
        (str(each.session), failure.item, failure.reason, failure.detail)
        for each in found
        for failure in each.failures
    ]
    return short_table(("session", "portfolio", "reason", "detail"), rows)


def short_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> TableMetadataValue:
    """Rows of texts under column names; the first of them, if they are many."""
    records = [TableRecord(dict(zip(names, row, strict=True))) for row in rows[:MOST_TABLE_ROWS]]
    schema = TableSchema(columns=[TableColumn(name) for name in names])
    return MetadataValue.table(records=records, schema=schema)
