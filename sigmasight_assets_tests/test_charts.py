"""How a figure is spread over portfolios: the counts by hand, the picture as bytes."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sigmasight_assets.charts import Histogram, Subject, draw, histogram, png, spread

BETAS = Subject("Beta", "beta to SPY, no unit")
RETURNS = Subject("Daily return", "return, %", " %", scale=100.0)
FEW = np.array([0.0, 0.1, 0.1, 0.9, 1.0, np.nan, np.inf])


def counted(values: NDArray[np.float64]) -> Histogram:
    found = histogram(values)
    assert found is not None
    return found


def many(portfolios: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.9, 0.4, portfolios)


def image(markdown: str) -> bytes:
    head = "data:image/png;base64,"
    return base64.b64decode(markdown[markdown.index(head) + len(head) : -1], validate=True)


def test_values_are_counted_in_bins_from_the_least_to_the_largest_and_unknown_ones_are_not() -> (
    None
):
    found = counted(FEW)
    assert found.counts.tolist() == [3, 0, 0, 0, 2]
    np.testing.assert_allclose(found.edges, [0, 0.2, 0.4, 0.6, 0.8, 1])
    assert (found.median, found.known, found.total, found.beyond) == (0.1, 5, 7, 0)


def test_a_value_that_lies_far_out_does_not_stretch_the_axis_and_is_counted_beyond_it() -> None:
    found = counted(np.append(many(1000), [1e9, -1e9]))
    assert -2 < found.edges[0] < found.edges[-1] < 4
    assert found.beyond >= 2
    assert found.beyond <= 12
    assert found.counts.sum() + found.beyond == found.known == 1002


def test_of_few_portfolios_every_value_is_on_the_axis() -> None:
    assert counted(np.append(many(90), [50.0])).beyond == 0


@pytest.mark.parametrize("value", [0.0, -3.0, 1e18, 1e-12])
@pytest.mark.parametrize("step", [0.0, 1e-16])
def test_values_that_are_all_alike_share_one_bin(value: float, step: float) -> None:
    found = counted(np.array([value * (1 + step * number) for number in range(10)]))
    assert found.counts.max() == found.known == 10
    assert np.isfinite(found.edges).all()
    assert png(found, BETAS).startswith(b"\x89PNG")


def test_of_too_few_known_values_there_is_a_sentence_and_no_chart() -> None:
    said = "Beta: known of 2 of 4 portfolios, no chart."
    assert spread(np.array([1.0, np.nan, 0.5, np.inf]), BETAS) == said
    assert spread(np.empty(0), BETAS) == "Beta: known of 0 of 0 portfolios, no chart."
    assert spread(np.array([1.0, 2.0, 0.5]), BETAS).startswith("![Beta of 3 portfolios](data:")


def test_a_chart_is_a_small_png_that_says_nothing_of_who_made_it_and_when() -> None:
    drawn = image(spread(many(10_000), BETAS))
    assert len(drawn) < 20_000
    picture = Image.open(io.BytesIO(drawn), formats=["PNG"])
    picture.load()
    assert (picture.size, picture.info) == ((560, 300), {})
    assert len(picture.getcolors() or []) > 8


def test_the_same_values_give_the_same_bytes_and_others_give_others() -> None:
    said = spread(many(500), BETAS)
    assert said == spread(many(500)[::-1], BETAS)
    assert said != spread(many(500, seed=2), BETAS)
    assert said != spread(np.append(many(500), 0.9), BETAS)


def test_the_settings_of_who_draws_do_not_change_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("figure.facecolor: black\nfont.size: 20\n")
    code = (
        "import sys, numpy as np; from sigmasight_assets.charts import Subject, spread; "
        "print(spread(np.arange(9.0), Subject('Beta', 'beta to SPY, no unit')), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == spread(np.arange(9.0), BETAS)


def test_title_axes_and_median_are_labelled_with_counts_and_units() -> None:
    scaled = np.append(many(9_998) / 100, [np.nan, 7.0, 8.0]) * RETURNS.scale
    found = counted(scaled)
    (axes,) = draw(found, RETURNS).axes
    assert axes.get_title() == "Daily return of 10,000 portfolios"
    assert axes.get_xlabel() == f"return, %\n{found.beyond} beyond the axis, 1 unknown"
    assert axes.get_ylabel() == "portfolios"
    (line,) = axes.get_lines()
    assert line.get_xdata() == pytest.approx([np.nanmedian(scaled)] * 2)
    assert axes.get_legend() is not None
    assert line.get_label() == f"median {np.nanmedian(scaled):.3g} %"


def test_only_what_is_left_out_is_mentioned() -> None:
    (axes,) = draw(counted(many(50)), BETAS).axes
    assert axes.get_xlabel() == "beta to SPY, no unit"


def test_the_library_that_draws_is_not_loaded_before_something_is_drawn() -> None:
    code = "import sys, sigmasight_assets.charts; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
