"""The report.md of an experiment:
what was run, the scores, the comparison with random choice, and what it allows to say."""

import enum
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.errors import ResultsError
from model.experiment import curves
from model.experiment.comparison import Comparison, WinRate, compare_areas, compare_sizes, win_rates
from model.experiment.cost import cost, noise
from model.experiment.curves import Measure
from model.experiment.results import (
    FALLBACK,
    INITIAL,
    RANDOM,
    WHOLE,
    Key,
    Results,
    Run,
    comparable_runs,
    missing,
    planned_runs,
)
from model.files import write_bytes

CURVE = "curve.png"  # drawn by plot.draw_curve, beside the report
FEWEST_TO_JUDGE = (
    5  # experiments; with fewer, an interval excludes zero by chance in a fifth of cases or more
)
CHANCE = 0.05  # p below which a difference counts as confirmed by the test
LITTLE = 0.01  # dice; a gain that hardly pays for hours of labelling
RULE = (
    "Rule: a strategy wins or loses if the 95 % bootstrap interval of its difference in area excludes zero,"
    f" with at least {FEWEST_TO_JUDGE} experiments; otherwise no difference is shown, which is not proof that"
    " there is none. The interval is too narrow for few experiments: without any true difference it excludes"
    " zero in about one case of six with 5 experiments and one of nine with 10. A difference that the"
    f" sign-flip test confirms (p below {CHANCE} after Holm's correction) is the stronger statement. All"
    " holds for this data and recipe."
)


class Verdict(enum.StrEnum):
    """What a comparison of budget curves allows to say."""

    WINS = "wins against random"
    LOSES = "loses against random"
    TIES = "ties with random: no difference shown"
    TOO_FEW = "too few experiments to judge"


def verdict(area: Comparison) -> Verdict:
    """Judge the difference of the areas:
    wins or loses where the 95 % interval excludes zero, with five experiments or more."""
    if area.n < FEWEST_TO_JUDGE or area.interval is None:
        return Verdict.TOO_FEW
    low, high = area.interval
    if low > 0:
        return Verdict.WINS
    return Verdict.LOSES if high < 0 else Verdict.TIES


def write_report(results: Results, path: Path) -> None:
    """Write the report as markdown, which shows the curve.png beside it;
    ResultsError where there is no run yet."""
    if not results.runs:
        raise ResultsError(f"no runs to report at {path}; run the experiment first")
    write_bytes(path, report(results).encode())


