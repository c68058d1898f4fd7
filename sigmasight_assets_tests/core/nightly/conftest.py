"""A small market with the demo portfolios, loaded once and copied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sigmasight_assets.core.db.embedded import EmbeddedPostgres
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.write.accounts import add_accounts
from sigmasight_assets.core.demo.portfolios import demo_accounts
from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets_tests.builders import (
    add_flow,
    add_prices,
    alone,
    days,
    run_portfolios,
    run_symbols,
)
from sigmasight_assets_tests.postgres import drop_database, fresh_database

ON = days("2025-07-01", "2025-07-09")
"""The sessions of the tests' nights; the demo portfolios open on the first."""


def add_demo_accounts(database: Database) -> None:
    """The demo accounts, two of them with a capital flow."""
    accounts = demo_accounts(alone(SyntheticSource()), ON[0], ON[-1])
    add_accounts(database, accounts)
    add_flow(database, str(accounts[0].portfolio_id), "2025-07-03", "2500.50")
    add_flow(database, str(accounts[1].portfolio_id), "2025-07-05", "-1000")


@pytest.fixture(scope="session")
def market_url(server: EmbeddedPostgres, template: str) -> str:
    """A database with accounts, flows and prices, and nothing computed."""
    url = fresh_database(server, template=template)
    add_demo_accounts(Database(url))
    add_prices(Database(url), SyntheticSource(), ON[0].isoformat(), ON[-1].isoformat())
    return url


@pytest.fixture(scope="session")
def computed_url(server: EmbeddedPostgres, market_url: str) -> str:
    """The same after one undisturbed run of all sessions."""
    url = fresh_database(server, template=_name(market_url))
    run_symbols(Database(url), ON)
    run_portfolios(Database(url), ON)
    return url


@pytest.fixture
def market(server: EmbeddedPostgres, market_url: str) -> Iterator[Database]:
    """The market with nothing computed."""
    url = fresh_database(server, template=_name(market_url))
    yield Database(url)
    drop_database(server, url)


@pytest.fixture
def computed(server: EmbeddedPostgres, computed_url: str) -> Iterator[Database]:
    """The market after an undisturbed run of all sessions, to be changed by the test."""
    url = fresh_database(server, template=_name(computed_url))
    yield Database(url)
    drop_database(server, url)


@pytest.fixture
def undisturbed(computed_url: str) -> Database:
    """The market after an undisturbed run of all sessions, to be read only."""
    return Database(computed_url)


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
