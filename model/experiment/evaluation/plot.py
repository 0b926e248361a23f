"""The budget curve as a picture, in the manner of the paper's figure 1:
size of the training set against test dice."""

import dataclasses
import io
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from model.errors import ResultsError
from model.experiment.evaluation.curves import strategies, table
from model.experiment.record.run import INITIAL, RANDOM, WHOLE, Run
from model.files import write_bytes

WIDTH, HEIGHT, DPI = 8.0, 5.0, 150  # inches and dots per inch: 1200 x 750 pixels, sharp at README width
MARKS_WIDE = 0.5  # of the narrowest gap between two sizes: the strategies' marks stand side by side in it
CROWDED = 4  # strategies; above it the marks of single experiments step back behind the lines


@dataclasses.dataclass(frozen=True)
class Style:
    """How one strategy is drawn; told apart by any one of colour, marker and dash."""

    colour: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]


# Okabe and Ito's colours, which people with the common colour-vision deficiencies tell apart;
# the first three as in the paper's figure 1.
STYLES = {
    "task_dependent": Style("#000000", "D", (0, (5, 2))),
    RANDOM: Style("#0072B2", "x", "-"),
    "ensemble": Style("#D55E00", "P", (0, (7, 2, 1.5, 2))),
    "trusted": Style("#009E73", "o", (0, (1.5, 1.5))),
    "uncertainty": Style("#CC79A7", "^", (0, (9, 3))),
    "farthest_first": Style("#E69F00", "s", (0, (4, 1.5, 1.5, 1.5, 1.5, 1.5))),
    "alike": Style("#56B4E9", "v", (0, (3, 1))),
    "looks": Style("#F0E442", "<", (0, (2, 4))),
}
# of strategies that have none yet
SPARE_STYLES = (Style("#7F7F7F", "*", (0, (1, 3))), Style("#8C564B", "X", (0, (6, 1, 1, 1))))


def draw_curve(
    runs: Sequence[Run], path: Path, title: str | None = None, sizes: Collection[int] = ()
) -> None:
    """Write a PNG:
    a line for the mean of each strategy, a mark for each experiment, a faint cross for each random draw.

    The score after training on the whole pool, where it is there, is a dotted line: what all labels give.
    A whole-pool run that is shared by the arms also ends their lines if its size is among `sizes`, the
    planned sizes.
    """
    figure = curve_figure(runs, title, sizes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_bytes(path, buffer.getvalue())


def curve_figure(runs: Sequence[Run], title: str | None = None, sizes: Collection[int] = ()) -> Figure:
    """The picture that `draw_curve` writes. Raises ResultsError without runs."""
    if not runs:
        raise ResultsError("no runs to draw; run the experiment first")
    reference = whole_pool_score(runs)
    runs = [run for run in runs if run.strategy != WHOLE or run.size in sizes] or runs
    names = strategies(runs)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes, shown_sizes = figure.add_subplot(), sorted({run.size for run in runs})
    _frame(axes, shown_sizes, title)
    if reference is not None:
        label = f"whole pool ({reference[0]} images): {reference[1]:.3f}"
        axes.axhline(reference[1], color="0.45", linewidth=1.0, linestyle=":", label=label, zorder=1)
    means, style_of, faint = table(runs)["mean"], _styles(names), 0.8 if len(names) <= CROWDED else 0.4
    gap = min((b - a for a, b in itertools.pairwise(shown_sizes)), default=1)
    for place, name in enumerate(_order(names)):
        offset = gap * MARKS_WIDE * (place / (len(names) - 1) - 0.5) if len(names) > 1 else 0.0
        _marks(axes, runs, name, style_of[name], offset, faint)
        _line(axes, means[name], runs, name, style_of[name])
    _marks(axes, runs, INITIAL, Style("0.45", "o", "-"), 0.0, 1.0)
    _legend(figure, axes, len({run.experiment for run in runs}))
    return figure


def whole_pool_score(runs: Sequence[Run]) -> tuple[int, float] | None:
    """Size and mean dice of the whole pool:
    a run of its own, or the largest size if all arms hold the same images there."""
    whole = [run for run in runs if run.strategy == WHOLE]
    if not whole:
        largest = max((run.size for run in runs), default=0)
        whole = [run for run in runs if run.size == largest]
        if len({run.chosen for run in whole}) != 1 or len({run.strategy for run in whole}) < 2:
            return None
    scores = pd.Series([run.mean_dice for run in whole]).groupby([run.experiment for run in whole]).mean()
    return whole[0].size, float(scores.mean())


def _styles(names: Sequence[str]) -> dict[str, Style]:
    """The same style for a strategy in every picture; those without one share the spare ones."""
    others = [name for name in names if name not in STYLES]
    return STYLES | {name: SPARE_STYLES[place % len(SPARE_STYLES)] for place, name in enumerate(others)}


def _order(names: Sequence[str]) -> list[str]:
    """Put `random` in the middle, so that its offset is near zero and its many crosses surround its line."""
    others = [name for name in names if name != RANDOM]
    middle = len(others) // 2
    return others[:middle] + [RANDOM] * (RANDOM in names) + others[middle:]


def _frame(axes: Axes, sizes: Sequence[int], title: str | None) -> None:
    axes.set_xlabel("labelled images in the training set", fontsize=11)
    axes.set_ylabel("dice on the test images", fontsize=11)
    axes.xaxis.set_major_locator(FixedLocator(sizes, nbins=14))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=10)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, fontsize=12, loc="left")


def _marks(axes: Axes, runs: Sequence[Run], name: str, style: Style, offset: float, alpha: float) -> None:
    own = [run for run in runs if run.strategy == name]
    look: dict[str, Any] = {"facecolors": "none", "edgecolors": style.colour, "s": 22, "alpha": alpha}
    if name == RANDOM:  # of which there are many
        look = {"color": style.colour, "s": 16, "alpha": alpha * 0.45}
    x, y = [run.size + offset for run in own], [run.mean_dice for run in own]
    axes.scatter(x, y, marker=style.marker, linewidths=0.9, zorder=2 if name == RANDOM else 3, **look)


def _line(axes: Axes, means: "pd.Series[float]", runs: Sequence[Run], name: str, style: Style) -> None:
    draws = len({run.draw for run in runs if run.strategy == name})
    axes.plot(
        *(means.index, means),
        color=style.colour,
        linestyle=style.dash,
        linewidth=1.8,
        marker=style.marker,
        markersize=5.5,
        label=f"{name} (mean of {draws} draws)" if draws > 1 else name,
        zorder=4,
    )


def _legend(figure: Figure, axes: Axes, experiments: int) -> None:
    """Below the axes, where it hides no mark: `random` first, the whole pool last."""
    handles, labels = axes.get_legend_handles_labels()
    entries = sorted(
        zip(labels, handles, strict=True),
        key=lambda entry: (not entry[0].startswith(RANDOM), entry[0].startswith("whole pool")),
    )
    if not entries:
        return
    figure.legend(
        [handle for _, handle in entries],
        [label for label, _ in entries],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        handlelength=3.6,
        fontsize=9,
        title=f"experiments: {experiments}; lines are means, small marks side by side are single experiments"
        " and draws",
        title_fontsize=9,
    )
