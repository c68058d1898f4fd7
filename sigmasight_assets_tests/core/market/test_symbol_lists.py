"""Symbols are taken as written, from the command line and from every file people keep them in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.symbol_lists import (
    MOST_SYMBOLS,
    SymbolList,
    read_symbols,
    why_not_public,
)

LOOK_LIKE_VALUES = ("1E5", "FALSE", "INF", "MAR", "NA", "NAN", "NULL", "ON", "TRUE")


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_what_is_typed_is_stored_in_its_stored_form_once_and_sorted() -> None:
    named = read_symbols(["msft", " brk.b ", "AAPL", "BRK-B", "^gspc", "eurusd=x", "0700.HK"])
    assert named == SymbolList(("0700-HK", "AAPL", "BRK-B", "EURUSD=X", "MSFT", "^GSPC"), ())


def test_symbols_that_look_like_values_are_text(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.txt", "\n".join(LOOK_LIKE_VALUES))
    sheet = write(tmp_path / "sheet.csv", "symbol,n\n" + ",1\n".join(LOOK_LIKE_VALUES))
    assert read_symbols(LOOK_LIKE_VALUES).symbols == LOOK_LIKE_VALUES
    assert read_symbols([plain]).symbols == LOOK_LIKE_VALUES
    assert read_symbols([sheet]).symbols == LOOK_LIKE_VALUES


@pytest.mark.parametrize(
    "content",
    [
        "AAPL\nBRK.B\nMSFT",
        "AAPL\r\nBRK.B\r\nMSFT\r\n",
        "AAPL\rBRK.B\rMSFT\r",
        b"\xef\xbb\xbfAAPL\nBRK.B\nMSFT\n",
        "# mine\n\n  AAPL  \n\t\nBRK.B # Berkshire, class B\n #MSFT\nmsft#\n",
        '# "quoted\nAAPL\n"BRK.B"\nMSFT\n',
        "symbol\nAAPL\nBRK.B\nMSFT\n",
        b"\xef\xbb\xbfSymbol,Name\r\nAAPL,Apple\r\nBRK.B,Berkshire\r\nMSFT,Microsoft\r\n",
        'No.,Name, SYMBOL \n1,"Apple, Inc.",AAPL\n# 9,Sold,IBM\n\n2,Berkshire,"brk.b"\n3,#1,MSFT',
        "symbol,#shares\nAAPL,3\nBRK.B\nMSFT,4,5\n,\n",
        "name,symbol\n# a comment before\nApple,AAPL\nx,BRK-B\nx,MSFT\n,\n,,,\n",
        '"symbol","name"\n"AAPL","two\nlines"\n"BRK.B",""\n"MSFT","a ""b"""\n',
    ],
)
def test_a_file_is_read_however_it_was_written(tmp_path: Path, content: str | bytes) -> None:
    expected = SymbolList(("AAPL", "BRK-B", "MSFT"), ())
    assert read_symbols([write(tmp_path / "mine.csv", content)]) == expected


@pytest.mark.parametrize(
    "content", ["", "\n\n", "# nothing yet\n", "symbol,name\n", b"\xef\xbb\xbf"]
)
def test_a_file_that_names_nothing_names_nothing(tmp_path: Path, content: str | bytes) -> None:
    assert read_symbols([write(tmp_path / "mine.txt", content)]) == SymbolList((), ())


def test_an_argument_is_a_file_if_it_is_one_or_is_written_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "ON", "IBM")
    write(tmp_path / "list.CSV", "KO")
    assert read_symbols(["ON", "list.CSV", "./list.CSV", "AAPL"]).symbols == ("AAPL", "IBM", "KO")
    (tmp_path / "MSFT").mkdir()
    assert read_symbols(["MSFT"]).symbols == ("MSFT",)
    for absent in ("absent.csv", "absent.TXT", "BRK/B", "./absent", str(tmp_path / "absent")):
        with pytest.raises(ConfigurationError, match="No such file or directory"):
            read_symbols(["AAPL", absent])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("A B", "space inside"),
        ("BRK B", "space inside"),
        ("A\xa0B", "space inside"),
        ("AAPL,MSFT", "character other than"),
        ("AAPL;3", "character other than"),
        ("$AAPL", "character other than"),
        ("NASDAQ:AAPL", "character other than"),
        ("O:AAPL", "character other than"),
        ("BRK/B", "character other than"),
        ("1E+05", "character other than"),
        ("ＡＡＰＬ", "character other than"),
        ("straße", "character other than"),
        ("ﬁve", "character other than"),
        ("\ufeffAAPL", "character other than"),
        ("AA\u200bPL", "character other than"),
        ("A\x00B", "character other than"),
        ("--", "character other than"),
        (".", "character other than"),
        ("^=", "character other than"),
        ("A" * 22, "longer than 21 characters"),
        ("OUR_FARM", "named like a private holding"),
        ("PRIVATE-A", "named like a private holding"),
        ("GROWTHFUND", "named like a private holding"),
        ("AAPL240119C00150000", "enter with the positions"),
        ("aapl  240119c00150000", "enter with the positions"),
        ("O:AAPL240119C00150000", "enter with the positions"),
    ],
)
def test_what_no_price_is_asked_for_has_a_reason(text: str, reason: str) -> None:
    found = why_not_public(text)
    assert found is not None
    assert reason in found


