"""Prices out of a folder of CSV files, as Yahoo exports them."""

from __future__ import annotations

from datetime import date

import pytest

from sigmasight_assets.core.errors import PriceFileUnreadable
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.source import Outcome
from sigmasight_assets_tests.core.market.bar_rows import refused, rows_of

HEADER = "Date,Open,High,Low,Close,Adj Close,Volume\n"
MON, TUE = date(2025, 3, 3), date(2025, 3, 4)
ALL = ("open", "high", "low", "close", "adj_close", "volume")


@pytest.fixture
def folder(tmp_path):
    """Writes files, text or bytes, and gives the source that reads their folder."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return FilesSource(tmp_path)

    return write


def test_a_yahoo_export_is_read(folder):
    files = folder(
        {
            "AAPL.csv": HEADER
            + "2025-03-03,241.789993,244.029999,236.110001,238.029999,237.5,47184000\n"
            + "2025-03-04,237.710007,240.070007,234.679993,235.929993,235.4,53798100\n"
        }
    )
    answer = files.fetch(["AAPL"], MON, TUE)
    assert rows_of(answer.bars, *ALL) == [
        ("AAPL", "2025-03-03", 241.789993, 244.029999, 236.110001, 238.029999, 237.5, 47184000.0),
        ("AAPL", "2025-03-04", 237.710007, 240.070007, 234.679993, 235.929993, 235.4, 53798100.0),
    ]
    assert answer.single_series == frozenset()
    assert answer.rejected == ()


def test_files_are_named_after_their_symbols(folder):
    content = HEADER + "2025-03-03,1,1,1,1,1,1\n"
    names = ["NA", "TRUE", "1E5", "brk.b", "CON", "AAPL270115P00185000"]
    files = folder(
        {f"{name}.csv": content for name in names}
        | {"LOUD.CSV": content, ".hidden.csv": "nothing", "notes.txt": "nothing"}
    )
    expected = ("1E5", "AAPL270115P00185000", "BRK-B", "CON", "LOUD", "NA", "TRUE")
    assert files.listed_symbols() == expected
    assert set(files.fetch(expected, MON, TUE).outcomes.values()) == {Outcome.ROWS}


def test_unknown_cells_are_unknown_however_they_are_written(folder):
    files = folder(
        {
            "A.csv": HEADER
            + "2025-03-03,,null,NaN,5,4.5,n/a\n"
            + "2025-03-04,null,null,null,null,null,null\n"
        }
    )
    answer = files.fetch(["A"], MON, TUE)
    assert rows_of(answer.bars, *ALL) == [("A", "2025-03-03", None, None, None, 5.0, 4.5, None)]
    assert answer.rejected == (refused("A", "2025-03-04", "no_price"),)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2025-03-03,1,1,1,abc,1,1", "unreadable_number"),
        ("2025-03-03,1,1,1,1_000,1,1", "unreadable_number"),
        ("2025-03-03,1,1,1,inf,1,1", "unreadable_number"),
        ("2025-03-03,1,1,1,$5,1,1", "unreadable_number"),
        ("2025-03-03,1,1,1,0x1F,1,1", "unreadable_number"),
        ("2025-03-03,1,1,1,\uff15,1,1", "unreadable_number"),
        ('2025-03-03,1,1,1,"1,5",1,1', "unreadable_number"),
        ("2025-03-03,1,1,1,1,1,many", "unreadable_number"),
        ("2025-03-03,1,1,1,1e999,1,1", "non_finite_price"),
        ("2025-03-03,1,1,1,0,1,1", "zero_price"),
        ("2025-03-03,1,1,1", "unreadable_row"),
        ("2025-03-03,1,1,1,1,1,1,1", "unreadable_row"),
        ("03/03/2025,1,1,1,1,1,1", "unreadable_date"),
        ("2025-02-30,1,1,1,1,1,1", "unreadable_date"),
        ("2025-3-3,1,1,1,1,1,1", "unreadable_date"),
        ("20250303,1,1,1,1,1,1", "unreadable_date"),
        ("2025-W10-1,1,1,1,1,1,1", "unreadable_date"),
        ("2025-03-03 16:00:00,1,1,1,1,1,1", "unreadable_date"),
        (",1,1,1,1,1,1", "unreadable_date"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_and_the_others_are_kept(folder, row, reason):
    files = folder({"A.csv": f"{HEADER}{row}\n2025-03-04,1,1,1,2,2,1\n"})
    answer = files.fetch(["A"], MON, TUE)
    assert rows_of(answer.bars, "close") == [("A", "2025-03-04", 2.0)]
    assert answer.rejected == (refused("A", "2025-03-03", reason),)


def test_a_symbol_with_nothing_but_bad_rows_is_rejected(folder):
    files = folder({"A.csv": HEADER + "2025-03-03,1,1,1,x,1,1\n"})
    assert dict(files.fetch(["A"], MON, TUE).outcomes) == {"A": Outcome.REJECTED}


def test_rows_outside_the_range_are_neither_read_nor_refused(folder):
    files = folder({"A.csv": HEADER + "2025-03-03,1,1,1,x,1,1\n2025-03-04,1,1,1,2,2,1\n"})
    answer = files.fetch(["A"], TUE, TUE)
    assert len(answer.bars) == 1
    assert answer.rejected == ()


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_fine(folder):
    text = "\ufeff" + HEADER + "\n2025-03-03,1,1,1,2,2,1\n\n"
    files = folder({"A.csv": text.replace("\n", "\r\n")})
    assert rows_of(files.fetch(["A"], MON, TUE).bars, "close") == [("A", "2025-03-03", 2.0)]


def test_a_midnight_with_an_offset_is_its_day(folder):
    files = folder({"A.csv": HEADER + "2025-03-03 00:00:00-05:00,1,1,1,2,2,1\n"})
    assert rows_of(files.fetch(["A"], MON, TUE).bars, "close") == [("A", "2025-03-03", 2.0)]


def test_columns_may_be_few_and_in_any_order(folder):
    files = folder({"A.csv": "note,ADJ_CLOSE,date\nhello,2.5,2025-03-03\n"})
    answer = files.fetch(["A"], MON, TUE)
    assert rows_of(answer.bars, *ALL) == [("A", "2025-03-03", None, None, None, 2.5, 2.5, None)]
    assert answer.single_series == {"A"}


def test_one_symbols_single_series_is_not_anothers(folder):
    files = folder(
        {
            "A.csv": HEADER + "2025-03-03,1,1,1,3,,1\n2025-03-04,1,1,1,4,null,1\n",
            "B.csv": HEADER + "2025-03-03,1,1,1,3,2,1\n2025-03-04,1,1,1,4,,1\n",
        }
    )
    answer = files.fetch(["A", "B"], TUE, TUE)
    assert rows_of(answer.bars, "close", "adj_close") == [
        ("A", "2025-03-04", 4.0, 4.0),
        ("B", "2025-03-04", 4.0, None),
    ]
    assert answer.single_series == {"A"}


def test_two_files_of_one_symbol_are_read_as_one(folder):
    files = folder(
        {
            "BRK-B.csv": HEADER + "2025-03-03,1,1,1,2,2,1\n",
            "BRK.B.csv": HEADER + "2025-03-03,1,1,1,2,2,1\n2025-03-04,1,1,1,3,3,1\n",
        }
    )
    answer = files.fetch(["BRK-B"], MON, TUE)
    assert rows_of(answer.bars, "close") == [
        ("BRK-B", "2025-03-03", 2.0),
        ("BRK-B", "2025-03-04", 3.0),
    ]
    assert answer.rejected == ()


def test_a_symbol_without_a_file_and_a_file_without_rows_have_no_data(folder):
    files = folder({"A.csv": HEADER})
    assert dict(files.fetch(["A", "B"], MON, TUE).outcomes) == {
        "A": Outcome.NO_DATA,
        "B": Outcome.NO_DATA,
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "missing columns: date, close or adj_close"),
        ("2025-03-03,1,1,1,2,2,1\n", "missing columns: date, close or adj_close"),
        ("Date;Open;Close\n2025-03-03;1;2\n", "missing columns: date, close or adj_close"),
        ("Date,Open\n2025-03-03,1\n", "missing columns: close or adj_close"),
        ("Date,Close,close\n2025-03-03,1,2\n", "columns 'Close' and 'close' are the same"),
        (b"Date,Close\n2025-03-03,\xff\n", "not a readable CSV file"),
    ],
)
def test_a_file_with_a_wrong_header_is_named_with_what_is_wrong(folder, content, complaint):
    files = folder({"A.csv": content, "B.csv": HEADER})
    with pytest.raises(PriceFileUnreadable) as caught:
        files.fetch(["A"], MON, TUE)
    assert str(caught.value).startswith(f"{files.path / 'A.csv'}: {complaint}")
    assert "\n" not in str(caught.value)


def test_a_folder_without_csv_files_is_named(folder):
    files = folder({"notes.txt": "nothing"})
    for ask in (lambda: files.fetch(["A"], MON, TUE), files.listed_symbols):
        with pytest.raises(PriceFileUnreadable) as caught:
            ask()
        assert str(caught.value) == f"{files.path}: the folder has no .csv file"
