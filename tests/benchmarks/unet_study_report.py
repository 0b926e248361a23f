"""What the runs of unet_study say so far, by the rule of docs/experiments/unet-recipe-plan.md.

Run: .venv/bin/python -m tests.benchmarks.unet_study_report   (writes the tables into the page of the results)
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from model.files import write_bytes
from tests.benchmarks.unet_study import BASE, RESULTS, SETTINGS, TRAININGS, WAYS, trainings_of

PAGE = Path("docs/experiments/unet-recipe.md")
LEVELS = (95.0, 99.5)
"""Per cent: as usual, and for the eleven candidates of the rule."""

Cell = tuple[str, int]
"""A setting's name and a number of labels."""
Candidate = tuple[str, str]
"""A training and a way to predict."""
Gains = dict[Cell, npt.NDArray[np.float64]]
"""Of a candidate, (draws,) in each cell."""

CELLS: list[Cell] = [(setting.name, size) for setting in SETTINGS for size in setting.sizes]
SIZES = sorted({size for _, size in CELLS})
CANDIDATES: list[Candidate] = [(name, way) for name in TRAININGS for way in WAYS]


def collect(runs: Sequence[Mapping[str, Any]], what: str) -> dict[Candidate, dict[Cell, dict[int, float]]]:
    """`what` ("dice" or "seconds") of each candidate by cell and draw."""
    found: dict[Candidate, dict[Cell, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        for way, value in run[what].items():
            found[run["training"], way][run["setting"], run["size"]][run["draw"]] = value
    return found


def compare(values: Mapping[Cell, Mapping[int, float]], base: Mapping[Cell, Mapping[int, float]]) -> Gains:
    """The differences to the base, in the cells and draws that have both."""
    pairs = {cell: sorted(values[cell].keys() & base.get(cell, {}).keys()) for cell in values}
    return {
        cell: np.array([values[cell][draw] - base[cell][draw] for draw in draws])
        for cell, draws in pairs.items()
        if draws
    }


def mean_of(gains: Mapping[Cell, float | npt.NDArray[np.float64]]) -> Any:
    """Over the numbers of labels of each setting, then over settings, each alike."""
    by_setting: dict[str, list[Any]] = defaultdict(list)
    for (setting, _), value in gains.items():
        by_setting[setting].append(value)
    return np.mean([np.mean(each, axis=0) for each in by_setting.values()], axis=0)


def interval(samples: Sequence[Sequence[float]], level: float) -> tuple[float, float] | None:
    """Of the mean of the samples' means, at a level in per cent: Student's t, with each sample's own variance
    and the degrees of freedom of Welch and Satterthwaite. None where a sample has but one value."""
    if not samples or min(map(len, samples)) < 2:
        return None
    parts = np.array([np.var(each, ddof=1) / len(each) for each in samples])
    counts = np.array([len(each) for each in samples])
    free = parts.sum() ** 2 / (parts**2 / (counts - 1)).sum()
    middle = float(np.mean([np.mean(each) for each in samples]))
    half = float(student.ppf((100 + level) / 200, free) * np.sqrt(parts.sum()) / len(samples))
    return middle - half, middle + half


def samples_of(gains: Gains) -> list[list[float]]:
    """Of each setting, the mean gains at its numbers of labels."""
    found: dict[str, list[float]] = defaultdict(list)
    for (setting, _), values in gains.items():
        found[setting].append(float(values.mean()))
    return list(found.values())


def behind(gains: Gains) -> list[str]:
    """The settings and the numbers of labels at which the interval of the rule is below zero."""
    found: dict[str, list[float]] = defaultdict(list)
    for (setting, size), values in gains.items():
        found[setting].append(float(values.mean()))
        found[f"{size} labels" if size > 1 else "1 label"].append(float(values.mean()))
    intervals = {name: interval([values], LEVELS[1]) for name, values in found.items()}
    return [name for name, each in intervals.items() if each is not None and each[1] < 0]


def progress(runs: Sequence[Mapping[str, Any]]) -> str:
    """How much of the plan has been run."""
    draws = sum(len(trainings_of(setting)) * len(setting.sizes) for setting in SETTINGS)
    first = sum(run["draw"] == 0 for run in runs)
    cells = len({(run["setting"], run["size"]) for run in runs})
    return (
        f"So far {first} of the first draw's {draws} trainings and {len(runs) - first} of further draws, in"
        f" {cells} of {len(CELLS)} cells.\n"
    )


def steps_table(steps: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> str:
    """For each number format, processor seconds of a step, and how many steps take as long as those of the
    base."""
    lines = [f"| numbers | setting | {' | '.join(TRAININGS)} |", "|---" * (2 + len(TRAININGS)) + "|"]
    for number_format, settings in steps.items():
        for setting, measured in settings.items():
            cells = [
                f"{1000 * measured[name]['seconds']:.0f} ms, {measured[name]['steps']} steps"
                if name in measured
                else ""
                for name in TRAININGS
            ]
            lines.append(f"| {number_format} | {setting} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def results_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Each candidate: mean dice by setting and by number of labels, gain with its interval, seconds."""
    dices, seconds = collect(runs, "dice"), collect(runs, "seconds")
    base, base_seconds = dices[BASE, WAYS[0]], seconds[BASE, WAYS[0]]
    columns = [setting.name for setting in SETTINGS] + [str(size) for size in SIZES]
    lines = [
        f"| training | masks by | {' | '.join(columns)} | gain | seconds |",
        "|---" * (4 + len(columns)) + "|",
    ]
    for name, way in CANDIDATES:
        own = {cell: float(np.mean(list(each.values()))) for cell, each in dices[name, way].items()}
        gains = compare(dices[name, way], base)
        if not gains:
            continue
        means = [
            [value for cell, value in own.items() if column in (cell[0], str(cell[1]))] for column in columns
        ]
        shown = [dice_text(float(np.mean(each))) if each else "" for each in means]
        gain = "" if (name, way) == (BASE, WAYS[0]) else gain_text(gains)
        times = [
            each[draw] / base_seconds[cell][draw]
            for cell, each in seconds[name, way].items()
            for draw in each
            if draw in base_seconds.get(cell, {})
        ]
        lines.append(f"| {name} | {way} | {' | '.join(shown)} | {gain} | {np.mean(times):.2f} |")
    return "\n".join(lines) + "\n"


def gain_text(gains: Gains) -> str:
    """The mean gain, its usual interval, and whether that of the rule is above or below zero."""
    mean = float(mean_of({cell: each.mean() for cell, each in gains.items()}))
    usual, strict = (interval(samples_of(gains), level) for level in LEVELS)
    if usual is None or strict is None:
        return signed(mean)
    mark = "" if strict[0] <= 0 <= strict[1] else " *"
    worse = f"; below at {', '.join(behind(gains))}" if behind(gains) else ""
    return f"{signed(mean)} [{signed(usual[0])}, {signed(usual[1])}]{mark}{worse}"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)


def dice_text(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def report() -> None:
    """Put the tables into PAGE, each between the lines that name it."""
    results, text = json.loads(RESULTS.read_text()), PAGE.read_text()
    runs = results["runs"]
    for mark, table in (
        ("progress", progress(runs)),
        ("steps", steps_table(results["steps"])),
        (
            "results",
            results_table(runs) if runs else "No training has ended yet: there is nothing to read here.\n",
        ),
    ):
        before, after = text.split(f"<!-- {mark} -->\n")[0], text.split(f"<!-- end of {mark} -->")[1]
        text = f"{before}<!-- {mark} -->\n{table}<!-- end of {mark} -->{after}"
    write_bytes(PAGE, text.encode())


if __name__ == "__main__":
    report()
