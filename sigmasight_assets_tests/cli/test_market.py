"""`sigmasight up --source yfinance`, with Yahoo's servers replaced by one on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.builders import day
from sigmasight_assets_tests.cli.commands import Done, ask, remove, sigmasight
from sigmasight_assets_tests.market_servers.company_documents import EQUITY
from sigmasight_assets_tests.market_servers.loopback import LoopbackServer
from sigmasight_assets_tests.market_servers.yahoo import ChartServer
from sigmasight_assets_tests.market_servers.yahoo_companies import CompanyServer
from sigmasight_assets_tests.market_servers.yahoo_listing import Listing

ONCE = ("up", "--once", "--source", "yfinance", "--sessions", "2")


def listings() -> list[Listing]:
    """Every share and fund that the synthetic market has, as Yahoo would tell of it."""
    source = SyntheticSource()
    symbols = sorted({*source.listed_symbols(), *always_in_universe()})
    bars = source.fetch(symbols, day("2024-01-02"), day("2025-12-11")).bars
    return [
        Listing(name, bars.date[mine], bars.close[mine], bars.adj_close[mine])
        for number, name in enumerate(bars.symbols)
        if (mine := bars.symbol == number).any()
    ]


@pytest.fixture(scope="module")
def yahoo() -> Iterator[CompanyServer]:
    charts = ChartServer(listings())
    knows = CompanyServer(LoopbackServer())
    knows.server.routes += [knows.quote_summary, knows.timeseries, charts]
    knows.profiles["AAPL"] = json.loads(json.dumps(EQUITY).replace('"ORCH"', '"AAPL"'))
    knows.series["AAPL"] = {"annualTotalRevenue": [("2024-09-30", 391e9), ("2025-09-30", 416e9)]}
    with knows.server.running():
        yield knows


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory, yahoo: CompanyServer
) -> Iterator[tuple[Path, Done]]:
    """A home made from nothing on Yahoo's prices, without a key of Polygon."""
    home = tmp_path_factory.mktemp("market") / "home"
    yield home, up(home, yahoo)
    remove(home)


def up(home: Path, yahoo: CompanyServer) -> Done:
    return sigmasight(
        home,
        *ONCE,
        seconds=120,
        SIGMASIGHT_YAHOO_BASE_URL=yahoo.server.url,
        SIGMASIGHT_YAHOO_REQUESTS_PER_SECOND="900",
        POLYGON_API_KEY=None,
    )


def test_one_command_brings_real_prices_and_results(first: tuple[Path, Done]) -> None:
    home, done = first
    assert done.code == 0, done.err
    assert "2025-12-11" in done.out
    assert ask(home, "SELECT count(*) FROM published_sessions") == [(4,)]
    assert ask(home, "SELECT DISTINCT data_source FROM market_data_cache") == [("yfinance",)]
    ((priced,),) = ask(
        home, "SELECT count(*) FROM symbol_daily_metrics WHERE return_1y IS NOT NULL"
    )
    assert priced > 20


def test_contracts_without_a_key_are_reported_and_the_rest_goes_on(
    first: tuple[Path, Done],
) -> None:
    home, done = first
    assert "failed_contracts" in done.err
    reasons = ask(
        home,
        "SELECT DISTINCT reason, detail FROM batch_failure_log WHERE batch_type = 'option_prices'",
    )
    ((reason, detail),) = reasons
    assert reason == "no_source"
    assert "POLYGON_API_KEY" in detail


def test_profiles_and_statements_follow_and_are_copied_into_the_latest_session(
    first: tuple[Path, Done],
) -> None:
    home, _ = first
    copied = ask(
        home,
        "SELECT m.metrics_date, m.company_name, m.market_cap, e.provider_beta "
        "FROM symbol_daily_metrics m JOIN symbol_factor_exposures e "
        "ON e.symbol = m.symbol AND e.calculation_date = m.metrics_date "
        "JOIN company_profiles p ON p.symbol = m.symbol AND p.company_name = m.company_name "
        "AND p.market_cap = m.market_cap AND p.beta = e.provider_beta WHERE m.symbol = 'AAPL'",
    )
    assert [row[0] for row in copied] == [day("2025-12-11")]
    ((statements,),) = ask(home, "SELECT count(*) FROM income_statements WHERE symbol = 'AAPL'")
    assert statements > 0


def test_a_second_time_nothing_is_asked_that_was_answered(
    first: tuple[Path, Done], yahoo: CompanyServer
) -> None:
    home, _ = first
    yahoo.server.requests.clear()
    done = up(home, yahoo)
    assert done.code == 0, done.err
    assert yahoo.server.requests == []
    again = sigmasight(
        home,
        "run",
        "--session",
        "2025-12-11",
        SIGMASIGHT_YAHOO_BASE_URL=yahoo.server.url,
        SIGMASIGHT_YAHOO_REQUESTS_PER_SECOND="900",
    )
    assert again.code == 0, again.err
    known = {listing for (listing,) in ask(home, "SELECT symbol FROM market_data_cache GROUP BY 1")}
    asked = [request.path.rsplit("/", 1)[-1] for request in yahoo.server.requests]
    assert not known & set(asked), "only what had no price is asked for again"
