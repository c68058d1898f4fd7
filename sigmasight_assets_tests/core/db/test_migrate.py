"""The tables come and go whole, and are what the code says they are."""

from __future__ import annotations

import threading
from pathlib import Path
from shutil import copytree

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, text

from sigmasight_assets.core.db import migrate
from sigmasight_assets.core.db.checksums import table_checksums
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.migrate import (
    current_revision,
    downgrade,
    head_revision,
    upgrade,
)
from sigmasight_assets.core.db.tables import metadata
from sigmasight_assets.core.errors import DatabaseUnavailable
from sigmasight_assets.core.nightly.reference import seed_reference
from sigmasight_assets_tests.builders import add_portfolio, lot
from sigmasight_assets_tests.core.db.broken_connections import terminate

# Whatever a person could find in our schema: tables, views, sequences, indexes; functions; types.
OBJECTS = """
    SELECT relkind::text, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'domain', typname FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e')
    UNION ALL
    SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY 1, 2
"""
HEAD = "0005"
VERSION_TABLE = [("i", "alembic_version_pkc"), ("r", "alembic_version")]


@pytest.fixture
def database(empty_database: Database) -> Database:
    """A database of the test's own: what it does to the tables disturbs nobody."""
    upgrade(empty_database)
    seed_reference(empty_database)
    return empty_database


def objects(database: Database) -> list[tuple[str, str]]:
    with database.connection() as connection:
        return connection.execute(OBJECTS).fetchall()


def test_up_down_to_nothing_and_up_again(empty_database: Database) -> None:
    assert objects(empty_database) == []
    assert current_revision(empty_database) is None
    upgrade(empty_database)
    whole = objects(empty_database)
    assert current_revision(empty_database) == head_revision() == HEAD
    assert {name for kind, name in whole if kind == "r"} == {
        *metadata.tables,
        "alembic_version",
    }
    downgrade(empty_database)
    assert objects(empty_database) == VERSION_TABLE
    assert current_revision(empty_database) is None
    upgrade(empty_database)
    assert objects(empty_database) == whole


def test_the_database_is_what_the_tables_say(database: Database) -> None:
    with database.engine().connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        for table in metadata.sorted_tables:
            stored = connection.execute(
                text(
                    "SELECT conname FROM pg_constraint WHERE contype = 'c' "
                    "AND conrelid = CAST(:name AS regclass)"
                ),
                {"name": table.name},
            )
            stated = [c.name for c in table.constraints if isinstance(c, CheckConstraint)]
            assert {name for (name,) in stored} == {
                str(name) if f"{name}".endswith("_check") else f"{table.name}_{name}_check"
                for name in stated
            }


def test_twice_is_once(database: Database) -> None:
    before = objects(database)
    upgrade(database)
    assert objects(database) == before


def test_two_processes_at_once_make_the_tables_once(empty_database: Database) -> None:
    failures: list[BaseException] = []

    def migrating() -> None:
        try:
            upgrade(empty_database)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=migrating) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert current_revision(empty_database) == head_revision()


def test_a_database_with_data_keeps_it(database: Database) -> None:
    add_portfolio(database, lot("AAPL", "1", "2", "2025-07-01"), inception="2025-07-01")
    before = table_checksums(database)
    downgrade(database, "0001")
    upgrade(database)
    seed_reference(database)
    assert table_checksums(database) == before


@pytest.mark.parametrize("table", ["users", "market_risk_scenarios"])
def test_a_migration_killed_half_way_leaves_nothing(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    create = op.create_table

    def killed(name: str, *columns: object, **options: object) -> object:
        if name == table:
            pid = op.get_bind().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            terminate(empty_database.url, pid)
        return create(name, *columns, **options)

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", killed)
        with pytest.raises(DatabaseUnavailable, match="cannot be migrated"):
            upgrade(empty_database)
    assert objects(empty_database) == []
    upgrade(empty_database)
    assert current_revision(empty_database) == head_revision()


def test_a_failure_of_the_second_revision_takes_the_first_back(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = op.execute

    def failing(statement: object, *rest: object) -> None:
        if "CREATE TRIGGER equity_changes_delete" in str(statement):
            raise RuntimeError("killed")
        execute(statement, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(op, "execute", failing)
        with pytest.raises(RuntimeError):
            upgrade(empty_database)
    assert objects(empty_database) == []


def test_scripts_are_found_in_a_folder_with_a_percent_sign(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "100% ours"
    copytree(migrate.SCRIPTS, elsewhere)
    monkeypatch.setattr(migrate, "SCRIPTS", elsewhere)
    assert head_revision() == HEAD
