"""How well a strategy's forecast, the expected dice after a batch, predicts what the test images show."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from model.experiment.evaluation.curves import ARM, arms
from model.experiment.evaluation.markdown import to_markdown
from model.experiment.evaluation.style import styles_of
from model.experiment.record.run import FORECAST, Run
from model.files import write_atomically
from model.forecast import LITTLE
from model.reason import Measure

PICTURE = "forecast.png"
FEWEST_STEPS = 10  # of a strategy; a rank correlation of fewer says nothing
WIDTH, HEIGHT, DPI = 8.0, 3.6, 150  # inches, and dots per inch


@dataclasses.dataclass(frozen=True)
class Forecasts:
    """The steps of a strategy that made a forecast.

    table: a row for each step. size: labels after it. predicted: expected dice after the batch;
    predicted_gain: minus that before it, NaN where it was not kept. worst, mean: test dice after the batch,
    of the worst fifth of the images and of all; worst_gain, mean_gain: minus those before it.
    """

    strategy: str
    measure: Measure  # what is expected
    table: pd.DataFrame

    @property
    def enough(self) -> bool:
        """Whether there are enough steps for a correlation."""
        return len(self.table) >= FEWEST_STEPS

    def correlation(self, predicted: str, real: str) -> float:
        """Spearman's rank correlation of two columns over the steps that have both; NaN where these are too
        few, or all alike in one."""
        both = self.table[[predicted, real]].dropna()
        if len(both) < FEWEST_STEPS or (both.nunique() < 2).any():
            return math.nan
        return float(stats.spearmanr(both[predicted], both[real]).statistic)

    def within_sizes(self, predicted: str, real: str) -> float:
        """The mean of that correlation among the steps to each number of labels; NaN where none has enough.

        With more labels every dice rises and every gain shrinks, so that a forecast that knew nothing but
        their number would correlate over all steps.
        """
        of_sizes = [
            dataclasses.replace(self, table=part).correlation(predicted, real)
            for _, part in self.table.groupby("size")
        ]
        known = [each for each in of_sizes if not math.isnan(each)]
        return float(np.mean(known)) if known else math.nan


def forecasts(runs: Sequence[Run]) -> list[Forecasts]:
    """What each strategy forecast and what came, by name; none of a strategy without forecasts.

    Results of releases that did not keep the dice before the batch have that after it alone.
    """
    noted = pd.DataFrame([row for run in runs if (row := _forecast(run))])
    if noted.empty:
        return []
    real = {"mean": arms(runs).set_index([*ARM, "size"]).score}
    real["worst"] = arms(runs, "worst_dice").set_index([*ARM, "size"]).score
    table = pd.DataFrame(real).sort_index()
    before = table.groupby(ARM).shift()
    gains = (table - before).add_suffix("_gain")
    steps = noted.join(table.join(gains), on=[*ARM, "size"]).dropna(subset=["mean_gain"])
    return [
        Forecasts(str(strategy), Measure(measure), of_one.reset_index(drop=True))
        for (strategy, measure), of_one in steps.groupby(["strategy", "measure"])
    ]


def _forecast(run: Run) -> dict[str, object] | None:
    """The forecast among the notes of a run.

    Earlier releases kept the value of the batch in its place; the earliest knew one measure, the worst image.
    """
    measure = Measure.of_notes(run.notes) or (Measure.WORST if "upper_bound" in run.notes else None)
    after = run.notes.get(FORECAST, run.notes.get("value", math.nan))
    if measure is None or not math.isfinite(after):
        return None
    before = run.notes.get(measure.note, math.nan)
    gain = max(after, before) - before if math.isfinite(before) else math.nan
    key = {name: getattr(run, name) for name in [*ARM, "size"]}
    return key | {"measure": measure.value, "predicted": after, "predicted_gain": gain}


def describe_forecasts(found: Sequence[Forecasts]) -> str:
    """A table of correlations and what forecasts of no gain were worth; empty without forecasts."""
    enough = [each for each in found if each.enough]
    few = ", ".join(f"{each.strategy} {len(each.table)}" for each in found if not each.enough)
    short = f"Not enough steps to judge a forecast (at least {FEWEST_STEPS}): {few}." if few else ""
    if not enough:
        return short
    pairs = {
        "dice: worst fifth": ("predicted", "worst"),
        "dice: all": ("predicted", "mean"),
        "gain: worst fifth": ("predicted_gain", "worst_gain"),
        "gain: all": ("predicted_gain", "mean_gain"),
    }
    lines = [
        {"strategy": each.strategy, "forecast of the": each.measure.words, "steps": str(len(each.table))}
        | {
            title: _numbers(each.correlation(*columns), each.within_sizes(*columns))
            for title, columns in pairs.items()
        }
        for each in enough
    ]
    sections = [
        to_markdown(pd.DataFrame(lines)),
        "Rank correlation (Spearman) over all steps, of what was forecast with what the test images showed at"
        " the next size: 1 where both rank the steps alike, 0 where they have nothing in common. In brackets:"
        " among the steps to one number of labels, in the mean over these. *Dice* rises with every label"
        " anyway, and gains shrink, so the number of labels alone would correlate over all steps. *Gain*,"
        " what the batch adds, is what the advice to stop rests on.",
        *filter(None, map(_describe_flat, enough)),
        short,
        f"![What was forecast against what came]({PICTURE})",
    ]
    return "\n\n".join(section for section in sections if section)


def _numbers(over_all: float, within_sizes: float) -> str:
    """Two correlations, the second in brackets."""
    first, second = ("unknown" if math.isnan(each) else f"{each:+.2f}" for each in (over_all, within_sizes))
    return first if math.isnan(over_all) else f"{first} ({second})"


def _describe_flat(each: Forecasts) -> str:
    """What came where hardly any gain was forecast; empty where that never happened."""
    gains = each.table.dropna(subset=["predicted_gain"])
    flat = gains.predicted_gain < LITTLE
    if not flat.any():
        return ""
    others = f", and {gains.mean_gain[~flat].mean():+.3f} after the others" if not flat.all() else ""
    return (
        f"{each.strategy} forecast a gain below {LITTLE} in {flat.sum()} of {len(gains)} steps: the test dice"
        f" changed by {gains.mean_gain[flat].mean():+.3f} in the mean after these{others}."
    )


def draw_forecasts(found: Iterable[Forecasts], path: Path) -> None:
    """Write a PNG of what was forecast against what came, a mark for each step; nothing where no strategy
    has enough steps."""
    enough = [each for each in found if each.enough]
    if not enough:
        return
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    level, gain = figure.subplots(1, 2)
    styles = styles_of([each.strategy for each in enough])
    for each in enough:
        style = styles[each.strategy]
        real = "mean" if each.measure is Measure.MEAN else "worst"
        label = f"{each.strategy}: {'all' if real == 'mean' else 'worst fifth'}"
        look = {"marker": style.marker, "s": 22, "facecolors": "none", "edgecolors": style.colour}
        level.scatter(each.table.predicted, each.table[real], label=label, linewidths=0.9, **look)
        gain.scatter(each.table.predicted_gain, each.table[f"{real}_gain"], linewidths=0.9, **look)
    _frame(level, "dice")
    _frame(gain, "gain of the batch")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    with write_atomically(path) as file:
        figure.savefig(file, format="png")


def _frame(axes: Axes, what: str) -> None:
    """Labels, and the line on which a forecast is right."""
    axes.set_xlabel(f"{what}, forecast", fontsize=10)
    axes.set_ylabel(f"{what} on the test images", fontsize=10)
    ends = np.array([*axes.get_xlim(), *axes.get_ylim()])
    axes.plot(*[(ends.min(), ends.max())] * 2, color="0.7", linewidth=0.8, linestyle=":", zorder=1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
