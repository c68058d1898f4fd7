"""The jobs of a night. In-process: a process per step costs more than most steps."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job, in_process_executor

from sigmasight_assets.assets.symbol_layer import COMPANY_SYNC

symbol_batch = define_asset_job(
    "symbol_batch",
    selection=AssetSelection.groups("symbols"),
    executor_def=in_process_executor,
    description="Prices in, symbol-layer tables out; the same work whatever the number of users.",
)

portfolio_refresh = define_asset_job(
    "portfolio_refresh",
    selection=AssetSelection.groups("portfolios"),
    executor_def=in_process_executor,
    description="Snapshots, exposures, correlations and stress tests of every portfolio.",
)

company_sync = define_asset_job(
    COMPANY_SYNC,
    selection=AssetSelection.groups("companies")
    | AssetSelection.assets(
        "symbol_factor_exposures", "symbol_daily_metrics", "factor_covariances"
    ),
    executor_def=in_process_executor,
    description=(
        "Profiles and statements that are due, then the latest session once more, so that its "
        "rows bear tonight's profiles."
    ),
)
