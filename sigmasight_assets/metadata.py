"""How the assets of a layer look in the UI, and what each partition says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from dagster import AssetExecutionContext, AssetMaterialization, AssetSpec, MaterializeResult


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


@dataclass(frozen=True)
class Finished:
    """A session of a layer whose rows are committed: rows by table, figures by name."""

    session: date
    rows: Mapping[str, int]
    figures: Mapping[str, float]

    def metadata(self, tables: Sequence[str]) -> dict[str, float]:
        """What the partition of an asset that fills these tables says."""
        counts = {table: self.rows[table] for table in tables}
        return {
            "dagster/row_count": sum(counts.values()),
            **{f"rows {table}": count for table, count in counts.items()},
            **self.figures,
        }


def materialized(
    context: AssetExecutionContext,
    asset_tables: Mapping[str, Sequence[str]],
    sessions: Iterable[Finished],
) -> Iterator[MaterializeResult[None]]:
    """One materialization per selected asset, in the layer's order, upstream first.

    Dagster makes an event of it for each partition. When a session fails, those before it are
    committed all the same, and are recorded before the error goes on.
    """
    selected = {key.path[-1] for key in context.selected_asset_keys}
    chosen = {asset: tables for asset, tables in asset_tables.items() if asset in selected}
    committed: list[Finished] = []
    try:
        for done in sessions:
            committed.append(done)
    except BaseException:
        for asset, tables in chosen.items():
            for done in committed:
                context.log_event(
                    AssetMaterialization(
                        asset, partition=done.session.isoformat(), metadata=done.metadata(tables)
                    )
                )
        raise
    for asset, tables in chosen.items():
        for done in committed:
            context.add_asset_metadata(
                done.metadata(tables), asset_key=asset, partition_key=done.session.isoformat()
            )
        yield MaterializeResult(asset_key=asset)
