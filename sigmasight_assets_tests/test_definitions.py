"""What the code location holds, written down: a change of it is a decision, made here too."""

from __future__ import annotations

from dagster import (
    AssetKey,
    AssetSpec,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    TimeWindowPartitionsDefinition,
)

from sigmasight_assets.core.db.epochs import LAYER_TABLES, Layer
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.nightly import portfolio_sessions, symbols
from sigmasight_assets.definitions import build_defs, defs
from sigmasight_assets.pools import POOLS

REPOSITORY = defs.get_repository_def()
GRAPH = REPOSITORY.asset_graph

# asset -> group, kinds, what it reads
ASSETS = {
    "symbol_universe": ("symbols", "postgres table", ""),
    "market_data_cache": ("symbols", "postgres table", "symbol_universe"),
    "option_prices": ("symbols", "postgres table", "symbol_universe"),
    "symbol_factor_exposures": (
        "symbols",
        "numpy postgres",
        "company_profiles market_data_cache",
    ),
    "symbol_daily_metrics": ("symbols", "numpy postgres", "company_profiles market_data_cache"),
    "factor_covariances": ("symbols", "numpy postgres", "market_data_cache"),
    "company_profiles": ("companies", "postgres table", "symbol_universe"),
    "fundamentals": ("companies", "postgres table", "company_profiles"),
    "portfolio_snapshots": (
        "portfolios",
        "numpy postgres",
        "market_data_cache option_prices symbol_factor_exposures",
    ),
    "factor_exposures": (
        "portfolios",
        "numpy postgres",
        "portfolio_snapshots symbol_factor_exposures",
    ),
    "correlations": ("portfolios", "numpy postgres", "market_data_cache portfolio_snapshots"),
    "stress_test_results": ("portfolios", "numpy postgres", "factor_covariances factor_exposures"),
    "reconciliation_exceptions": ("portfolios", "numpy postgres", "portfolio_snapshots"),
}

# check -> asset, whether it stops what is downstream
CHECKS = {
    "price_coverage": ("market_data_cache", True),
    "price_staleness": ("market_data_cache", False),
    "price_warnings": ("market_data_cache", False),
    "failed_symbols": ("market_data_cache", False),
    "failed_contracts": ("option_prices", False),
    "beta_coverage": ("symbol_factor_exposures", False),
    "nav_identity": ("portfolio_snapshots", False),
    "portfolios_refreshed": ("portfolio_snapshots", False),
    "reconciled": ("reconciliation_exceptions", False),
    "refreshed_within_an_hour": ("portfolio_snapshots", False),
    "stress_sanity": ("stress_test_results", False),
}

JOBS = {"symbol_batch": "symbols", "portfolio_refresh": "portfolios"}


def test_the_assets_their_groups_kinds_and_dependencies() -> None:
    found = {
        key.to_user_string(): (
            spec.group_name,
            " ".join(sorted(spec.kinds)),
            " ".join(sorted(dep.asset_key.to_user_string() for dep in spec.deps)),
        )
        for key, spec in specs().items()
    }
    assert found == ASSETS


def test_every_asset_has_an_owner_a_code_version_and_a_description_with_its_formula() -> None:
    for key, spec in specs().items():
        assert spec.owners == ["team:risk"], key
        assert spec.code_version == "1", key
        assert "Methodology, section" in (spec.description or ""), key


def test_every_asset_has_the_same_sessions_and_is_one_run_for_a_range_of_them() -> None:
    for key in specs():
        node = GRAPH.get(key)
        sessions = node.partitions_def
        assert isinstance(sessions, TimeWindowPartitionsDefinition)
        assert sessions == GRAPH.get(AssetKey("symbol_universe")).partitions_def
        assert sessions.get_first_partition_key() == "2024-01-02"
        assert (sessions.cron_schedule, sessions.timezone) == ("0 0 * * 1-5", "America/New_York")
        assert node.backfill_policy is not None
        assert node.backfill_policy.max_partitions_per_run is None, key


