"""Assets alone and together, for a session and for a range: what is written and what is said."""

from __future__ import annotations

from dagster import DagsterRunStatus

from sigmasight_assets.core.nightly import portfolios, symbols
from sigmasight_assets_tests.assets.instances import (
    ALL_ASSETS,
    RANGE,
    SYMBOL_ASSETS,
    Stage,
    result_checksums,
)
from sigmasight_assets_tests.builders import day

LATEST = RANGE[-1]


def test_each_partition_of_a_range_says_its_own_row_counts_and_duration(ran: Stage) -> None:
    tables = {**symbols.ASSET_TABLES, **portfolios.ASSET_TABLES}
    for session in RANGE:
        recorded = dict(
            ran.ask("SELECT table_name, row_count FROM written_slices WHERE session = %s", session)
        )
        for asset, names in tables.items():
            said = ran.metadata(asset, session)
            assert said["dagster/row_count"] == sum(recorded[name] for name in names)
            assert all(said[f"rows {name}"] == recorded[name] for name in names)
            assert 0 < said["seconds"] < 60
        found = dict(
            ran.ask(
                "SELECT u.investment_class, count(*) FROM market_data_cache m "
                "JOIN symbol_universe u USING (symbol) WHERE m.date = %s GROUP BY 1",
                session,
            )
        )
        assert ran.metadata("market_data_cache", session)["dagster/row_count"] == found["PUBLIC"]
        assert ran.metadata("option_prices", session)["dagster/row_count"] == found["OPTIONS"]
    for asset in SYMBOL_ASSETS[:2]:
        assert ran.metadata(asset, LATEST)["seconds"] > 0
    assert ran.metadata("symbol_universe", LATEST)["dagster/row_count"] == 14


def test_one_asset_of_a_layer_alone_writes_its_own_tables_and_publishes_with_the_last(
    stage: Stage,
) -> None:
    for asset in SYMBOL_ASSETS:
        assert stage.published("symbols") == []
        stage.materialize([asset], LATEST)
        assert stage.materialized(asset) == [LATEST]
        assert stage.metadata(asset, LATEST)["seconds"] > 0
    assert stage.published("symbols") == [LATEST]
    written = stage.ask("SELECT table_name, epoch FROM written_slices ORDER BY 1")
    assert [table for table, _ in written] == sorted(
        table for tables in symbols.ASSET_TABLES.values() for table in tables
    )
    # Each run claims the session anew, market_data_cache's first.
    assert dict(written)["symbol_factor_exposures"] == 2
    assert dict(written)["factor_covariances"] == 4


def test_one_asset_of_a_layer_alone_for_a_range_gives_the_same_rows(
    ran: Stage, checksums: dict[str, str]
) -> None:
    for asset, table in (
        ("symbol_daily_metrics", "symbol_daily_metrics"),
        ("correlations", "correlation_calculations"),
    ):
        before = ran.ask("SELECT data_version FROM published_sessions ORDER BY layer, session")
        ran.tell(f"DELETE FROM {table}")
        run_id = ran.materialize([asset], RANGE[2], RANGE[-1])
        assert ran.status(run_id) is DagsterRunStatus.SUCCESS
        after = ran.ask("SELECT data_version FROM published_sessions ORDER BY layer, session")
        assert sum(old != new for old, new in zip(before, after, strict=True)) == len(RANGE) - 2
        ran.materialize([asset], RANGE[0], RANGE[1])
    assert result_checksums(ran) == checksums


def test_an_unfinished_session_is_refused_with_the_time_at_which_it_is_there(
    stage: Stage,
) -> None:
    monday = day("2026-03-16")
    for assets in (["symbol_universe"], ["market_data_cache"], SYMBOL_ASSETS[2:], ALL_ASSETS[5:]):
        refused = stage.materialize(assets, monday)
        assert stage.status(refused) is DagsterRunStatus.FAILURE
        assert (
            "session 2026-03-16 is not complete: it is available after 2026-03-16T20:00:00+00:00"
            in stage.failure(refused)
        )
    # A range that ends in one is refused whole, before anything is written.
    refused = stage.materialize(ALL_ASSETS, LATEST, monday)
    assert "session 2026-03-16 is not complete" in stage.failure(refused)
    assert stage.ask("SELECT * FROM symbol_universe") == []
    assert all(stage.materialized(asset) == [] for asset in ALL_ASSETS)


def test_the_progress_of_the_calculations_is_in_the_log_of_the_run(stage: Stage) -> None:
    run_id = stage.materialize(SYMBOL_ASSETS, LATEST)
    entries = stage.instance.all_logs(run_id)
    said = [entry.user_message for entry in entries if not entry.is_dagster_event]
    assert any(message.startswith("prices 1/") for message in said)
    assert any(message.startswith(f"symbols {LATEST}: 104 rows") for message in said)
