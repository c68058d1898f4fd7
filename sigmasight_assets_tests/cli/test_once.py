"""`up --once` and what follows it, in one home that the tests share and bring from state to state.

Each test begins with a command that puts the home where it needs it, so that any of them can be
run alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigmasight_assets.core.market.synthetic import SyntheticSource
from sigmasight_assets.core.symbols import always_in_universe
from sigmasight_assets_tests.cli.commands import (
    Done,
    ask,
    is_one_complaint,
    remove,
    server_pids,
    sigmasight,
)

HEDGE_FUND = "fcd71196-e93e-f000-5a74-31a9eead3118"
ONCE = ("up", "--once", "--source", "synthetic", "--sessions", "3")
SPY_CLOSE = "SELECT close FROM market_data_cache WHERE symbol = 'SPY' AND date = '2024-12-10'"
SESSIONS = ["2025-12-09", "2025-12-10", "2025-12-11"]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Done]]:
    """A home made by `up --once` from nothing, and what the command said."""
    home = tmp_path_factory.mktemp("a path with spaces, ünïcode & 'quotes'") / "home"
    yield home, sigmasight(home, *ONCE)
    remove(home)


@pytest.fixture
def filled(first: tuple[Path, Done]) -> Path:
    """The home with three published sessions on synthetic prices, nothing running."""
    home, _ = first
    if json.loads((home / "price_source.json").read_text())["filled_with"] != "synthetic":
        ready = sigmasight(home, *ONCE)
        assert ready.code == 0, ready.err
    return home


def runs(home: Path) -> list[tuple]:
    """Job, status and range of every run that Dagster has recorded, oldest first."""
    query = """
        SELECT r.pipeline_name, r.status, a.value, b.value FROM runs r
        JOIN run_tags a ON a.run_id = r.run_id AND a.key = 'dagster/asset_partition_range_start'
        JOIN run_tags b ON b.run_id = r.run_id AND b.key = 'dagster/asset_partition_range_end'
        ORDER BY r.id
    """
    return ask(home, query, database="dagster")


def published(home: Path, layer: str = "portfolios") -> list[str]:
    query = "SELECT session::text FROM published_sessions WHERE layer = %s ORDER BY session"
    return [session for (session,) in ask(home, query, layer)]


def result_checksums(home: Path) -> dict[str, str]:
    """Of the sessions that `up --once` fills, a digest of each snapshot and each symbol's betas."""
    snapshots = "SELECT portfolio_id::text || snapshot_date, md5((s.*)::text) "
    snapshots += "FROM (SELECT * FROM portfolio_snapshots WHERE snapshot_date >= %s) AS s"
    betas = "SELECT symbol || calculation_date, md5((b.*)::text) "
    betas += "FROM (SELECT * FROM symbol_factor_exposures WHERE calculation_date >= %s) AS b"
    return dict(ask(home, f"{snapshots} UNION ALL {betas}", SESSIONS[0], SESSIONS[0]))


def table(said: str) -> dict[str, list[str]]:
    """The printed results: columns by portfolio."""
    rows = [re.split(r"  +", line) for line in said.splitlines() if line.startswith("Demo ")]
    return {row[0]: row[1:] for row in rows}


def test_up_once_from_nothing_fills_publishes_prints_and_leaves_nothing_running(
    first: tuple[Path, Done],
) -> None:
    home, done = first
    assert done.code == 0, done.err
    assert server_pids(home) == set()
    printed = table(done.out)
    assert list(printed) == [
        "Demo Individual Investor Portfolio",
        "Demo High Net Worth Investor Portfolio",
        "Demo Hedge Fund Style Investor Portfolio",
        "Demo Family Office Public Growth",
        "Demo Family Office Private Opportunities",
    ]
    assert "2025-12-11" in done.out
    stored = ask(
        home,
        """
        SELECT p.account_name, round(s.net_asset_value), round(s.daily_pnl)
        FROM portfolio_snapshots s JOIN portfolios p ON p.id = s.portfolio_id
        WHERE s.snapshot_date = '2025-12-11'
        """,
    )
    assert {name: (f"{nav:,}", f"{pnl:,}") for name, nav, pnl in stored} == {
        name: (columns[0], columns[1]) for name, columns in printed.items()
    }


