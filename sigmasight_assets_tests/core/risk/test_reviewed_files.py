"""A refusal names the line of what is wrong, whatever the file looks like around it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmasight_assets.core.errors import ReviewedFileInvalid
from sigmasight_assets.core.risk.reviewed_files import Fault, Place, line_of, read_reviewed

# What a line locator might take for a statement of its own.
DECOYS = ("[[scenario]]", "[scenario.shocks]", 'id = "decoy"', "Market = 9", "", "] }", "# #")
VALUES = (
    "1",
    "0.05 # [[scenario]]",
    '"[[scenario]]"',
    "'id = 1 # no comment'",
    '"a \\" quote, a # and a \\n"',
    '"line\u2028separator\u0085and next line"',
    "2023-12-29",
    "[1, [2, 3], '[[scenario]]']",
)


def multi_line(lines: list[str]) -> list[str]:
    """The forms of a value that takes several lines, these among them."""
    inside = "\n".join(lines)
    commented = "".join(f"\n# {line}" for line in lines)
    return [
        f'"""\n{inside}\n"""',
        f"'''{inside}\n'''",
        f'"""a \\"\\"\\" \\\\\n{inside}"""',
        f'"""\\\n   {inside}""" # """',
        f"[ # {inside.splitlines()[0] if inside else ''}{commented}\n  1, 2,\n\n]",
        f'{{ x = """\n{inside}""", y = [\n1,{commented}\n2] }}',
    ]


decoys = st.lists(st.sampled_from(DECOYS), max_size=4)
values = st.sampled_from(VALUES) | decoys.flatmap(lambda lines: st.sampled_from(multi_line(lines)))
remarks = st.lists(
    st.sampled_from(DECOYS).map(lambda line: f"  # {line}") | st.just(""), max_size=3
)
keys = st.sampled_from(["id", "name", "text", "[[scenario]]", "a.b", "#", "Low Volatility", ""])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Place, int]]:
    """A TOML document of tables of an array, and the line of everything it states."""
    text, lines = "", {}

    def add(statement: str, *places: Place) -> None:
        nonlocal text
        text += "".join(f"{line}\n" for line in draw(remarks))
        for place in places:
            lines[place] = text.count("\n") + 1
        text += f"{draw(st.sampled_from(['', '  ', chr(9)]))}{statement}\n"

    for at in range(draw(st.integers(1, 4))):
        entry: Place = ("scenario", at)
        add(draw(st.sampled_from(["[[scenario]]", '[[ "scenario" ]] # [[scenario]]'])), entry)
        for key in draw(st.lists(keys, unique=True, max_size=5)):
            add(f'"{key}" = {draw(values)}', (*entry, key))
        shocks: Place = (*entry, "shocks")
        form = draw(st.sampled_from(["inline", "dotted", "table", "nested", "none"]))
        if form == "inline":
            add("shocks = { Market = 1, 'Size' = 2 }", shocks, (*shocks, "Market"))
            lines[*shocks, "Size"] = lines[shocks]
        if form == "dotted":
            add("shocks . Market = 1", shocks, (*shocks, "Market"))
            add("'shocks'.\"Size\" = 2", (*shocks, "Size"))
        if form in ("table", "nested"):
            add("[ scenario.'shocks' ]", shocks)
            add(f"Market = {draw(values)}", (*shocks, "Market"))
        if form == "nested":
            for number in range(2):
                first = [(*entry, "more")] if number == 0 else []
                add("[[scenario.more]]", *first, (*entry, "more", number))
                add("id = 1", (*entry, "more", number, "id"))
    return text, lines


@settings(max_examples=100)
@given(documents(), st.booleans())
def test_everything_stated_has_the_line_on_which_its_statement_begins(
    document: tuple[str, dict[Place, int]], ends_in_a_line_feed: bool
) -> None:
    text, lines = document
    text = text if ends_in_a_line_feed else text.removesuffix("\n")
    tomllib.loads(text)
    assert {place: line_of(text, place) for place in lines} == lines


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("scenario", 0, "shocks", "Gold"), 3),
        (("scenario", 0, "id"), 2),
        (("scenario", 1), 5),
        (("scenario", 1, "id"), 5),
        (("scenario", 2), 2),
        (("elsewhere",), 1),
        ((), 1),
    ],
)
def test_what_is_missing_is_at_the_line_of_what_should_hold_it(place: Place, line: int) -> None:
    assert line_of("\n[[scenario]]\nshocks = { Market = 1 }\n\n[[scenario]]\n", place) == line


def test_tables_in_a_list_are_at_the_line_of_the_list() -> None:
    text = "a = 1\nscenario = [\n  { id = 1 },\n  { id = 2 },\n]\n"
    assert line_of(text, ("scenario", 1, "id")) == 2


def nothing(document: Mapping[str, Any]) -> None:
    assert document is not None


def refused(path: Path, content: bytes) -> ReviewedFileInvalid:
    path.write_bytes(content)
    with pytest.raises(ReviewedFileInvalid) as refusal:
        read_reviewed(path, nothing, ReviewedFileInvalid)
    return refusal.value


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = 1\nb =\nc = 3\n", 2),
        (b"a = 1\r\n\r\nb = 2 3\r\n", 3),
        (b"a = 1\nb = '''\n\n", 4),
        (b"a = 1\n\na = 2\n", 3),
        (b"# caf\xe9\n", 1),
        (b"a = 1\n# \xc3\xa9\nb = '\xff'\n", 3),
        (b"a = 1\n# \r \nb = 2", 2),
        (b"\xef\xbb\xbfa = 1\n", 1),
        (b"a = 1\nb = 2023-13-01\n", 2),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_its_line(
    tmp_path: Path, content: bytes, line: int
) -> None:
    path = tmp_path / "file.toml"
    refusal = refused(path, content)
    assert refusal.line == line
    assert str(refusal).startswith(f"{path}, line {line}: ")


def test_a_file_that_is_not_there_or_a_number_without_end_has_no_line(tmp_path: Path) -> None:
    with pytest.raises(ReviewedFileInvalid, match="nowhere: No such file") as refusal:
        read_reviewed(tmp_path / "nowhere", nothing, ReviewedFileInvalid)
    assert refusal.value.line is None
    assert refused(tmp_path / "long", b"a = " + b"9" * 5_000).line is None


def test_lines_are_counted_alike_with_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(b'a = """\r\nb\r\n"""\r\n\r\nc = 1\r\n')

    def refuse(document: Mapping[str, Any]) -> NoReturn:
        raise Fault("too small", "c")

    with pytest.raises(ReviewedFileInvalid, match=r"line 5: too small$"):
        read_reviewed(path, refuse, ReviewedFileInvalid)


def test_an_error_that_is_no_fault_of_the_file_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text("a = 1")

    def fail(document: Mapping[str, Any]) -> NoReturn:
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="a mistake of ours"):
        read_reviewed(path, fail, ReviewedFileInvalid)
