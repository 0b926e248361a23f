"""The budget curve as a picture, in the manner of the paper's figure 1:
size of the training set against test dice."""

import dataclasses
import io
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from model.errors import ResultsError
from model.experiment.curves import arms, scores, strategies
from model.experiment.results import INITIAL, RANDOM, WHOLE, Run
from model.files import write_bytes

WIDTH, HEIGHT, DPI = 8.0, 5.0, 150  # inches and dots per inch: 1200 x 750 pixels, sharp at README width
MARKS_WIDE = (
    0.5  # of the narrowest gap between two sizes: the marks of the strategies stand side by side in it
)
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
SPARE_STYLES = (
    Style("#7F7F7F", "*", (0, (1, 3))),
    Style("#8C564B", "X", (0, (6, 1, 1, 1))),
)  # of strategies that have none yet


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
    axes = figure.add_subplot()
    _frame(axes, runs, title)
    _whole_pool(axes, reference)
    drawn, style_of = _order(names), _styles(names)
    faint = 0.8 if len(drawn) <= CROWDED else 0.4
    drawn_sizes = sorted({run.size for run in runs})
    gap = min((b - a for a, b in itertools.pairwise(drawn_sizes)), default=1)
    for place, name in enumerate(drawn):
        offset = 0.0 if len(drawn) < 2 else gap * MARKS_WIDE * (place / (len(drawn) - 1) - 0.5)
        _marks(axes, runs, name, style_of[name], offset, faint)
        _line(axes, runs, name, style_of[name])
    _initial_marks(axes, runs)
    _legend(figure, axes, len({run.experiment for run in runs}))
    return figure


def whole_pool_score(runs: Sequence[Run]) -> tuple[int, float] | None:
    """Give size and mean dice of the whole pool:
    a run of its own, or the largest size if all arms hold the same images there."""
    whole = [run for run in runs if run.strategy == WHOLE]
    if not whole:
        largest = max((run.size for run in runs), default=0)
        whole = [run for run in runs if run.size == largest]
        if len({run.chosen for run in whole}) != 1 or len({run.strategy for run in whole}) < 2:
            return None
    by_experiment: dict[int, list[float]] = {}
    for run in whole:
        by_experiment.setdefault(run.experiment, []).append(run.mean_dice)
    means = [sum(values) / len(values) for values in by_experiment.values()]
    return whole[0].size, sum(means) / len(means)


def _styles(names: Sequence[str]) -> dict[str, Style]:
    """The same style for a strategy in every picture; those without one share the spare ones."""
    others = [name for name in names if name not in STYLES]
    return STYLES | {name: SPARE_STYLES[place % len(SPARE_STYLES)] for place, name in enumerate(others)}


def _order(names: Sequence[str]) -> list[str]:
    """Put `random` in the middle, so that its offset is near zero and its many crosses surround its line."""
    others = [name for name in names if name != RANDOM]
    middle = len(others) // 2
    return others[:middle] + [RANDOM] * (RANDOM in names) + others[middle:]


def _frame(axes: Axes, runs: Sequence[Run], title: str | None) -> None:
    sizes = sorted({run.size for run in runs})
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


def _whole_pool(axes: Axes, reference: tuple[int, float] | None) -> None:
    if reference is None:
        return
    size, dice = reference
    axes.axhline(
        dice,
        color="0.45",
        linewidth=1.0,
        linestyle=":",
        label=f"whole pool ({size} images): {dice:.3f}",
        zorder=1,
    )


def _marks(axes: Axes, runs: Sequence[Run], name: str, style: Style, offset: float, alpha: float) -> None:
    own = [run for run in runs if run.strategy == name]
    x, y = [run.size + offset for run in own], [run.mean_dice for run in own]
    if name == RANDOM:
        axes.scatter(
            x, y, s=16, marker=style.marker, color=style.colour, alpha=alpha * 0.45, linewidths=0.9, zorder=2
        )
    else:
        axes.scatter(
            x,
            y,
            s=22,
            marker=style.marker,
            facecolors="none",
            edgecolors=style.colour,
            alpha=alpha,
            linewidths=0.9,
            zorder=3,
        )


def _line(axes: Axes, runs: Sequence[Run], name: str, style: Style) -> None:
    by_size = scores(runs)[name]
    x = list(by_size)
    y = [sum(by_experiment.values()) / len(by_experiment) for by_experiment in by_size.values()]
    draws = len({draw for _, strategy, draw in arms(runs) if strategy == name})
    label = f"{name} (mean of {draws} draws)" if draws > 1 else name
    axes.plot(
        x,
        y,
        color=style.colour,
        linestyle=style.dash,
        linewidth=1.8,
        marker=style.marker,
        markersize=5.5,
        label=label,
        zorder=4,
    )


def _initial_marks(axes: Axes, runs: Sequence[Run]) -> None:
    shared = [run for run in runs if run.strategy == INITIAL]
    axes.scatter(
        [r.size for r in shared],
        [r.mean_dice for r in shared],
        s=18,
        marker="o",
        facecolors="none",
        edgecolors="0.45",
        zorder=2,
    )


def _legend(figure: Figure, axes: Axes, experiments: int) -> None:
    """Below the axes, where it hides no mark."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    order = sorted(
        range(len(labels)),
        key=lambda i: (not labels[i].startswith(RANDOM), labels[i].startswith("whole pool")),
    )
    figure.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        handlelength=3.6,
        fontsize=9,
        title=(
            f"experiments: {experiments}; lines are means, small marks side by side are single experiments"
            " and draws"
        ),
        title_fontsize=9,
    )