def report(results: Results) -> str:
    """Give the text of the report, with a link to curve.png."""
    runs = planned_runs(results)
    compared, by_size, rates = compare_areas(runs), compare_sizes(runs), win_rates(runs)
    sections = [
        "# Experiment: which images to label next",
        _incomplete(results),
        _reading(runs, compared),
        _fallbacks(results.runs),
        f"![Test dice against the number of labelled images]({CURVE})",
        "## Test dice by number of labelled images",
        _score_table(runs, "dice"),
        _whole_pool(comparable_runs(results)),
        _saturation(comparable_runs(results)),
        "## Budget curve against random choice",
        _area_table(runs, compared, rates),
        "## Differences to random choice by size",
        _size_table(by_size, rates),
        "## Dice of the worst fifth of the test images",
        _score_table(runs, "worst_dice"),
        _worst_fifth(runs),
        "## Compute",
        _cost_table(results.runs),
        _machines(results.runs),
        "## Training noise",
        _noise(results.runs),
        "## What was run",
        _protocol(results.protocol),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _incomplete(results: Results) -> str:
    left = missing(results)
    if left is None:
        return (
            "**Completeness unknown:** the protocol does not tell how many experiments, strategies and sizes"
            " were planned."
        )
    if not left:
        return ""
    said = []
    if absent := [key for key in left if not results.has(key)]:
        said.append(
            f"**Incomplete: {len(absent)} of the planned sets {'is' if len(absent) == 1 else 'are'} missing**"
            f" ({_by_strategy(absent)}). Each comparison uses only the experiments in which both arms have"
            " the size; n says how many."
        )
    if fewer := [key for key in left if results.has(key)]:
        said.append(
            f"**Incomplete: {len(fewer)} {_plural(len(fewer), 'set')} had fewer than the"
            f" {results.protocol['repeats']} planned trainings** ({_by_strategy(fewer)}), so that only the"
            " first trainings of every set count until the others are done."
        )
    return " ".join(said)


def _by_strategy(keys: Iterable[Key]) -> str:
    arms = Counter(strategy for _, strategy, _, _ in keys)
    return ", ".join(f"{name} {count}" for name, count in sorted(arms.items()))


def _fallbacks(runs: Sequence[Run]) -> str:
    counts = Counter(run.strategy for run in runs if run.notes.get(FALLBACK))
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return (
        f"In some steps the model found nothing in any image, and the batch was drawn at random: {listed}."
        if counts
        else ""
    )


def _reading(runs: Sequence[Run], compared: Sequence[Comparison]) -> str:
    if not compared:
        return (
            "## Reading\n\nNo strategy can be compared with random choice yet: no experiment has a finished"
            " curve of both."
        )
    lines = [f"- **{c.strategy}** {_sentence(c)}" for c in compared]
    skipped = sorted(set(curves.strategies(runs)) - {RANDOM} - {c.strategy for c in compared})
    lines += [f"- **{name}**: no finished curve to compare yet." for name in skipped]
    return "\n".join(["## Reading", "", *lines, "", RULE])


def _sentence(c: Comparison) -> str:
    says = verdict(c)
    ahead = sum(d > 0 for d in c.differences.values())
    figures = (
        f"mean difference of the area {_signed(c.mean)}, above random in {ahead} of {c.n}"
        f" {_plural(c.n, 'experiment')}"
    )
    if c.interval is not None:
        figures += f", 95 % interval {_interval(c.interval)}"
    if says in (Verdict.TOO_FEW, Verdict.TIES) or c.p_holm is None or c.smallest_p is None:
        return f"{says} ({figures})."
    if c.p_holm < CHANCE:
        return f"{says} ({figures}); the test confirms it, p = {_p(c.p_holm)}."
    if c.smallest_p >= CHANCE:
        limit = f"{c.n} experiments allow none below {_p(c.smallest_p)}"
        return f"{says} ({figures}); the test cannot confirm it: p = {_p(c.p_holm)}, and {limit}."
    return f"{says} ({figures}); the test does not confirm it, p = {_p(c.p_holm)}."


def _score_table(runs: Sequence[Run], measure: Measure) -> str:
    rows = curves.table(runs, measure)
    if not rows:
        return "No strategy has a run yet."
    cells = {(row.strategy, row.size): row for row in rows}
    sizes = sorted({row.size for row in rows})
    n = max(row.n for row in rows)
    lines = []
    for name in curves.strategies(runs):
        line = [name]
        for size in sizes:
            row = cells.get((name, size))
            if row is None:
                line.append("–")
                continue
            spread = "" if row.sd is None else f" ± {row.sd:.3f}"
            line.append(f"{row.mean:.3f}{spread}" + (f" (n = {row.n})" if row.n < n else ""))
        lines.append(line)
    caption = (
        f"Mean ± standard deviation over {n} {_plural(n, 'experiment')}; draws of random are averaged within"
        " their experiment first."
    )
    return _markdown(["strategy", *(str(size) for size in sizes)], lines) + "\n\n" + caption


def _whole_pool(runs: Sequence[Run]) -> str:
    whole = [run for run in runs if run.strategy == WHOLE]
    if not whole:
        return ""
    mean = sum(run.mean_dice for run in whole) / len(whole)
    return (
        f"Trained on the whole pool of {whole[0].size} images: {mean:.3f} (mean of {len(whole)}"
        f" {_plural(len(whole), 'experiment')})."
    )


def _saturation(runs: Sequence[Run]) -> str:
    """Say so where no set of any strategy, nor the whole pool, is much better than the first images;
    empty before enough experiments."""
    first = {run.experiment: run for run in runs if run.strategy == INITIAL}
    gains: dict[tuple[str, int], list[float]] = {}
    for run in runs:
        if run.experiment in first and run.strategy != INITIAL:
            gains.setdefault((run.strategy, run.size), []).append(
                run.mean_dice - first[run.experiment].mean_dice
            )
    if len(first) < FEWEST_TO_JUDGE or not gains:
        return ""
    best, (strategy, size) = max((sum(values) / len(values), arm) for arm, values in gains.items())
    if best >= LITTLE:
        return ""
    who = "the whole pool" if strategy == WHOLE else strategy
    return (
        "**More labels hardly help here:** the most that any of these sets gives over the first"
        f" {first[min(first)].size} images is {_signed(best)} in the mean ({who}, {size} images), so that"
        " there is little to gain by choosing."
    )


def _area_table(runs: Sequence[Run], compared: Sequence[Comparison], rates: Sequence[WinRate]) -> str:
    sizes, areas = curves.common_sizes(runs), curves.areas(runs)
    if not areas:
        return "No area yet: it needs two sizes that every strategy has reached."
    against = {c.strategy: c for c in compared}
    overall = {rate.strategy: rate for rate in rates if rate.size is None}
    lines = []
    for name in (n for n in curves.strategies(runs) if n in areas):
        values, c, rate = list(areas[name].values()), against.get(name), overall.get(name)
        line = [name, f"{sum(values) / len(values):.4f}", str(len(values))]
        line += (
            ["", "", "", "", ""]
            if c is None
            else [_signed(c.mean), _interval(c.interval), _p(c.p), _p(c.p_holm), str(c.n)]
        )
        line += (
            ["", ""]
            if rate is None
            else [_share(rate.wins, rate.pairs), _share(rate.draws_beaten, rate.draws)]
        )
        lines.append(line)
    heads = [
        "strategy",
        "area",
        "n",
        "difference",
        "95 % interval",
        "p",
        "p (Holm)",
        "n paired",
        "above random's mean",
        "above single draws",
    ]
    smallest = sorted({(c.n, c.smallest_p) for c in compared if c.smallest_p is not None})
    limits = "; ".join(
        f"with {n} experiments the smallest p possible is {_p(p)} before correction" for n, p in smallest
    )
    caption = (
        f"Area under the budget curve from {sizes[0]} to {sizes[-1]} images by the trapezoid rule, divided by"
        " the range, so that it reads as a mean dice. Differences to random are paired within experiments;"
        " interval: percentile bootstrap over experiments; p: two-sided sign-flip test, corrected over the"
        " strategies. The last two columns count pairs of experiment and size at which the two hold"
        " different images."
    )
    return _markdown(heads, lines) + "\n\n" + caption + (f" Note: {limits}." if limits else "")


def _size_table(by_size: Sequence[Comparison], rates: Sequence[WinRate]) -> str:
    if not by_size:
        return "Nothing to compare with random choice yet."
    rate_of = {(rate.strategy, rate.size): rate for rate in rates}
    lines = []
    for c in by_size:
        line = [c.strategy, str(c.size), str(c.n), _signed(c.mean)]
        if c.same_sets:
            lines.append([*line, "same images", "", "", "", ""])
            continue
        rate = rate_of[c.strategy, c.size]
        line += [
            _interval(c.interval),
            _p(c.p),
            _p(c.p_holm),
            _share(rate.wins, rate.pairs),
            _share(rate.draws_beaten, rate.draws),
        ]
        lines.append(line)
    heads = [
        "strategy",
        "size",
        "n",
        "difference",
        "95 % interval",
        "p",
        "p (Holm)",
        "above random's mean",
        "above single draws",
    ]
    return (
        _markdown(heads, lines)
        + "\n\nThe p-values are corrected over all strategies and sizes with different images."
    )


def _worst_fifth(runs: Sequence[Run]) -> str:
    compared = compare_areas(runs, "worst_dice")
    lines = [f"{c.strategy} {_signed(c.mean)} {_interval(c.interval)}" for c in compared]
    return (
        f"Difference of the area to random on these images, 95 % interval: {'; '.join(lines)}."
        if lines
        else ""
    )


def _cost_table(runs: Sequence[Run]) -> str:
    lines = [
        [
            c.strategy,
            str(c.runs),
            str(c.steps),
            f"{c.query_seconds:.1f}",
            _number(c.query_seconds_per_step, ".2f"),
            f"{c.train_seconds:.1f}",
        ]
        for c in cost(runs)
    ]
    heads = [
        "strategy",
        "sets trained",
        "steps chosen",
        "choosing, s",
        "choosing, s a step",
        "training and scoring, s",
    ]
    return (
        _markdown(heads, lines)
        + "\n\nTraining and scoring is the price of this evaluation; a lab pays only for choosing and for its"
        " own network."
    )


def _machines(runs: Sequence[Run]) -> str:
    """What the sets were trained on;
    by strategy where it was not the same, as a difference between two may come from that."""
    kinds = sorted({_machine(run) for run in runs})
    if len(kinds) == 1:
        return "" if kinds == [""] else f"All sets were trained on: {kinds[0]}."
    trained = Counter((run.strategy, _machine(run)) for run in runs)
    lines = [[c.strategy, *(str(trained[c.strategy, kind]) for kind in kinds)] for c in cost(runs)]
    return (
        _markdown(["sets trained on", *(kind or "not noted" for kind in kinds)], lines)
        + "\n\nSeconds of different machines do not compare, and where two strategies were not trained on the"
        " same, a difference between them may come from that."
    )


def _machine(run: Run) -> str:
    return ", ".join(f"{key} {value}" for key, value in run.machine.items())


def _noise(runs: Sequence[Run]) -> str:
    found = noise(runs)
    if found is None:
        return (
            "Unknown: no set was trained on more than once, so part of every difference above may be luck in"
            " training."
        )
    sets = f"{found.sets} {_plural(found.sets, 'set')}, {found.repeats:.3g} trainings each"
    return (
        f"Training again on the same set changes the test dice by a standard deviation of {found.sd:.4f}"
        f" (pooled over {sets}); the scores above have a standard error of {found.standard_error:.4f}. A"
        " difference of two single scores below about three times that is within the noise."
    )


def _protocol(protocol: Mapping[str, Any]) -> str:
    command = protocol.get("command")
    lines = [[key, _cell(value)] for key, value in _rows(protocol) if key != "command"]
    shown = (
        ""
        if command is None
        else f"```\n{command if isinstance(command, str) else ' '.join(map(str, command))}\n```\n\n"
    )
    if shown:
        shown = (
            "The last command; an experiment may have grown by several, and the settings are those of the"
            f" whole.\n\n{shown}"
        )
    return shown + (_markdown(["setting", "value"], lines) if lines else "The protocol is empty.")


def _rows(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _rows(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _cell(value: Any) -> str:
    """Give a setting in a line;
    a long list by its length and first members, as results.json holds it whole."""
    if isinstance(value, list):
        shown = ", ".join(_cell(member) for member in value[:12])
        return shown if len(value) <= 12 else f"{shown}, ... ({len(value)} in all)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---" if heads[0] == "setting" else "---:" for _ in heads[1:])]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(heads), rule, *escaped])


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "none" if interval is None else f"[{interval[0]:+.4f}, {interval[1]:+.4f}]"


def _p(p: float | None) -> str:
    return _number(p, ".4f") if p is None or p >= 0.0001 else "< 0.0001"


def _number(value: float | None, spec: str) -> str:
    return "none" if value is None else format(value, spec)


def _share(share: float, of: int) -> str:
    return f"{share:.0%} of {of}"


def _plural(n: int, noun: str) -> str:
    return noun if n == 1 else f"{noun}s"
