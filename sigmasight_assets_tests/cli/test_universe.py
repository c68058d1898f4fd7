"""`sigmasight universe`: what is added, listed and retired, and how a person is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sigmasight_assets.cli.arguments import STATUSES
from sigmasight_assets.core.db.engine import Database
from sigmasight_assets.core.db.read.universe_members import universe_members
from sigmasight_assets.core.db.tables import symbol_universe
from sigmasight_assets.core.db.write.universe_members import add_members
from sigmasight_assets_tests.builders import add_portfolio, lot
from sigmasight_assets_tests.cli.commands import (
    MODULE,
    Done,
    Run,
    environment,
    is_one_complaint,
    server_pids,
    sigmasight,
)

Universe = Callable[..., Done]


@pytest.fixture
def universe(run: Run, database: Database) -> Universe:
    """`sigmasight universe` on a database of the test's own."""
    return lambda *arguments: run("universe", *arguments, SIGMASIGHT_DATABASE_URL=database.url)


def statuses(database: Database) -> dict[str, str]:
    with database.connection() as connection:
        return {member.symbol: member.status for member in universe_members(connection)}


def put(database: Database, symbol: str, status: str, message: str | None = None) -> None:
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO symbol_universe (symbol, investment_class, status, error_message) "
            "VALUES (%s, 'PUBLIC', %s, %s)",
            (symbol, status, message),
        )


def test_symbols_and_files_of_them_are_added(
    universe: Universe, database: Database, tmp_path: Path
) -> None:
    plain, sheet = tmp_path / "mine.txt", tmp_path / "theirs.csv"
    plain.write_text("# held elsewhere\nNA\nbrk.b\n\nGONE\n")
    sheet.write_bytes(b"\xef\xbb\xbfName,Symbol\r\nTrue Corp,TRUE\r\nOn,ON\r\n")
    put(database, "GONE", "retired")
    put(database, "LOST", "error", "no price")
    put(database, "ON", "active")
    done = universe("add", str(plain), "MAR", "lost", str(sheet))
    assert (done.code, done.out) == (0, "4 added, 2 asked again, 1 there already\n")
    wanted = {"NA", "BRK-B", "GONE", "TRUE", "ON", "MAR", "LOST"}
    assert "`sigmasight run --session DATE`" in done.err
    assert statuses(database) == dict.fromkeys(wanted, "active")
    done = universe("add", str(plain))
    assert (done.code, done.out) == (0, "0 added, 0 asked again, 3 there already\n")
    assert "prices come" not in done.err


def test_one_wrong_symbol_keeps_all_out_and_the_first_five_are_named(
    universe: Universe, database: Database, tmp_path: Path, home: Path
) -> None:
    plain = tmp_path / "mine.txt"
    plain.write_text("AAPL\nA B\nOUR_FARM\nAAPL240119C00150000\n" + "$\n" * 1_000)
    done = universe("add", str(plain), "MSFT")
    assert is_one_complaint(done), done
    assert done.err == (
        f"sigmasight: nothing was added: {plain} line 2: 'A B' has a space inside; "
        f"{plain} line 3: 'OUR_FARM' is named like a private holding, which has no market "
        f"price; {plain} line 4: 'AAPL240119C00150000' is an option: option contracts enter with "
        f"the positions that hold them; {plain} line 5: '$' has a character other than A-Z 0-9 "
        f". - ^ =; {plain} line 6: '$' has a character other than A-Z 0-9 . - ^ =; and 998 more\n"
    )
    assert done.out == ""
    assert statuses(database) == {}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "ACTION"),
        ("drop AAPL", "'drop'"),
        ("add", "FILE|SYMBOL"),
        ("add absent.csv", "absent.csv: No such file or directory"),
        ("add BRK/B", "BRK/B: No such file or directory"),
        ("add $", "nothing was added: '$' has a character other than A-Z 0-9 . - ^ =\n"),
        ("add AAPL --force", "--force"),
        ("list --status live", "'live'"),
        ("list --status live", "delisted"),
        ("list AAPL", "AAPL"),
        ("retire", "SYMBOL"),
    ],
)
def test_a_bad_argument_is_one_line_and_starts_nothing(
    run: Run, home: Path, arguments: str, complaint: str
) -> None:
    done = run("universe", *arguments.split())
    assert is_one_complaint(done), done
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert not home.exists()


def test_the_statuses_offered_are_those_that_the_table_allows() -> None:
    [allowed] = [str(each.sqltext) for each in symbol_universe.constraints if "status" in each.name]
    assert set(STATUSES) == set(re.findall("'([a-z]+)'", allowed))


