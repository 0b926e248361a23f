"""Labels saved as a picture: how many random choice needs for the dice that each strategy has with fewer."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from model.experiment.evaluation.saved_labels import SavedLabels
from model.experiment.evaluation.style import Style

MOST_PANELS = 4  # sizes that are shown beside each other
BEYOND = 0.07  # of the axis: the place of what random does not reach, right of its largest size


def shown_sizes(saved: Sequence[SavedLabels]) -> list[int]:
    """The sizes worth a panel: not random's last where there are others, as there random needs no more labels
    or is said not to get there, whatever the strategy."""
    sizes = sorted({each.size for each in saved})
    return ([size for size in sizes if size < saved[0].most] or sizes)[:MOST_PANELS] if sizes else []


def draw_saved_labels(
    panels: Sequence[Axes],
    saved: Sequence[SavedLabels],
    names: Sequence[str],
    styles: Mapping[str, Style],
) -> None:
    """Draw a panel for each of `shown_sizes`, with a row for each name, the first on top."""
    for axes, size in zip(panels, shown_sizes(saved), strict=True):
        of_size = {each.strategy: each for each in saved if each.size == size}
        _frame(axes, next(iter(of_size.values())))
        for row, name in enumerate(names):
            if name in of_size:
                _row(axes, row, of_size[name], styles[name])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), names if axes is panels[0] else [""] * len(names), fontsize=10)
        axes.tick_params(axis="y", length=0)


def _frame(axes: Axes, any_: SavedLabels) -> None:
    end = any_.most + 2 * BEYOND * (any_.most - any_.least)
    axes.set_xlim(any_.least - BEYOND * (any_.most - any_.least), end)
    axes.axvspan(any_.size, end, color="#009E73", alpha=0.08, linewidth=0)
    axes.axvline(any_.size, color="0.45", linewidth=1.0, linestyle=":")
    axes.set_title(f"As good as {any_.size} chosen: random needs", fontsize=10, loc="left")
    axes.xaxis.set_major_locator(FixedLocator(sorted({any_.least, any_.size, any_.most})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=10)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _row(axes: Axes, row: int, saved: SavedLabels, style: Style) -> None:
    beyond = saved.most + BEYOND * (saved.most - saved.least)
    low, high, needed = (
        float(np.minimum(labels, beyond))
        for labels in (*(saved.interval or (saved.needed,) * 2), saved.needed)
    )
    axes.plot((low, high), (row, row), color=style.colour, linewidth=1.6, alpha=0.45, solid_capstyle="butt")
    if high == beyond:
        axes.plot(high, row, marker=">", color=style.colour, markersize=4, alpha=0.45)
    axes.plot(needed, row, marker=style.marker, color=style.colour, markersize=6, linestyle="none")
    axes.annotate(
        f"> {saved.most}" if needed == beyond else f"{needed:.1f}",
        (needed, row),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right" if needed == beyond else "center",
        va="bottom",
        fontsize=8,
    )
