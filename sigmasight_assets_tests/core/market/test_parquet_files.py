"""Prices out of a Parquet file: what is read, what is refused, what makes the file unreadable."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sigmasight_assets.core.errors import PriceFileUnreadable
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets_tests.core.market.bar_rows import refused, rows_of

MON, TUE, WED = date(2025, 3, 3), date(2025, 3, 4), date(2025, 3, 5)
SUNDAY = date(2025, 3, 2)


@pytest.fixture
def source(tmp_path):
    """Writes columns to a file in an awkward folder and gives the source that reads it."""

    def write(columns, **options):
        path = tmp_path / "symbol=Z" / "it's 100% prices#1.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), path, **options)
        return FilesSource(path)

    return write


def test_every_column_is_read_whatever_its_spelling(source):
    files = source(
        {
            "Date": [MON],
            "SYMBOL": ["A"],
            "Open": [1.0],
            "HIGH": [4.0],
            "low": [0.5],
            "Close": [2.0],
            "Adj Close": [1.5],
            "Volume": pa.array([7], pa.int64()),
            "Comment": ["left alone"],
        }
    )
    answer = files.fetch(["A"], MON, MON)
    assert answer.source == "files"
    assert rows_of(answer.bars, "open", "high", "low", "close", "adj_close", "volume") == [
        ("A", "2025-03-03", 1.0, 4.0, 0.5, 2.0, 1.5, 7.0)
    ]
    assert answer.single_series == frozenset()


def test_only_the_symbols_and_sessions_asked_for_come_back_sorted(source):
    files = source(
        {
            "symbol": ["C", "B", "B", "A", "A", "A"],
            "date": [MON, TUE, MON, WED, TUE, MON],
            "close": [9.0, 5.0, 4.0, 3.0, 2.0, 1.0],
        }
    )
    answer = files.fetch(["B", "A"], MON, TUE)
    assert rows_of(answer.bars, "close") == [
        ("A", "2025-03-03", 1.0),
        ("A", "2025-03-04", 2.0),
        ("B", "2025-03-03", 4.0),
        ("B", "2025-03-04", 5.0),
    ]
    assert files.listed_symbols() == ("A", "B", "C")


def test_tickers_that_look_like_something_else_are_text(source):
    names = ["NA", "TRUE", "ON", "MAR", "1E5", "NAN", "NULL", "NONE", "INF", "007"]
    files = source({"symbol": names, "date": [MON] * 10, "close": np.arange(1.0, 11.0)})
    answer = files.fetch(names, MON, MON)
    assert {row[0]: row[2] for row in rows_of(answer.bars, "close")} == dict(
        zip(names, map(float, range(1, 11)), strict=True)
    )
    assert files.listed_symbols() == tuple(sorted(names))


def test_symbols_are_stored_in_their_one_form(source):
    files = source(
        {
            "symbol": ["brk.b", " spy ", "AAPL  270115P00185000"],
            "date": [MON] * 3,
            "close": [1.0, 2.0, 3.0],
        }
    )
    answer = files.fetch(["BRK.B", "SPY", "O:AAPL270115P00185000"], MON, MON)
    assert dict(answer.outcomes) == dict.fromkeys(
        ["BRK-B", "SPY", "AAPL270115P00185000"], Outcome.ROWS
    )
    assert files.listed_symbols() == ("AAPL270115P00185000", "BRK-B", "SPY")


def test_two_spellings_of_a_symbol_are_one_symbol(source):
    files = source(
        {"symbol": ["BRK.B", "BRK-B", "BRK-B"], "date": [MON, MON, TUE], "close": [1.0, 1.0, 2.0]}
    )
    answer = files.fetch(["BRK-B"], MON, TUE)
    assert rows_of(answer.bars, "close") == [
        ("BRK-B", "2025-03-03", 1.0),
        ("BRK-B", "2025-03-04", 2.0),
    ]


def test_a_float32_price_is_widened_and_never_printed(source):
    stored = np.float32(0.1)
    files = source({"symbol": ["A"], "date": [MON], "adj_close": pa.array([stored], pa.float32())})
    assert files.fetch(["A"], MON, MON).bars.adj_close[0] == 13421773 / 2**27
    assert 13421773 / 2**27 != 0.1


@pytest.mark.parametrize(("given", "missing"), [("adj_close", "close"), ("close", "adj_close")])
def test_one_series_in_the_file_serves_as_both(source, given, missing):
    files = source({"symbol": ["A", "A"], "date": [MON, TUE], given: [1.5, 2.5]})
    answer = files.fetch(["A", "GONE"], MON, TUE)
    assert rows_of(answer.bars, given, missing, "open", "volume") == [
        ("A", "2025-03-03", 1.5, 1.5, None, None),
        ("A", "2025-03-04", 2.5, 2.5, None, None),
    ]
    assert answer.single_series == {"A"}
    assert answer.outcomes["GONE"] is Outcome.NO_DATA


def test_the_fallback_is_per_symbol_and_not_per_row(source):
    none = None
    files = source(
        {
            "symbol": ["ADJ", "ADJ", "BOTH", "BOTH", "CLO", "CLO"],
            "date": [MON, TUE] * 3,
            "close": [none, none, 3.0, none, 5.0, float("nan")],
            "adj_close": [1.0, 2.0, none, 4.0, float("nan"), float("nan")],
        }
    )
    answer = files.fetch(["ADJ", "BOTH", "CLO"], MON, TUE)
    assert rows_of(answer.bars, "close", "adj_close") == [
        ("ADJ", "2025-03-03", 1.0, 1.0),
        ("ADJ", "2025-03-04", 2.0, 2.0),
        ("BOTH", "2025-03-03", 3.0, None),
        ("BOTH", "2025-03-04", None, 4.0),
        ("CLO", "2025-03-03", 5.0, 5.0),
    ]
    assert answer.rejected == (refused("CLO", "2025-03-04", "no_price"),)
    assert answer.single_series == {"ADJ", "CLO"}


def test_whether_a_symbol_has_one_series_does_not_depend_on_the_range_asked(source):
    files = source(
        {
            "symbol": ["A", "A", "B"],
            "date": [MON, TUE, MON],
            "close": [1.0, None, None],
            "adj_close": [0.9, 2.0, 3.0],
        }
    )
    answer = files.fetch(["A", "B"], TUE, TUE)
    assert rows_of(answer.bars, "close", "adj_close") == [("A", "2025-03-04", None, 2.0)]
    assert answer.single_series == {"B"}


def test_bad_rows_are_refused_and_the_others_kept(source):
    files = source(
        {
            "symbol": ["GOOD", "GOOD", "BAD", "GOOD", "TWICE", "TWICE", None, "GOOD", " "],
            "date": [MON, TUE, MON, SUNDAY, MON, MON, MON, None, MON],
            "close": [1.0, -1.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0],
        }
    )
    answer = files.fetch(["BAD", "GOOD", "NONE", "TWICE"], SUNDAY, TUE)
    assert rows_of(answer.bars, "close") == [("GOOD", "2025-03-03", 1.0)]
    assert answer.rejected == (
        refused("BAD", "2025-03-03", "zero_price"),
        refused("GOOD", "2025-03-02", "not_a_session"),
        refused("GOOD", "2025-03-02", "unreadable_date"),
        refused("GOOD", "2025-03-04", "negative_price"),
        refused("TWICE", "2025-03-03", "duplicate"),
        refused("TWICE", "2025-03-03", "duplicate"),
    )
    assert dict(answer.outcomes) == {
        "BAD": Outcome.REJECTED,
        "GOOD": Outcome.ROWS,
        "NONE": Outcome.NO_DATA,
        "TWICE": Outcome.REJECTED,
    }
    assert files.listed_symbols() == ("BAD", "GOOD", "TWICE")


@pytest.mark.parametrize(
    "dates",
    [
        pa.array([MON, TUE], pa.date64()),
        pa.array(np.array(["2025-03-03", "2025-03-04"], "datetime64[ns]")),
        pa.array(np.array(["2025-03-03T16", "2025-03-04T16"], "datetime64[ms]")),
        pa.array(
            [datetime(2025, 3, 3, 5, tzinfo=UTC), datetime(2025, 3, 4, 5, tzinfo=UTC)],
            pa.timestamp("us", "America/New_York"),
        ),
        pa.array(
            [datetime(2025, 3, 3, 21, tzinfo=UTC), datetime(2025, 3, 4, 21, tzinfo=UTC)],
            pa.timestamp("s", "America/New_York"),
        ),
    ],
    ids=lambda dates: str(dates.type),
)
def test_instants_are_read_as_their_local_day(source, dates):
    files = source({"symbol": ["A", "A"], "date": dates, "close": [1.0, 2.0]})
    assert rows_of(files.fetch(["A"], MON, MON).bars, "close") == [("A", "2025-03-03", 1.0)]
    assert rows_of(files.fetch(["A"], TUE, TUE).bars, "close") == [("A", "2025-03-04", 2.0)]


@pytest.mark.parametrize(
    "prices",
    [
        pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
        pa.array([1.25], pa.float16()),
        pa.array([1.25], pa.float64()),
    ],
    ids=lambda prices: str(prices.type),
)
def test_any_number_type_is_read(source, prices):
    files = source({"symbol": ["A"], "date": [MON], "close": prices})
    assert files.fetch(["A"], MON, MON).bars.close.tolist() == [1.25]


@pytest.mark.parametrize(
    "symbols",
    [
        pa.array(["B", "A"], pa.large_string()),
        pa.array(["B", "A"], pa.string_view()),
        pa.array(["B", "A"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), pa.array(["A", "B", "UNUSED"])),
    ],
    ids=lambda symbols: str(symbols.type),
)
def test_any_text_type_is_read(source, symbols):
    files = source({"symbol": symbols, "date": [MON, MON], "close": [2.0, 1.0]})
    assert rows_of(files.fetch(["A", "B"], MON, MON).bars, "close") == [
        ("A", "2025-03-03", 1.0),
        ("B", "2025-03-03", 2.0),
    ]
    assert files.listed_symbols() == ("A", "B")


def test_a_file_in_many_row_groups_is_one_file(source):
    days = [MON, TUE, WED]
    names = [f"S{number:03}" for number in range(50)]
    frame = pd.DataFrame([(n, d) for d in days for n in names], columns=["symbol", "date"])
    frame["close"] = np.arange(1.0, 151.0)
    files = source({name: frame[name].to_list() for name in frame}, row_group_size=7)
    answer = files.fetch(names, MON, WED)
    expected = frame.sort_values(["symbol", "date"])
    assert rows_of(answer.bars, "close") == [
        (row.symbol, str(row.date), row.close) for row in expected.itertuples()
    ]


def test_an_empty_file_has_no_data(source):
    schema = {"symbol": pa.string(), "date": pa.date32(), "close": pa.float64()}
    files = source({name: pa.array([], held) for name, held in schema.items()})
    answer = files.fetch(["A"], MON, TUE)
    assert len(answer.bars) == 0
    assert dict(answer.outcomes) == {"A": Outcome.NO_DATA}
    assert files.listed_symbols() == ()


def test_the_file_may_be_replaced_while_the_source_lives(source):
    files = source({"symbol": ["A"], "date": [MON], "close": [1.0]})
    assert files.fetch(["A"], MON, MON).bars.close.tolist() == [1.0]
    source({"symbol": ["A"], "date": [MON], "close": [2.0]})
    assert files.fetch(["A"], MON, MON).bars.close.tolist() == [2.0]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"date": [MON], "close": [1.0]}, "missing columns: symbol"),
        ({"symbol": ["A"], "close": [1.0]}, "missing columns: date"),
        ({"symbol": ["A"], "date": [MON], "open": [1.0]}, "missing columns: close or adj_close"),
        ({"price": [1.0]}, "missing columns: symbol, date, close or adj_close"),
        (
            {"symbol": ["A"], "date": [MON], "close": [1.0], "Close": [1.0]},
            "columns 'close' and 'Close' are the same",
        ),
        ({"symbol": [1], "date": [MON], "close": [1.0]}, "column 'symbol' holds int64"),
        ({"symbol": [True], "date": [MON], "close": [1.0]}, "column 'symbol' holds bool"),
        ({"symbol": ["A"], "date": ["x"], "close": [1.0]}, "column 'date' holds string"),
        ({"symbol": ["A"], "date": [20250303], "close": [1.0]}, "column 'date' holds int64"),
        ({"symbol": ["A"], "date": [MON], "close": ["1.0"]}, "column 'close' holds string"),
        (
            {"symbol": ["A"], "date": [MON], "close": [1.0], "low": [True]},
            "column 'low' holds bool",
        ),
    ],
)
def test_a_file_of_the_wrong_shape_is_named_with_what_is_wrong(source, columns, complaint):
    files = source(columns)
    for ask in (lambda: files.fetch(["A"], MON, TUE), files.listed_symbols):
        with pytest.raises(PriceFileUnreadable) as caught:
            ask()
        assert str(caught.value) == f"{files.path}: {complaint}"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"symbol,date,close\nA,2025-03-03,1\n"])
def test_a_file_that_is_not_parquet_is_named(tmp_path, content):
    path = tmp_path / "prices.parquet"
    path.write_bytes(content)
    with pytest.raises(PriceFileUnreadable) as caught:
        FilesSource(path).fetch(["A"], MON, TUE)
    assert str(caught.value) == f"{path}: not a readable Parquet file"


def test_a_damaged_file_is_named_in_one_line(source):
    files = source(
        {"symbol": ["A"] * 500, "date": [MON] * 500, "close": np.random.default_rng(1).random(500)},
        compression="zstd",
    )
    content = bytearray(files.path.read_bytes())
    content[4:2000] = b"\xff" * 1996
    files.path.write_bytes(content)
    with pytest.raises(PriceFileUnreadable) as caught:
        files.fetch(["A"], MON, TUE)
    assert str(caught.value).startswith(f"{files.path}: damaged: ")
    assert "\n" not in str(caught.value)


def test_a_missing_path_is_named(tmp_path):
    path = tmp_path / "nowhere.parquet"
    with pytest.raises(PriceFileUnreadable) as caught:
        FilesSource(path).listed_symbols()
    assert str(caught.value) == f"{path}: No such file or directory"
