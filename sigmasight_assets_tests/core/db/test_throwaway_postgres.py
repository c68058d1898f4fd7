"""The servers and databases that all other database tests stand on."""

from __future__ import annotations

import psycopg
import pytest

from sigmasight_assets_tests.core.db.embedded_servers import ask
from sigmasight_assets_tests.postgres import drop_database, fresh_database, throwaway_server


def test_fresh_databases_are_apart_may_copy_a_template_and_go_with_their_server() -> None:
    with throwaway_server() as server:
        first = fresh_database(server)
        ask(first, "CREATE TABLE lots AS SELECT 42 AS quantity")
        name = first.rsplit("/", 1)[1]
        empty, copy = fresh_database(server), fresh_database(server, template=name)
        assert all(url.endswith("_test") for url in (first, empty, copy))
        assert ask(empty, "SELECT to_regclass('lots')") == [(None,)]
        assert ask(copy, "SELECT quantity FROM lots") == [(42,)]
    with pytest.raises(psycopg.OperationalError):
        ask(first, "SELECT 1")


def test_a_database_is_dropped_under_its_users_and_only_if_it_is_a_test_database() -> None:
    with throwaway_server() as server:
        url = fresh_database(server)
        with psycopg.connect(url):
            drop_database(server, url)
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            ask(url, "SELECT 1")
        with pytest.raises(ValueError, match="postgres is no test database"):
            drop_database(server, server.database_url("postgres"))