def test_symbols_are_listed_in_columns_with_their_count_aside(
    universe: Universe, database: Database
) -> None:
    universe("add", "SPY", "KO")
    put(database, "A-LONG-SYMBOL", "error", "yfinance has no price\nfrom 2024-01-02")
    with database.connection() as connection:
        connection.execute(
            "UPDATE symbol_universe SET price_source = 'yfinance', history_from = '2024-01-02', "
            "last_price_date = '2025-12-11', last_factor_date = '2025-12-10' WHERE symbol = 'KO'"
        )
    done = universe("list")
    assert done.code == 0
    assert done.out.splitlines() == [
        "symbol         class   status  source    first price  last price  last factors  "
        "requested by  why",
        "A-LONG-SYMBOL  PUBLIC  error   -         -            -           -             "
        "-             yfinance has no price from 2024-01-02",
        "KO             PUBLIC  active  yfinance  2024-01-02   2025-12-11  2025-12-10    "
        "universe      -",
        "SPY            PUBLIC  active  -         -            -           -             "
        "universe      -",
    ]
    assert done.err.splitlines()[-1] == "3 symbols"
    done = universe("list", "--status", "error")
    assert [line.split()[0] for line in done.out.splitlines()] == ["symbol", "A-LONG-SYMBOL"]
    assert done.err.splitlines()[-1] == "1 symbol"
    done = universe("list", "--status", "pending")
    assert len(done.out.splitlines()) == 1
    assert done.err.splitlines()[-1] == "0 symbols"


def test_a_whole_market_is_listed_as_fast_as_it_is_read(
    universe: Universe, database: Database, tmp_path: Path
) -> None:
    names = sorted(f"S{number}" for number in range(12_000))
    (tmp_path / "all.txt").write_text("\n".join(names))
    assert universe("add", str(tmp_path / "all.txt")).out.startswith("12,000 added")
    done = universe("list")
    assert [line.split()[0] for line in done.out.splitlines()] == ["symbol", *names]
    assert done.err.splitlines()[-1] == "12,000 symbols"
    assert len(set(map(len, done.out.splitlines()[1:]))) == 1


@pytest.mark.parametrize("count", [0, 12_000])
def test_a_reader_who_has_seen_enough_is_no_error(
    database: Database, tmp_path: Path, count: int
) -> None:
    """As `head` does: what fits no pipe fails at once, a few lines only as the command ends."""
    add_members(database, [f"S{number}" for number in range(count)])
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*MODULE, "universe", "list"],
            env=environment(
                tmp_path / "home", SIGMASIGHT_DATABASE_URL=database.url, PYTHONUNBUFFERED=None
            ),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == f"{count:,} symbols"


def test_symbols_are_retired_once_and_come_back(universe: Universe, database: Database) -> None:
    universe("add", "KO", "BRK-B", "PEP")
    done = universe("retire", "ko", "brk.b", "KO")
    assert (done.code, done.out) == (0, "2 retired, 0 retired already\n")
    assert statuses(database) == {"KO": "retired", "BRK-B": "retired", "PEP": "active"}
    done = universe("retire", "KO", "PEP")
    assert (done.code, done.out) == (0, "1 retired, 1 retired already\n")
    assert universe("add", "KO").out == "0 added, 1 asked again, 0 there already\n"


def test_what_cannot_be_retired_is_named_with_its_reason_and_nothing_is(
    universe: Universe, database: Database
) -> None:
    add_portfolio(database, lot("KO", "3", "60", "2025-06-02"), inception="2025-06-02")
    universe("add", "KO", "PEP", "SPY")
    done = universe("retire", "PEP", "KO", "spy", "nosuch", "qqq", "")
    assert is_one_complaint(done), done
    assert done.err.splitlines()[-1] == (
        "sigmasight: nothing was retired: '' is not in the universe; 'KO' is needed by open "
        "positions of 1 portfolio; 'NOSUCH' is not in the universe; 'QQQ' is always in: a factor "
        "proxy or benchmark; 'SPY' is always in: a factor proxy or benchmark"
    )
    assert done.out == ""
    assert set(statuses(database).values()) == {"active"}


def test_a_home_of_ones_own_is_made_for_the_first_symbol_and_its_server_stops(home: Path) -> None:
    done = sigmasight(home, "universe", "add", "KO")
    assert (done.code, done.out) == (0, "1 added, 0 asked again, 0 there already\n"), done.err
    assert server_pids(home) == set()
    done = sigmasight(home, "universe", "list")
    assert done.out.splitlines()[1].split()[:3] == ["KO", "PUBLIC", "active"]
    assert server_pids(home) == set()


def test_the_command_does_not_wait_for_dagster(database: Database, tmp_path: Path) -> None:
    code = (
        "import sys; from sigmasight_assets.cli.main import main; main(['universe', 'list']); "
        "print([name for name in sys.modules if name.split('.')[0] == 'dagster'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path / "home", SIGMASIGHT_DATABASE_URL=database.url),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
