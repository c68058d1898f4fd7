"""A source is made from the name in the settings, or refused with the legal names."""

from __future__ import annotations

import pytest

from sigmasight_assets.core.errors import ConfigurationError
from sigmasight_assets.core.market.files import FilesSource
from sigmasight_assets.core.market.sources import make_source
from sigmasight_assets.core.market.synthetic import SyntheticSource


def test_each_name_makes_its_source(tmp_path):
    files = make_source("files", tmp_path / "prices.parquet")
    assert isinstance(files, FilesSource)
    assert files.path == tmp_path / "prices.parquet"
    assert isinstance(make_source("synthetic", None), SyntheticSource)


@pytest.mark.parametrize("name", ["", "Files", "bloomberg"])
def test_an_unknown_name_is_refused_naming_the_legal_ones(name):
    with pytest.raises(ConfigurationError, match=f"'{name}'.*files, synthetic"):
        make_source(name, None)


def test_files_without_a_path_are_refused_naming_the_setting():
    with pytest.raises(ConfigurationError, match="SIGMASIGHT_PRICE_FILES"):
        make_source("files", None)


def test_a_source_of_files_that_are_not_there_is_made_without_looking(tmp_path):
    assert make_source("files", tmp_path / "later.parquet").name == "files"