def test_progress_says_first_what_is_happening_and_shows_no_noise(
    first: tuple[Path, Done],
) -> None:
    _, done = first
    said = done.err.splitlines()
    assert said[0].startswith("starting the database in ")
    assert said[1] == "bringing the tables up to date"
    assert said[2] == "269 symbols listed by the source synthetic"
    assert said[3] == "5 demo portfolios added"
    assert said[4] == "symbol_batch: 3 sessions, 2025-12-09 to 2025-12-11"
    assert "portfolio_refresh: 3 sessions, 2025-12-09 to 2025-12-11" in said
    assert not [line for line in said if re.search("warning|deprecat|beta|Traceback", line, re.I)]


def test_up_once_again_finds_the_sessions_there(filled: Path) -> None:
    before = runs(filled)
    again = sigmasight(filled, *ONCE)
    assert again.code == 0
    assert "3 sessions, 2025-12-09 to 2025-12-11: there already" in again.err
    assert "demo portfolios added" not in again.err
    assert len(table(again.out)) == 5
    assert runs(filled) == before


def write_multiplied_prices(path: Path, last: date, factor: float) -> Path:
    """The factor proxies and some stocks of the synthetic market at another level."""
    chosen = [*always_in_universe(), "AAPL", "AMZN", "JPM", "MSFT", "NVDA", "XOM"]
    bars = SyntheticSource().fetch(chosen, date(2024, 3, 1), last).bars
    columns = {
        "symbol": np.array(bars.symbols)[bars.symbol].tolist(),
        "date": pa.array(bars.date),
        "close": bars.close * factor,
        "adj_close": bars.adj_close * factor,
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_another_source_replaces_windows_and_results_and_is_remembered(filled: Path) -> None:
    synthetic = result_checksums(filled)
    prices = write_multiplied_prices(filled.parent / "prices.parquet", date(2025, 12, 10), 2.0)
    up = ("up", "--once", "--prices", str(prices), "--sessions", "1")
    done = sigmasight(filled, *up)
    assert done.code == 0, done.err
    assert ask(filled, "SELECT DISTINCT data_source FROM market_data_cache") == [("files",)]
    [(doubled,)] = ask(filled, SPY_CLOSE)
    bars = SyntheticSource().fetch(["SPY"], date(2024, 12, 10), date(2024, 12, 10)).bars
    assert doubled == bars.close[0] * 2
    # The file ends before the 11th: what the synthetic prices made of that day is gone.
    assert published(filled) == SESSIONS[:2]
    stored = "SELECT count(*) FROM portfolio_snapshots WHERE snapshot_date = '2025-12-11'"
    assert ask(filled, stored) == [(0,)]

    refused = sigmasight(filled, "run", "--session", "2025-12-11")
    assert is_one_complaint(refused)
    assert "the prices of the source files go from 2024-03-01 to 2025-12-10" in refused.err

    write_multiplied_prices(prices, date(2025, 12, 10), 3.0)
    done = sigmasight(filled, *up)
    assert done.code == 0, done.err
    assert "the prices are not those of the stored results" in done.err
    [(tripled,)] = ask(filled, SPY_CLOSE)
    assert tripled == bars.close[0] * 3

    back = sigmasight(filled, *ONCE)
    assert back.code == 0, back.err
    assert result_checksums(filled) == synthetic


def test_only_missing_ranges_are_run_and_portfolios_on_symbols_that_are_there(filled: Path) -> None:
    unpublish = "DELETE FROM published_sessions WHERE session = %s AND layer = ANY(%s)"
    ask(filled, unpublish, "2025-12-09", ["portfolios"])
    ask(filled, unpublish, "2025-12-10", ["symbols", "portfolios"])
    before = len(runs(filled))
    done = sigmasight(filled, "up", "--once", "--from", "2025-12-06")
    assert done.code == 0, done.err
    assert runs(filled)[before:] == [
        ("symbol_batch", "SUCCESS", "2025-12-08", "2025-12-08"),
        ("symbol_batch", "SUCCESS", "2025-12-10", "2025-12-10"),
        ("portfolio_refresh", "SUCCESS", "2025-12-08", "2025-12-10"),
    ]


def test_run_refuses_nothing_that_has_a_session(filled: Path) -> None:
    before = len(runs(filled))
    forced = sigmasight(filled, "run", "--session", "2025-12-07", "--force")
    assert forced.code == 0, forced.err
    assert runs(filled)[before:] == [
        ("symbol_batch", "SUCCESS", "2025-12-05", "2025-12-05"),
        ("portfolio_refresh", "SUCCESS", "2025-12-05", "2025-12-05"),
    ]
    assert "2025-12-05" in published(filled)


def test_a_single_portfolio_is_refreshed_alone(filled: Path) -> None:
    before = len(runs(filled))
    query = (
        "SELECT portfolio_id::text, xmin::text FROM portfolio_snapshots WHERE snapshot_date = %s"
    )
    old = dict(ask(filled, query, "2025-12-11"))
    done = sigmasight(filled, "run", "--session", "2025-12-11", "--portfolio", HEDGE_FUND.upper())
    assert done.code == 0, done.err
    new = dict(ask(filled, query, "2025-12-11"))
    assert {each for each in new if new[each] != old[each]} == {HEDGE_FUND}
    assert [job for job, *_ in runs(filled)[before:]] == ["portfolio_refresh"]


def test_a_portfolio_that_does_not_exist_is_refused_and_no_run_is_recorded(filled: Path) -> None:
    before = runs(filled)
    nobody = HEDGE_FUND.replace("f", "0")
    done = sigmasight(filled, "run", "--session", "2025-12-11", "--portfolio", nobody)
    assert is_one_complaint(done), done
    assert f"there is no portfolio {nobody} on 2025-12-11" in done.err
    assert server_pids(filled) == set()
    assert runs(filled) == before


def test_a_backfill_is_one_run_of_each_job_and_changes_nothing_that_was_right(filled: Path) -> None:
    before, checksums = len(runs(filled)), sigmasight(filled, "db", "checksum").out
    done = sigmasight(filled, "backfill", "--from", "2025-12-09", "--to", "2025-12-11")
    assert done.code == 0, done.err
    assert runs(filled)[before:] == [
        ("symbol_batch", "SUCCESS", "2025-12-09", "2025-12-11"),
        ("portfolio_refresh", "SUCCESS", "2025-12-09", "2025-12-11"),
    ]
    assert sigmasight(filled, "db", "checksum").out == checksums


def test_db_url_prints_a_url_that_psycopg_reads_and_nothing_else(filled: Path) -> None:
    done = sigmasight(filled, "db", "url")
    assert done.code == 0
    assert re.fullmatch(r"postgresql://\S+\n", done.out)
    with psycopg.connect(done.out.strip()) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ()
    assert name == "sigmasight"
    assert len(server_pids(filled)) == 1
    stopped = sigmasight(filled, "db", "stop")
    assert (stopped.code, stopped.out) == (0, "the embedded database is stopped\n")
    assert server_pids(filled) == set()


def test_db_migrate_twice_and_db_checksum_leave_no_server_running(filled: Path) -> None:
    first, second = sigmasight(filled, "db", "migrate"), sigmasight(filled, "db", "migrate")
    assert first.code == second.code == 0
    assert first.out == second.out
    assert re.fullmatch(r"the tables are at revision \w+\n", first.out)
    sums = [sigmasight(filled, "db", "checksum") for _ in range(2)]
    assert sums[0] == sums[1]
    assert re.fullmatch(r"([0-9a-f]{32}  [a-z_]+\n)+", sums[0].out)
    assert server_pids(filled) == set()


def test_a_checksum_of_no_tables_says_how_to_make_them(home: Path) -> None:
    done = sigmasight(home, "db", "checksum")
    assert is_one_complaint(done), done
    assert "`sigmasight db migrate` makes them" in done.err
    assert server_pids(home) == set()


def test_the_production_profile_has_no_demo_accounts(home: Path) -> None:
    prices = write_multiplied_prices(home.parent / "p.parquet", date(2025, 12, 11), 2.0)
    production = {"SIGMASIGHT_PROFILE": "production", "SIGMASIGHT_NOW": None}
    up = ("up", "--once", "--prices", str(prices), "--sessions", "1")
    done = sigmasight(home, *up, **production)
    assert done.code == 0, done.err
    assert "no portfolio has results" in done.out
    counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM portfolios)"
    assert ask(home, counts) == [(0, 0)]
    assert published(home, "symbols") == ["2025-12-11"]
    # The real source that `up` ran on is remembered, as in any other profile.
    weekend = sigmasight(home, "run", "--session", "2025-12-13", **production)
    assert weekend.code == 0, weekend.err
