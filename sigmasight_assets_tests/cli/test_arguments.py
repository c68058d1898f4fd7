"""Bad arguments and settings: one line, exit 2, and nothing of it on disk."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigmasight_assets_tests.cli.commands import Run, is_one_complaint, sigmasight


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "COMMAND"),
        ("down", "'down'"),
        ("up --frob", "--frob"),
        ("up --dagster 3001", "--dagster"),
        ("up --source yahoo", "'yahoo'"),
        ("up --dagster-port 0", "'0' is not a number from 1 to 65535"),
        ("up --api-port 99999", "'99999'"),
        ("up --api-port abc", "'abc'"),
        ("up --api-port 8_0", "'8_0'"),
        ("up --api-port ８０００", "８０００"),
        ("up --dagster-port 3000 --api-port 3000", "both 3000"),
        ("up --once --sessions 0", "'0' is not a number from 1 to 5000"),
        ("up --once --sessions -3", "--sessions"),
        ("up --once --from 2025-12-01 --sessions 3", "--from and --sessions"),
        ("up --once --from 2025-12-10 --to 2025-12-01", "ends (2025-12-01) before it begins"),
        ("up --once --from 2025-12-06 --to 2025-12-07", "no NYSE session"),
        ("up --once --from 2023-12-01", "before the first session, 2024-01-02"),
        ("up --once --to 2023-12-01", "before the first session, 2024-01-02"),
        ("up --once --to 2025-12-12", "available after 2025-12-12T21:00:00+00:00"),
        ("up --once --from 20251201", "'20251201' is not a date"),
        ("up --once --from 2025-W49-1", "'2025-W49-1' is not a date"),
        ("up --once --source files", "--source files needs --prices"),
        ("up --once --source synthetic --prices x.parquet", "--prices is for --source files"),
        ("run", "--session"),
        ("run --session 2025-02-30", "'2025-02-30' is not a date"),
        ("run --session 2045-01-03", "the calendar goes from"),
        ("run --session 1980-01-02", "the calendar goes from"),
        ("run --session 2025-12-12", "available after 2025-12-12T21:00:00+00:00"),
        ("run --session 2026-12-25 --force", "available after 2026-12-24T18:00:00+00:00"),
        ("run --session 2023-12-29", "before the first session, 2024-01-02"),
        ("run --session 2025-12-13 --portfolio 7", "'7' is not a portfolio id"),
        ("backfill --from 2025-12-01", "--to"),
        ("backfill --from 2025-12-10 --to 2025-12-01", "ends (2025-12-01) before it begins"),
        ("backfill --from 2025-11-27 --to 2025-11-27", "no NYSE session"),
        ("backfill --from 2023-12-29 --to 2024-01-05", "before the first session, 2024-01-02"),
        ("backfill --from 2025-12-11 --to 2025-12-12", "available after 2025-12-12T21:00"),
        ("db", "action"),
        ("db drop", "'drop'"),
    ],
)
def test_a_bad_argument_is_one_line(run: Run, home: Path, arguments: str, complaint: str) -> None:
    done = run(*arguments.split())
    assert is_one_complaint(done), done
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert not home.exists()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"SIGMASIGHT_PROFILE": "staging"}, "SIGMASIGHT_PROFILE"),
        ({"SIGMASIGHT_NOW": "yesterday"}, "SIGMASIGHT_NOW"),
        ({"SIGMASIGHT_NOW": "2025-12-12T12:00:00"}, "SIGMASIGHT_NOW"),
        ({"SIGMASIGHT_NOW": "1980-01-02T12:00:00+00:00"}, "SIGMASIGHT_NOW: the calendar goes"),
        ({"SIGMASIGHT_START_DATE": "then"}, "SIGMASIGHT_START_DATE"),
        ({"SIGMASIGHT_START_DATE": "2050-01-03"}, "SIGMASIGHT_START_DATE: the calendar goes"),
        ({"SIGMASIGHT_START_DATE": "2026-01-02"}, "no price from 2026-01-02"),
        ({"SIGMASIGHT_PRICE_SOURCE": "yahoo"}, "SIGMASIGHT_PRICE_SOURCE"),
        ({"SIGMASIGHT_PRICE_SOURCE": "files"}, "PRICE_FILES must name the file"),
        ({"SIGMASIGHT_PRICE_FILES": "absent.parquet"}, "absent.parquet: No such file"),
        ({"SIGMASIGHT_TLT_DURATION": "-1"}, "SIGMASIGHT_TLT_DURATION"),
        ({"SIGMASIGHT_DATABASE_URL": "mysql://u:hunter2@h/d"}, "must be a postgresql:// URL"),
        ({"SIGMASIGHT_PROFILE": "production"}, "must name a real source"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(
    run: Run, home: Path, settings: dict[str, str], complaint: str
) -> None:
    done = run("up", "--once", "--sessions", "3", **settings)
    assert is_one_complaint(done), done
    assert complaint in done.err
    assert "hunter2" not in done.err
    assert not home.exists()


def test_production_refuses_a_frozen_clock(run: Run, tmp_path: Path) -> None:
    prices = write_prices(tmp_path / "p.parquet")
    done = run("up", "--once", "--prices", str(prices), SIGMASIGHT_PROFILE="production")
    assert is_one_complaint(done)
    assert "NOW freezes the clock" in done.err


def write_prices(path: Path, **columns: list[object]) -> Path:
    default = {
        "symbol": ["SPY", "SPY"],
        "date": ["2025-12-10", "2025-12-11"],
        "close": [600.0, 1.0],
    }
    table = pa.table(columns or default)
    if "date" in table.column_names:
        dates = table.column("date").cast(pa.date32())
        table = table.set_column(table.column_names.index("date"), "date", dates)
    pq.write_table(table, path)
    return path


def _missing(path: Path) -> None:
    """There is nothing at the path."""


def _text(path: Path) -> None:
    path.write_text("symbol,date,close\nSPY,2025-12-11,600\n")


def _wrong_columns(path: Path) -> None:
    write_prices(path, ticker=["SPY"], date=["2025-12-11"], last=[600.0])


def _cut_short(path: Path) -> None:
    write_prices(path)
    path.write_bytes(path.read_bytes()[:-20])


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _folder_with_a_wrong_header(path: Path) -> None:
    path.mkdir()
    (path / "SPY.csv").write_text("Date,Close\n2025-12-10,600\n2025-12-11,601\n")
    (path / "ZZZ.csv").write_text("Day,Last\n2025-12-11,1\n")


def _nothing_recent(path: Path) -> None:
    write_prices(path, symbol=["SPY"], date=["2019-12-11"], close=[300.0])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (_missing, "No such file or directory"),
        (_text, "not a readable Parquet file"),
        (_cut_short, "not a readable Parquet file"),
        (_wrong_columns, "missing columns: symbol, close or adj_close"),
        (_empty_folder, "the folder has no .csv file"),
        (_folder_with_a_wrong_header, "ZZZ.csv: missing columns: date, close or adj_close"),
        (_nothing_recent, "no price from 2024-01-02"),
    ],
)
def test_prices_that_cannot_be_used_are_refused_before_anything_starts(
    run: Run, home: Path, tmp_path: Path, make: Callable[[Path], None], complaint: str
) -> None:
    prices = tmp_path / "prices"
    make(prices)
    done = run("up", "--once", "--prices", str(prices))
    assert is_one_complaint(done), done
    assert complaint in done.err
    assert not home.exists()


def test_sessions_outside_the_prices_are_refused_by_name(
    run: Run, home: Path, tmp_path: Path
) -> None:
    prices = str(write_prices(tmp_path / "p.parquet"))
    late = run("up", "--once", "--prices", prices, "--from", "2025-12-09")
    assert "no price on 2025-12-09" in late.err
    assert "from 2025-12-10 to 2025-12-11" in late.err
    assert is_one_complaint(late)
    assert not home.exists()


def test_a_port_that_somebody_listens_on_is_refused_before_anything_starts(
    run: Run, home: Path
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = str(stranger.getsockname()[1])
        done = run("up", "--api-port", port)
    assert is_one_complaint(done), done
    assert f"port {port} is in use: choose another with --api-port" in done.err
    assert not home.exists()


def test_a_home_that_is_a_file_is_refused(run: Run, home: Path) -> None:
    home.write_text("")
    done = run("up", "--once", "--sessions", "3")
    assert is_one_complaint(done), done
    assert str(home) in done.err


@pytest.mark.parametrize("kept", ["not JSON", "[]", '{"price_source": "yahoo"}'])
def test_a_damaged_note_of_the_last_prices_is_refused(run: Run, home: Path, kept: str) -> None:
    home.mkdir()
    (home / "price_source.json").write_text(kept)
    done = run("up", "--once", "--sessions", "3")
    assert is_one_complaint(done), done
    assert not (home / "postgres").exists()


def test_a_day_without_trading_is_no_error_and_starts_nothing(run: Run, home: Path) -> None:
    done = run("run", "--session", "2025-12-06")
    assert done.code == 0
    assert done.out == (
        "2025-12-06 is not an NYSE session, nothing to do (--force would run 2025-12-05)\n"
    )
    assert not home.exists()


def test_an_intraday_clock_has_no_session_of_today_yet(run: Run) -> None:
    open_market = {"SIGMASIGHT_NOW": "2025-12-11T15:00:00-05:00"}
    done = run("run", "--session", "2025-12-11", **open_market)
    assert "session 2025-12-11 is not complete" in done.err
    half_day = {"SIGMASIGHT_NOW": "2025-11-28T12:59:59-05:00"}
    done = run("backfill", "--from", "2025-11-26", "--to", "2025-11-28", **half_day)
    assert "available after 2025-11-28T18:00:00+00:00" in done.err


def test_the_command_as_installed_says_the_same(home: Path) -> None:
    done = sigmasight(home, "up", "--once", "--prices", "/absent.parquet")
    assert is_one_complaint(done)
    assert done.err == "sigmasight: /absent.parquet: No such file or directory\n"
    done = sigmasight(home, "up", "--once", SIGMASIGHT_START_DATE="then")
    assert is_one_complaint(done)
    assert "SIGMASIGHT_START_DATE" in done.err
    assert not home.exists()


def test_help_needs_no_settings_and_names_every_command(home: Path) -> None:
    done = sigmasight(home, "--help", SIGMASIGHT_PROFILE="nonsense")
    assert done.code == 0
    for command in ("up", "run", "backfill", "db"):
        assert f"\n    {command} " in done.out
    assert done.err == ""
