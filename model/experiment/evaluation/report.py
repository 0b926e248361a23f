"""The report.md of an experiment:
what was run, the scores, the comparison with random choice, and what it allows to say."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from model.errors import ResultsError
from model.experiment.evaluation import curves, reading
from model.experiment.evaluation.comparison import Comparison, compare_areas, compare_sizes, win_rates
from model.experiment.evaluation.cost import cost
from model.experiment.evaluation.forecast import describe_forecasts, forecasts
from model.experiment.evaluation.markdown import to_markdown
from model.experiment.evaluation.saved_labels import SavedLabels, saved_labels
from model.experiment.evaluation.significance import smallest_p
from model.experiment.record.agreement import flatten
from model.experiment.record.plan import comparable_runs, planned_runs
from model.experiment.record.results import Results
from model.experiment.record.run import Run
from model.files import write_bytes

CURVE = "curve.png"  # which plot.draw_curve makes beside the report
CURVE_SHOWS = "The labels that each strategy saves, and test dice by number of labelled images"
RANDOM_NEEDS = (
    " Random needs, for {size}: the labels with which random choice has the dice that the strategy has with"
    " {size}, both in the mean of the experiments [95 % bootstrap interval]. Between two sizes random's dice"
    " is taken to rise with the logarithm of the number of labels."
)
LONGEST_LIST = 12  # members of a setting that are shown; results.json holds all


def write_report(results: Results, path: Path) -> None:
    """Write the report as markdown, which shows the curve.png beside it;
    ResultsError where there is no run yet."""
    if not results.runs:
        raise ResultsError(f"no runs to report at {path}; run the experiment first")
    write_bytes(path, report(results).encode())


def report(results: Results) -> str:
    """The text of the report, with a link to curve.png."""
    runs, comparable = planned_runs(results), comparable_runs(results)
    compared, saved = compare_areas(runs), saved_labels(runs)
    worst = compare_areas(runs, "worst_dice")
    forecast = describe_forecasts(forecasts(comparable))
    sections = [
        "# Experiment: which images to label next",
        reading.describe_missing(results),
        "## Reading",
        reading.describe_comparison(runs, compared, saved),
        _gains(compared, worst, saved),
        f"![{CURVE_SHOWS}]({CURVE})",
        reading.describe_design(results.protocol),
        reading.RULE if compared else "",
        reading.describe_fallbacks(results.runs),
        "## Test dice by number of labelled images",
        _scores(runs, "dice"),
        reading.describe_whole_pool(comparable),
        reading.describe_saturation(comparable),
        "## Budget curve against random choice",
        _areas(runs, compared),
        "## Differences to random choice by size",
        _sizes(runs),
        "## Dice of the worst fifth of the test images",
        _scores(runs, "worst_dice"),
        _worst_fifth(worst),
        *(["## Forecast", forecast] if forecast else []),
        "## Compute",
        _cost(results.runs),
        _machines(results.runs),
        "## Training noise",
        reading.describe_noise(results.runs),
        "## What was run",
        _protocol(results.protocol),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _gains(compared: Sequence[Comparison], worst: Sequence[Comparison], saved: Sequence[SavedLabels]) -> str:
    """What each strategy gives over random choice, in one table, the best first."""
    if not compared:
        return ""
    worst_of = {c.strategy: reading.signed(c.mean) for c in worst}
    needed = {(each.strategy, each.size): reading.saved_text(each) for each in saved}
    lines = [
        {
            "strategy": c.strategy,
            "area above random": reading.signed(c.mean),
            "95 % interval": reading.interval(c),
            "p (Holm)": reading.p_value(c.p_holm),
            "above random in": f"{c.ahead} of {c.n}",
            "worst fifth": worst_of.get(c.strategy, ""),
        }
        | {
            f"random needs, for {size}": needed.get((c.strategy, size), "–")
            for size in sorted({each.size for each in saved})
        }
        for c in sorted(compared, key=lambda c: -c.mean)
    ]
    return (
        f"{to_markdown(pd.DataFrame(lines))}\n\nArea: under the curve of test dice over the number of"
        " labels. Worst fifth: the same for the fifth of the test images that are segmented worst."
        f"{RANDOM_NEEDS.format(size=saved[0].size) if saved else ''}"
    )


def _scores(runs: Sequence[Run], measure: curves.Measure) -> str:
    table = curves.table(runs, measure)
    if table.empty:
        return "No strategy has a run yet."
    n = int(table.n.max())
    spread = table.sd.map(lambda deviation: "" if math.isnan(deviation) else f" ± {deviation:.3f}")
    fewer = table.n.map(lambda experiments: "" if experiments == n else f" (n = {experiments})")
    cells = (table["mean"].map("{:.3f}".format) + spread + fewer).unstack("size", fill_value="–", sort=False)
    return (
        f"{to_markdown(cells[sorted(cells)].reset_index())}\n\nMean ± standard deviation over"
        f" {reading.count(n, 'experiment')}; draws of random are averaged within their experiment first."
    )


def _areas(runs: Sequence[Run], compared: Sequence[Comparison]) -> str:
    found = curves.areas(runs).groupby("strategy").agg(["mean", "count"])
    if found.empty:
        return "No area yet: it needs two sizes that every strategy has reached."
    against, rates = {c.strategy: c for c in compared}, win_rates(runs, ["strategy"]).T
    lines = []
    for name in [name for name in curves.strategies(runs) if name in found.index]:
        mean, n = found.loc[name]
        line = {"strategy": name, "area": f"{mean:.4f}", "n": f"{n:.0f}"}
        if name in against:
            line |= _difference(against[name]) | {"n paired": str(against[name].n)}
        lines.append(line | _rate(rates.get(name)))
    sizes, least = curves.common_sizes(runs), {c.n: smallest_p(c.n) for c in compared if c.n > 1}
    limits = "; ".join(
        f"with {n} experiments the smallest p possible is {reading.p_value(p)} before correction"
        for n, p in sorted(least.items())
    )
    return (
        f"{to_markdown(pd.DataFrame(lines).fillna(''))}\n\nArea under the budget curve from {sizes[0]} to"
        f" {sizes[-1]} images by the trapezoid rule, divided by the range, so that it reads as a mean dice."
        " Differences to random are paired within experiments; interval: percentile bootstrap over"
        " experiments; p: two-sided sign-flip test, corrected over the strategies. The last two columns count"
        " pairs of experiment and size at which the two hold different images."
        f"{f' Note: {limits}.' if limits else ''}"
    )


def _sizes(runs: Sequence[Run]) -> str:
    by_size, rates = compare_sizes(runs), win_rates(runs, ["strategy", "size"]).T
    if not by_size:
        return "Nothing to compare with random choice yet."
    lines = [
        {"strategy": c.strategy, "size": str(c.size), "n": str(c.n)}
        | _difference(c)
        | _rate(rates.get((c.strategy, c.size)))
        for c in by_size
    ]
    return (
        f"{to_markdown(pd.DataFrame(lines).fillna(''))}\n\nThe p-values are corrected over all strategies"
        " and sizes with different images."
    )


def _difference(c: Comparison) -> dict[str, str]:
    ps = {} if c.same_sets else {"p": reading.p_value(c.p), "p (Holm)": reading.p_value(c.p_holm)}
    return {"difference": reading.signed(c.mean), "95 % interval": reading.interval(c), **ps}


def _rate(rate: "pd.Series[float] | None") -> dict[str, str]:
    if rate is None:
        return {}
    return {
        "above random's mean": f"{rate.wins:.0%} of {rate.pairs:.0f}",
        "above single draws": f"{rate.draws_beaten:.0%} of {rate.draws:.0f}",
    }


def _worst_fifth(compared: Sequence[Comparison]) -> str:
    listed = "; ".join(f"{c.strategy} {reading.signed(c.mean)} {reading.interval(c)}" for c in compared)
    return f"Difference of the area to random on these images, 95 % interval: {listed}." if listed else ""


def _cost(runs: Sequence[Run]) -> str:
    spent = cost(runs)
    table = pd.DataFrame(
        {
            "sets trained": spent.runs,
            "steps chosen": spent.steps,
            "choosing, s": spent.query_seconds.map("{:.1f}".format),
            "choosing, s a step": spent.query_seconds_per_step.map("{:.2f}".format).replace("nan", "none"),
            "training and scoring, s": spent.train_seconds.map("{:.1f}".format),
        }
    )
    return (
        f"{to_markdown(table.reset_index())}\n\nTraining and scoring is the price of this evaluation; a lab"
        " pays only for choosing and for its own network."
    )


def _machines(runs: Sequence[Run]) -> str:
    """What the sets were trained on;
    by strategy where it was not the same, as a difference between two may come from that."""
    names = [", ".join(f"{key} {value}" for key, value in run.machine.items()) for run in runs]
    kinds = sorted({*names})
    if len(kinds) == 1:
        return f"All sets were trained on: {kinds[0]}." if kinds[0] else ""
    trained = pd.crosstab([run.strategy for run in runs], [names], rownames=["sets trained on"])
    table = trained.loc[cost(runs).index, kinds].rename(columns={"": "not noted"})
    return (
        f"{to_markdown(table.rename_axis('sets trained on').reset_index())}\n\nSeconds of different machines"
        " do not compare, and where two strategies were not trained on the same, a difference between them"
        " may come from that."
    )


def _protocol(protocol: Mapping[str, Any]) -> str:
    settings = [(key, _cell(value)) for key, value in flatten(protocol).items() if key != "command"]
    command = protocol.get("command", "")
    command = command if isinstance(command, str) else " ".join(map(str, command))
    table = "The protocol is empty."
    if settings:
        table = to_markdown(pd.DataFrame(settings, columns=["setting", "value"]), rule="---")
    if not command:
        return table
    return (
        "The last command; an experiment may have grown by several, and the settings are those of the whole."
        f"\n\n```\n{command}\n```\n\n{table}"
    )


def _cell(value: Any) -> str:
    """A setting in a line; a long list by its length and first members."""
    if isinstance(value, list):
        shown = ", ".join(_cell(member) for member in value[:LONGEST_LIST])
        return shown if len(value) <= LONGEST_LIST else f"{shown}, ... ({len(value)} in all)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
