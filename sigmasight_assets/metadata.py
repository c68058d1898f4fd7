"""How the assets of a layer look in the UI, and what each partition says of itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

from dagster import AssetExecutionContext, AssetSpec, MaterializeResult


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


def session_metadata(
    context: AssetExecutionContext,
    asset_tables: Mapping[str, Sequence[str]],
    selected: Collection[str],
    session: date,
    rows: Mapping[str, int],
    figures: Mapping[str, float],
) -> None:
    """Attach a session's row counts and figures to its partition of each selected asset."""
    for asset in sorted(selected):
        counts = {table: rows[table] for table in asset_tables[asset]}
        context.add_asset_metadata(
            {
                "dagster/row_count": sum(counts.values()),
                **{f"rows {table}": count for table, count in counts.items()},
                **figures,
            },
            asset_key=asset,
            partition_key=session.isoformat(),
        )


def results(
    asset_tables: Mapping[str, Sequence[str]], selected: Collection[str]
) -> Iterator[MaterializeResult[None]]:
    """One materialization per selected asset, in the layer's order, upstream first.

    Dagster makes an event of it for each partition.
    """
    for asset in asset_tables:
        if asset in selected:
            yield MaterializeResult(asset_key=asset)
