"""Several experiments beside each other, and the rule by which a strategy may become the default."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model.errors import ResultsError
from model.experiment.evaluation import reading
from model.experiment.evaluation.comparison import Comparison, compare_areas
from model.experiment.evaluation.markdown import to_markdown
from model.experiment.evaluation.significance import bootstrap_interval
from model.experiment.record.plan import name_split, planned_runs
from model.experiment.record.results import Results
from model.experiment.record.run import RANDOM
from model.files import real_path

RULE = (
    "Rule: the default becomes the strategy with the best mean area over the sets that is on none of them"
    f" below random with p < {reading.CHANCE}, and on all sets whose images differ much above it with"
    f" p < {reading.CHANCE}, both after Holm's correction over the strategies of a set. What only serves as a"
    " baseline cannot win."
)


@dataclasses.dataclass(frozen=True)
class SetOfImages:
    """One experiment, compared with random choice."""

    name: str
    data: str
    compared: dict[str, Comparison]  # of the areas, by strategy
    missing: str  # what is planned and not done, in a sentence; empty for nothing


@dataclasses.dataclass(frozen=True)
class Mean:
    """The area above random of a strategy that all sets have, each set counted alike."""

    strategy: str
    mean: float
    interval: tuple[float, float] | None  # 95 % percentile bootstrap of the experiments within their sets


def read_sets(paths: Sequence[Path]) -> list[SetOfImages]:
    """Read results.json files, or the folders that hold them.

    Raises ResultsError where one cannot be read or compared with random, or is given twice.
    """
    files = [path / "results.json" if path.is_dir() else path for path in paths]
    twice = [path for path, times in Counter(real_path(path) for path in files).items() if times > 1]
    if twice:
        raise ResultsError(f"{twice[0]} is named twice; name each experiment once.")
    found = [Results.load(path) for path in files]
    sets = []
    for path, name, results in zip(files, _names(files, found), found, strict=True):
        compared = {c.strategy: c for c in compare_areas(planned_runs(results))}
        if not compared:
            raise ResultsError(
                f"{path} has no strategy with a finished curve beside one of '{RANDOM}', expected at least"
                " one; run the experiment to its end, or leave it out."
            )
        sets.append(SetOfImages(name, _data(results), compared, reading.describe_missing(results)))
    return sets


def _data(results: Results) -> str:
    return str(results.protocol.get("data", "unnamed"))


def _names(files: Sequence[Path], found: Sequence[Results]) -> list[str]:
    """Names that tell the experiments apart, as short as they can be."""
    data = [_data(results) for results in found]
    with_split = [f"{_data(results)} ({name_split(results.protocol)})" for results in found]
    folders = [real_path(path).parent.name for path in files]
    longer = (data, with_split, folders, [str(path) for path in files])
    return next(names for names in longer if len(set(names)) == len(names))


def means_over(sets: Sequence[SetOfImages]) -> list[Mean]:
    """The strategies that all sets have, the best mean first."""
    means = []
    for name in sorted(set.intersection(*(set(each.compared) for each in sets))):
        compared = [each.compared[name] for each in sets]
        interval = bootstrap_interval(*([*c.differences.values()] for c in compared))
        means.append(Mean(name, float(np.mean([c.mean for c in compared])), interval))
    return sorted(means, key=lambda mean: -mean.mean)


def describe_sets(sets: Sequence[SetOfImages], heterogeneous: Collection[str] = ()) -> str:
    """One table of all sets, what is missing in them, and what the rule decides.

    `heterogeneous`: the sets whose images differ much, by their name or that of their data; empty for no
    decision. Raises ResultsError for a name that no set has.
    """
    means = means_over(sets)
    partly = sorted({name for each in sets for name in each.compared} - {mean.strategy for mean in means})
    lines = [
        {
            "strategy": mean.strategy,
            f"mean of {reading.count(len(sets), 'set')}": reading.signed(mean.mean),
            "95 % interval": "none" if mean.interval is None else reading.ends(mean.interval),
        }
        for mean in means
    ]
    lines += [{"strategy": name} for name in partly]
    for line in lines:
        line |= {each.name: _cell(each.compared.get(line["strategy"])) for each in sets}
    experiments = "; ".join(f"{each.name} {max(c.n for c in each.compared.values())}" for each in sets)
    sections = [
        to_markdown(pd.DataFrame(lines).fillna("")),
        "Area under the curve of test dice over the number of labels, minus that of random choice, paired"
        " within experiments; in brackets the 95 % bootstrap interval over experiments; p: two-sided"
        f" sign-flip test, corrected (Holm) over the strategies of a set. Experiments: {experiments}.",
        *(f"{each.name}: {each.missing}" for each in sets if each.missing),
        f"Not in all sets, so without a mean: {', '.join(partly)}." if partly else "",
        describe_decision(sets, means, heterogeneous),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _cell(c: Comparison | None) -> str:
    if c is None:
        return "–"
    return f"{reading.signed(c.mean)} {reading.interval(c)}, p {reading.p_value(c.p_holm)}"


def describe_decision(
    sets: Sequence[SetOfImages], means: Sequence[Mean], heterogeneous: Collection[str]
) -> str:
    """Which strategy the rule makes the default, and why none that has a better mean."""
    known = {name for each in sets for name in (each.name, each.data)}
    unknown = sorted(set(heterogeneous) - known)
    if unknown:
        raise ResultsError(
            f"No set is named {unknown[0]!r}; the sets are: {', '.join(s.name for s in sets)}."
        )
    differ = {each.name for each in sets if {each.name, each.data} & set(heterogeneous)}
    if not differ:
        return "No decision: name the sets whose images differ much with --heterogeneous."
    provisional = "Provisional, as runs are missing: " if any(each.missing for each in sets) else ""
    reasons = []
    for mean in means:
        against = _objections(mean.strategy, sets, differ)
        if not against:
            figures = {each.name: each.compared[mean.strategy] for each in sets}
            below = ", ".join(f"{name} ({_cell(c)})" for name, c in figures.items() if c.mean < 0)
            harm = f" It is below random on {below}." if below else ""
            chosen = (
                f"{provisional}**{mean.strategy}** becomes the default: of the strategies that fulfil the"
                f" rule it has the best mean area, {reading.signed(mean.mean)}.{harm}"
            )
            break
        reasons.append(f"- {mean.strategy} ({reading.signed(mean.mean)}): {'; '.join(against)}.")
    else:
        chosen = f"{provisional}**No strategy fulfils the rule**; the default stays."
    return "\n\n".join(section for section in (chosen, "\n".join(reasons), RULE) if section)


def _objections(name: str, sets: Sequence[SetOfImages], differ: Collection[str]) -> list[str]:
    """What the rule has against a strategy."""
    if name.split("_")[0] == RANDOM:
        return ["it only serves as a baseline"]
    found = []
    for each in sets:
        c = each.compared[name]
        sure = c.p_holm is not None and c.p_holm < reading.CHANCE
        if sure and c.mean < 0:
            found.append(f"below random on {each.name} ({_cell(c)})")
        elif each.name in differ and not (sure and c.mean > 0):
            found.append(f"not confirmed above random on {each.name} ({_cell(c)})")
    return found