def test_the_checks_their_assets_and_which_of_them_stops_the_night() -> None:
    found = {
        key.name: (key.asset_key.to_user_string(), GRAPH.get(key).blocking)
        for key in GRAPH.asset_check_keys
    }
    assert found == CHECKS
    for key in GRAPH.asset_check_keys:
        assert GRAPH.get(key).description, key


def test_each_job_runs_one_group_with_its_checks_in_one_process() -> None:
    layers = {"symbols": {"symbol_layer"}, "portfolios": {"portfolio_layer", "reconciliation"}}
    for name, group in JOBS.items():
        job = REPOSITORY.get_job(name)
        assets = {asset for asset, (found, _, _) in ASSETS.items() if found == group}
        assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == assets
        steps = {"symbol_universe", "market_data_cache", "option_prices"} & assets | layers[group]
        steps |= {f"{asset}_{check}" for check, (asset, _) in CHECKS.items() if asset in assets}
        assert set(job.graph.node_names()) == steps
        assert job.executor_def.name == "in_process"
    named = {job.name for job in REPOSITORY.get_all_jobs() if not job.name.startswith("__")}
    assert named == {*JOBS, "company_sync"}


def test_companies_are_asked_for_after_the_night_and_copied_by_computing_it_once_more() -> None:
    job = REPOSITORY.get_job("company_sync")
    found = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
    assert found == {
        "company_profiles",
        "fundamentals",
        "symbol_factor_exposures",
        "symbol_daily_metrics",
        "factor_covariances",
    }
    assert job.executor_def.name == "in_process"


def test_a_price_source_has_one_pool_whoever_asks_it() -> None:
    pools = {
        definition.keys_by_output_name["result"].to_user_string(): definition.node_def.pool
        for definition in REPOSITORY.assets_defs_by_key.values()
        if definition.node_def.pool
    }
    assert pools == {
        "symbol_universe": "yfinance",
        "market_data_cache": "yfinance",
        "option_prices": "polygon",
        "company_profiles": "yfinance",
        "fundamentals": "yfinance",
    }
    assert set(pools.values()) == set(POOLS)


def test_the_schedule_runs_on_weekday_evenings_of_new_york_and_is_on() -> None:
    (schedule,) = REPOSITORY.schedule_defs
    assert schedule.name == "nightly_schedule"
    assert schedule.job_name == "symbol_batch"
    assert schedule.cron_schedule == "0 21 * * 1-5"
    assert schedule.execution_timezone == "America/New_York"
    assert schedule.default_status is DefaultScheduleStatus.RUNNING


def test_the_sensors_are_on_and_start_the_refresh_or_nothing() -> None:
    found = {
        sensor.name: (
            [target.job_name for target in sensor.targets],
            sensor.minimum_interval_seconds,
            sensor.default_status,
        )
        for sensor in REPOSITORY.sensor_defs
    }
    running = DefaultSensorStatus.RUNNING
    assert found == {
        "portfolio_refresh_sensor": (["portfolio_refresh"], 15, running),
        "portfolio_refresh_overdue_sensor": ([], 300, running),
        "company_sync_sensor": (["company_sync"], 15, running),
        "stale_portfolios_sensor": (["portfolio_refresh"], 30, running),
    }


def test_the_assets_of_a_layer_fill_each_table_that_publishes_it_once() -> None:
    rooms_of_layers = ((Layer.SYMBOLS, symbols), (Layer.PORTFOLIOS, portfolio_sessions))
    for layer, rooms in rooms_of_layers:
        filled = [table for tables in rooms.ASSET_TABLES.values() for table in tables]
        assert sorted(filled) == sorted(LAYER_TABLES[layer])
        assert set(filled) <= set(metadata.tables)
        assert set(rooms.ASSET_TABLES) <= set(ASSETS)


def test_a_resource_can_be_replaced() -> None:
    assert build_defs({"platform": "another"}).resources == {"platform": "another"}
    assert set(defs.resources or {}) == {"platform"}


def specs() -> dict[AssetKey, AssetSpec]:
    """The spec of each asset."""
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}
