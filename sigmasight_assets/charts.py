"""Small charts for a person at the UI: how a figure is spread over portfolios.

They are drawn on a Figure of their own, without pyplot, which keeps figures for ever and looks
for a screen. The same values give the same bytes, whatever the settings of who draws.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sigmasight_assets.core.shapes.panel import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_VALUES: Final = 3
FEWEST_BINS: Final = 5
MOST_BINS: Final = 40
TAIL: Final = 0.005
"""Share of the values at each end that may lie beyond the axis, lest one of them stretch it."""

NARROWEST: Final = 1e-6
"""The width of an axis, in units or in parts of its values, below which they count as equal."""

INCHES: Final = (5.6, 3.0)
DOTS_PER_INCH: Final = 100
COLOURS: Final = 64


@dataclass(frozen=True)
class Subject:
    """What is drawn: `title` as in "Daily return", the axis with its unit, the unit after numbers.

    scale: what a stored value is multiplied by to be in that unit.
    """

    title: str
    axis: str
    unit: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Histogram:
    """How many of the values lie in each of B bins of equal width.

    counts: (B,). edges: (B + 1,), ascending. median: of the known values. known: how many values
    are finite, those beyond the edges included. total: how many there are.
    """

    counts: NDArray[np.int64]
    edges: Floats
    median: float
    known: int
    total: int

    @property
    def beyond(self) -> int:
        """How many known values lie outside the edges."""
        return self.known - int(self.counts.sum())


def histogram(values: Floats) -> Histogram | None:
    """The histogram of the finite values, (P,); None if there are too few to draw."""
    known = values[np.isfinite(values)]
    if len(known) < FEWEST_VALUES:
        return None
    low = float(np.quantile(known, TAIL, method="lower"))
    high = float(np.quantile(known, 1 - TAIL, method="higher"))
    size = max(1.0, abs(low), abs(high))
    if high - low < NARROWEST * size:
        low, high = low - size / 2, high + size / 2
    bins = min(max(math.ceil(math.sqrt(len(known))), FEWEST_BINS), MOST_BINS)
    counts, edges = np.histogram(known, bins, (low, high))
    return Histogram(
        counts.astype(np.int64), edges, float(np.median(known)), len(known), len(values)
    )


def spread(values: Floats, subject: Subject) -> str:
    """Markdown for the UI: a chart of the values of portfolios, (P,), NaN where one has none.

    Of too few finite values it is a sentence.
    """
    scaled = values * subject.scale
    found = histogram(scaled)
    if found is None:
        known = int(np.isfinite(scaled).sum())
        return f"{subject.title}: known of {known:,} of {len(values):,} portfolios, no chart."
    image = base64.b64encode(png(found, subject)).decode("ascii")
    return f"![{_title(found, subject)}](data:image/png;base64,{image})"


def png(found: Histogram, subject: Subject) -> bytes:
    """The picture of a histogram, without a word on who drew it and when."""
    # Imported when something is drawn: the code location should not pay for it when it loads.
    from matplotlib import style  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    # Settings and style sheets of whoever runs this would change the bytes.
    drawn, packed = io.BytesIO(), io.BytesIO()
    with style.context("default"):
        draw(found, subject).savefig(drawn, format="png")
    # A palette takes a third of the bytes, which are kept with every run.
    picture = Image.open(drawn).convert("RGB").quantize(COLOURS)
    picture.save(packed, format="png", optimize=True)
    return packed.getvalue()


def draw(found: Histogram, subject: Subject) -> Figure:
    """The histogram, its title and units, and a line at the median."""
    # Imported late for the same reason.
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.stairs(found.counts, found.edges, fill=True, color="#4f6bed")
    median = f"median {found.median:.3g}{subject.unit}"
    axes.axvline(found.median, color="#d13438", linewidth=1.5, label=median)
    axes.legend(frameon=False, fontsize=9)
    axes.set_title(_title(found, subject), fontsize=10)
    left_out = {"beyond the axis": found.beyond, "unknown": found.total - found.known}
    notes = [f"{count:,} {what}" for what, count in left_out.items() if count]
    axes.set_xlabel("\n".join([subject.axis, ", ".join(notes)]).rstrip())
    axes.set_ylabel("portfolios")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return figure


def _title(found: Histogram, subject: Subject) -> str:
    return f"{subject.title} of {found.known:,} portfolios"