@pytest.mark.parametrize(
    "text",
    ["A", "A" * 21, "AAPL240231C00150000", "FUND", "BF.B", "^VIX", "ES=F", "7203.T", "\xa0KO "],
)
def test_what_may_be_asked_for_has_none(text: str) -> None:
    assert why_not_public(text) is None


def test_all_that_is_wrong_is_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.txt", "\n# x\nA B\nAAPL\nAAPL, MSFT\n")
    sheet = write(tmp_path / "b.csv", 'name,symbol\nx,"OUR_FARM"\n"two\nlines",KO\nshort\nlast,\n')
    named = read_symbols([plain, "", sheet, "IBM"])
    assert named.symbols == ("AAPL", "IBM", "KO")
    assert [str(wrong) for wrong in named.wrong] == [
        f"{plain} line 3: 'A B' has a space inside",
        f"{plain} line 5: 'AAPL,MSFT' has a character other than A-Z 0-9 . - ^ =",
        "'' is empty",
        f"{sheet} line 2: 'OUR_FARM' is named like a private holding, which has no market price",
        f"{sheet} line 5: '' is empty",
        f"{sheet} line 6: '' is empty",
    ]


def test_a_complaint_shows_no_more_than_the_beginning_of_a_long_text() -> None:
    [wrong] = read_symbols(["\x1b" + "A" * 100_000]).wrong
    assert str(wrong) == f"'\\x1b{'A' * 39}...' is longer than 21 characters"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("ticker,name\nAAPL,Apple\n", "mine.csv line 1: a CSV file needs a header with one column"),
        ("\n# x\nAAPL,MSFT\n", "mine.csv line 3: a CSV file needs a header with one column"),
        (
            "Symbol,symbol\nAAPL,MSFT\n",
            "mine.csv line 1: a CSV file needs a header with one column",
        ),
        ("AAPL\n".encode("utf-16"), "mine.csv: not a text file in UTF-8"),
        (b"AAPL\n\xe9\n", "mine.csv: not a text file in UTF-8"),
        (
            'AAPL\n"MSFT\nIBM\n',
            "mine.csv: not readable as CSV after line 1: unexpected end of data",
        ),
        (
            'symbol\n"MSFT"x\nIBM\n',
            "mine.csv: not readable as CSV after line 1: ',' expected after",
        ),
        (
            f"symbol,note\nAAPL,{'x' * 200_000}\n",
            "mine.csv: not readable as CSV after line 1: field larger than",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        read_symbols([write(tmp_path / "mine.csv", content)])


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_symbols([str(tmp_path)])


def test_no_more_than_the_most_symbols_are_read_and_wrong_ones_count(tmp_path: Path) -> None:
    lines = ["A B", *(f"S{number}" for number in range(MOST_SYMBOLS - 1))]
    full = write(tmp_path / "full.txt", "\n".join(lines))
    assert len(read_symbols([full]).symbols) == MOST_SYMBOLS - 1
    with pytest.raises(ConfigurationError, match="more than 100,000 symbols"):
        read_symbols([full, "ONE"])


@given(st.lists(st.text(max_size=25), max_size=8))
def test_every_argument_is_a_symbol_or_has_a_reason(texts: list[str]) -> None:
    texts = [text for text in texts if "/" not in text and "\0" not in text]
    named = read_symbols([text for text in texts if not text.endswith((".csv", ".txt"))])
    assert len(named.symbols) + len(named.wrong) <= len(texts)
    for symbol in named.symbols:
        assert re.fullmatch("[A-Z0-9^=-]{1,21}", symbol)
        assert why_not_public(symbol) is None
