"""What an experiment found, as a picture: the labels that each strategy saves,
and below them the budget curve in the manner of the paper's figure 1, labels against test dice."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from model.errors import ResultsError
from model.experiment.evaluation.comparison import compare_areas
from model.experiment.evaluation.curves import strategies, table
from model.experiment.evaluation.reading import describe_best
from model.experiment.evaluation.saved_labels import saved_labels
from model.experiment.evaluation.saved_labels_plot import draw_saved_labels, shown_sizes
from model.experiment.evaluation.style import Style, styles_of
from model.experiment.record.run import INITIAL, RANDOM, WHOLE, Run
from model.files import write_atomically

WIDTH, HEIGHT, DPI = 8.0, 5.0, 150  # of the curve, in inches, and dots per inch: sharp at README width
HEIGHT_OF_SAVED, HEIGHT_OF_ROW = 1.0, 0.26  # inches above it: of the labels saved, and of each strategy in it
MARKS_WIDE = 0.5  # of the narrowest gap between two sizes: the strategies' marks stand side by side in it
CROWDED = 4  # strategies; above it the marks of single experiments step back behind the lines
MOST_MARKED = 10  # experiments; above it and with so many strategies, single ones would hide the lines


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
    with write_atomically(path) as file:
        figure.savefig(file, format="png")


def curve_figure(runs: Sequence[Run], title: str | None = None, sizes: Collection[int] = ()) -> Figure:
    """The picture that `draw_curve` writes. Raises ResultsError without runs."""
    if not runs:
        raise ResultsError("no runs to draw; run the experiment first")
    reference = whole_pool_score(runs)
    runs = [run for run in runs if run.strategy != WHOLE or run.size in sizes] or runs
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    style_of = styles_of(strategies(runs))
    axes = _add_axes(figure, runs, style_of)
    _curves(axes, runs, style_of, reference)
    if title:
        axes.set_title(title, fontsize=11, loc="left", parse_math=False)  # names may hold "$"
    _legend(figure, axes, runs)
    return figure


def _add_axes(figure: Figure, runs: Sequence[Run], style_of: Mapping[str, Style]) -> Axes:
    """The axes of the curve; above them, where there is something to compare, the labels saved."""
    saved = saved_labels(runs)
    if not saved:
        return figure.add_subplot()
    compared = sorted(compare_areas(runs), key=lambda c: -c.mean)
    names = [c.strategy for c in compared] or sorted({each.strategy for each in saved})
    height = HEIGHT_OF_SAVED + HEIGHT_OF_ROW * len(names)
    figure.set_figheight(HEIGHT + height)
    grid = figure.add_gridspec(2, 1, height_ratios=(height, HEIGHT - 1))  # less the legend
    axes = figure.add_subplot(grid[1])
    panels = grid[0].subgridspec(1, len(shown_sizes(saved))).subplots(squeeze=False)
    draw_saved_labels(panels[0], saved, names, style_of)
    figure.suptitle(describe_best(compared, saved), fontsize=12, x=0.01, ha="left", weight="bold")
    return axes


def _curves(
    axes: Axes, runs: Sequence[Run], style_of: Mapping[str, Style], reference: tuple[int, float] | None
) -> None:
    names, shown = strategies(runs), sorted({run.size for run in runs})
    _frame(axes, shown)
    if reference is not None:
        label = f"whole pool ({reference[0]} images): {reference[1]:.3f}"
        axes.axhline(reference[1], color="0.45", linewidth=1.0, linestyle=":", label=label, zorder=1)
    means, faint = table(runs)["mean"], 0.8 if len(names) <= CROWDED else 0.4
    for name in names:
        _line(axes, means[name], runs, name, style_of[name])
    if not _marks_single(runs):
        return
    gap = min((b - a for a, b in itertools.pairwise(shown)), default=1)
    for place, name in enumerate(_order(names)):
        offset = gap * MARKS_WIDE * (place / (len(names) - 1) - 0.5) if len(names) > 1 else 0.0
        _marks(axes, runs, name, style_of[name], offset, faint)
    _marks(axes, runs, INITIAL, Style("0.45", "o", "-"), 0.0, 1.0)


def _marks_single(runs: Sequence[Run]) -> bool:
    """Whether single experiments are marked."""
    return len(strategies(runs)) <= CROWDED or len({run.experiment for run in runs}) <= MOST_MARKED


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


def _order(names: Sequence[str]) -> list[str]:
    """Put `random` in the middle, so that its offset is near zero and its many crosses surround its line."""
    others = [name for name in names if name != RANDOM]
    middle = len(others) // 2
    return others[:middle] + [RANDOM] * (RANDOM in names) + others[middle:]


def _frame(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xlabel("labelled images in the training set", fontsize=11)
    axes.set_ylabel("dice on the test images", fontsize=11)
    axes.xaxis.set_major_locator(FixedLocator(sizes, nbins=14))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=10)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


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


def _legend(figure: Figure, axes: Axes, runs: Sequence[Run]) -> None:
    """Below the axes, where it hides no mark: `random` first, the whole pool last."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    handle_of = dict(zip(labels, handles, strict=True))
    labels.sort(key=lambda label: (not label.startswith(RANDOM), label.startswith("whole pool")))
    marks = ", small marks side by side are single experiments and draws" if _marks_single(runs) else ""
    figure.legend(
        [handle_of[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        handlelength=3.6,
        fontsize=9,
        title=f"experiments: {len({run.experiment for run in runs})}; lines are means{marks}",
        title_fontsize=9,
    )
