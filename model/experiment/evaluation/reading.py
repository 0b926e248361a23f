"""What the results of an experiment allow to say, in sentences."""

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from model.experiment.evaluation import curves
from model.experiment.evaluation.comparison import Comparison
from model.experiment.evaluation.cost import noise
from model.experiment.evaluation.markdown import to_markdown
from model.experiment.evaluation.saved_labels import SavedLabels
from model.experiment.evaluation.significance import smallest_p
from model.experiment.record.plan import missing
from model.experiment.record.results import Results
from model.experiment.record.run import FALLBACK, INITIAL, RANDOM, WHOLE, Run
from model.forecast import LITTLE

FEWEST_TO_JUDGE = 5  # experiments; with fewer, a fifth of intervals or more exclude zero by chance
CHANCE = 0.05  # p below which a difference counts as confirmed by the test
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


def describe_missing(results: Results) -> str:
    """What is planned and not done; empty where nothing is."""
    left = missing(results)
    if left is None:
        return (
            "**Completeness unknown:** the protocol does not tell how many experiments, strategies and sizes"
            " were planned."
        )
    absent, fewer = [[key for key in left if results.has(key) is begun] for begun in (False, True)]
    sentences = []
    if absent:
        sentences.append(
            f"**Incomplete: {len(absent)} of the planned sets {'is' if len(absent) == 1 else 'are'} missing**"
            f" ({_by_strategy(key[1] for key in absent)}). Each comparison uses only the experiments in which"
            " both arms have the size; n says how many."
        )
    if fewer:
        sentences.append(
            f"**Incomplete: {count(len(fewer), 'set')} had fewer than the {results.protocol['repeats']}"
            f" planned trainings** ({_by_strategy(key[1] for key in fewer)}), so that only the first"
            " trainings of every set count until the others are done."
        )
    return " ".join(sentences)


def describe_design(protocol: Mapping[str, Any]) -> str:
    """How the images were told apart where it is not the paper's way; empty where it is."""
    sentences = []
    if folds := protocol.get("folds"):
        whole, rest = divmod(int(protocol.get("experiments", 0)), folds)
        each = f"{whole} or {whole + 1}" if rest else f"{whole}"
        sentences.append(
            f"**Rigid cross-validation in {folds} folds:** each image is a test image in one fold, where"
            " nothing is trained on it or chosen from it, and is chosen from in all others. The experiments"
            f" take the folds in turn, {each} of them each; comparisons stay within an experiment."
        )
    if groups := protocol.get("groups"):
        sentences.append(
            "**The first labels are unlike the pool:** in each experiment they are all from one group of"
            f" images, in turn {', '.join(groups)}."
        )
    return "\n\n".join(sentences)


def describe_fallbacks(runs: Iterable[Run]) -> str:
    """How often a strategy could not choose; empty for never."""
    listed = _by_strategy(run.strategy for run in runs if run.notes.get(FALLBACK))
    said = "In some steps the model found nothing in any image, and the batch was chosen at random"
    return f"{said}: {listed}." if listed else ""


def describe_comparison(
    runs: Sequence[Run], compared: Sequence[Comparison], saved: Sequence[SavedLabels]
) -> str:
    """What each strategy gives over random choice, a line each, the best first."""
    if not compared:
        return (
            "No strategy can be compared with random choice yet: no experiment has a finished curve of both."
        )
    skipped = sorted({*curves.strategies(runs)} - {RANDOM} - {c.strategy for c in compared})
    lines = [f"- **{c.strategy}** {_judge(c, saved)}." for c in sorted(compared, key=lambda c: -c.mean)]
    lines += [f"- **{name}**: no finished curve to compare yet." for name in skipped]
    return "\n".join(lines)


def _judge(c: Comparison, saved: Sequence[SavedLabels]) -> str:
    says = verdict(c)
    first = first_saved(saved, c.strategy)
    gain = f". With {describe_saved(first)}" if first else ""
    ahead = f"above random in {c.ahead} of {count(c.n, 'experiment')}"
    judged = f"{says}{gain}. Area {signed(c.mean)}{'' if c.interval is None else f' {interval(c)}'}, {ahead}"
    least = smallest_p(c.n)
    if says in (Verdict.TOO_FEW, Verdict.TIES) or c.p_holm is None or least is None:
        return judged
    if c.p_holm < CHANCE:
        return f"{judged}; the test confirms it, p = {p_value(c.p_holm)}"
    if least < CHANCE:
        return f"{judged}; the test does not confirm it, p = {p_value(c.p_holm)}"
    limit = f"{c.n} experiments allow none below {p_value(least)}"
    return f"{judged}; the test cannot confirm it: p = {p_value(c.p_holm)}, and {limit}"


def first_saved(saved: Sequence[SavedLabels], strategy: str) -> SavedLabels | None:
    """What a strategy saves at its smallest size, where most is left to choose; None where nothing is
    known."""
    return next((each for each in saved if each.strategy == strategy), None)


def describe_saved(saved: SavedLabels) -> str:
    """ "the same 6 labels it has 0.050 more dice than random choice, which needs about 9 labels to get there
    (95 % interval: 8 to 12)" """
    of_size = f"the same {count(saved.size, 'label')} it has"
    if abs(saved.difference) < 0.0005:
        return f"{of_size} the same dice as random choice"
    more = f"{abs(saved.difference):.3f} {'more' if saved.difference > 0 else 'less'} dice than random choice"
    if saved.needed > saved.most:
        needs = f"does not get there with {saved.most}"
    elif saved.needed <= saved.least:
        needs = f"needs no more than {count(saved.least, 'label')} to get there"
    else:
        needs = f"needs about {saved.needed:.0f} labels to get there"
    low, high = (labels_text(end, saved, "{:.0f}") for end in saved.interval or (saved.needed,) * 2)
    interval = f" (95 % interval: {low}{f' to {high}' if high != low else ''})" if saved.interval else ""
    return f"{of_size} {more}, which {needs}{interval}"


def labels_text(labels: float, saved: SavedLabels, form: str = "{:.1f}") -> str:
    """A number of labels that random needs; a bound where random does not get there, or begins above."""
    if labels > saved.most:
        return f"more than {saved.most}"
    return f"up to {saved.least}" if labels <= saved.least else form.format(labels)


def saved_text(saved: SavedLabels) -> str:
    """ "9.9 [8.7, 11.7]", or "23.4 [18.6, > 24]" """
    needed, *ends = (
        labels_text(labels, saved).replace("more than", ">").replace("up to", "≤")
        for labels in (saved.needed, *(saved.interval or ()))
    )
    return f"{needed} [{', '.join(ends)}]" if ends else needed


def describe_best(compared: Sequence[Comparison], saved: Sequence[SavedLabels]) -> str:
    """The experiment in two lines, above its picture: what the best strategy gives, if it wins."""
    best = max(compared, key=lambda c: c.mean, default=None)
    if best is None or verdict(best) is Verdict.TOO_FEW:
        return f"Too few finished experiments to judge (at least {FEWEST_TO_JUDGE})"
    if verdict(best) is not Verdict.WINS:
        return "No strategy is shown to choose better than chance here"
    first = first_saved(saved, best.strategy)
    if first is None or first.difference <= 0 or first.needed > first.most:
        return f"{best.strategy} chooses better than chance: area {signed(best.mean)}"
    return (
        f"With the same {count(first.size, 'label')}, {best.strategy} has {first.difference:.3f} more dice"
        f" than chance;\nrandom choice needs about {first.needed:.0f} to get there"
    )


def describe_whole_pool(runs: Iterable[Run]) -> str:
    """The score of all labels; empty where no network was trained on them."""
    whole = [run for run in runs if run.strategy == WHOLE]
    if not whole:
        return ""
    mean, sizes = sum(run.mean_dice for run in whole) / len(whole), map(str, sorted({r.size for r in whole}))
    return (
        f"Trained on the whole pool of {' or '.join(sizes)} images: {mean:.3f} (mean of"
        f" {count(len(whole), 'experiment')})."
    )


def describe_saturation(runs: Iterable[Run]) -> str:
    """Say so where no set of any strategy, nor the whole pool, is much better than the first images;
    empty before enough experiments."""
    rows = [(run.experiment, run.strategy, run.size, run.mean_dice) for run in runs]
    table = pd.DataFrame(rows, columns=["experiment", "strategy", "size", "score"])
    is_first = table.strategy == INITIAL
    first = table[is_first].set_index("experiment")
    table["gain"] = table.score - table.experiment.map(first.score)
    gains = table[~is_first].groupby(["strategy", "size"]).gain.mean()
    if len(first) < FEWEST_TO_JUDGE or not gains.max() < LITTLE:
        return ""
    strategy, size = gains.idxmax()
    return (
        "**More labels hardly help here:** the most that any of these sets gives over the first"
        f" {first['size'].iloc[0]} images is {signed(gains.max())} in the mean"
        f" ({'the whole pool' if strategy == WHOLE else strategy}, {size} images), so that there is little to"
        " gain by choosing."
    )


def describe_noise(runs: Sequence[Run]) -> str:
    """How far training alone changes a score."""
    found = noise(runs)
    if not found:
        return (
            "Unknown: no set was trained on more than once, so part of every difference above may be luck in"
            " training."
        )
    lines = [
        {
            "images": str(each.size),
            "sets": str(each.sets),
            "trainings of each": f"{each.repeats:.3g}",
            "standard deviation of one": f"{each.sd:.4f}",
            "standard error of the scores above": f"{each.standard_error:.4f}",
        }
        for each in found
    ]
    others = sorted({run.size for run in runs} - {each.size for each in found})
    unknown = (
        f" With {' and '.join(map(str, others))} images it is unknown: no such set was trained on again."
        " Networks that learn from fewer images usually differ more."
        if others
        else ""
    )
    return (
        f"How far the test dice changes when the same set is trained on again:\n\n"
        f"{to_markdown(pd.DataFrame(lines))}\n\nA difference of two single scores of so many images below"
        f" about three times that standard error is within the noise.{unknown}"
    )


def _by_strategy(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(Counter(names).items()))


def count(n: int, noun: str) -> str:
    """ "1 set" or "2 sets"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def signed(value: float) -> str:
    """A difference of dice."""
    return f"{value:+.4f}"


def interval(c: Comparison) -> str:
    """The interval of a comparison, or what stands in its place."""
    if c.interval is None:
        return "same images" if c.same_sets else "none"
    return ends(c.interval)


def ends(interval: tuple[float, float]) -> str:
    """An interval of differences of dice."""
    return f"[{interval[0]:+.4f}, {interval[1]:+.4f}]"


def p_value(p: float | None) -> str:
    """A p to four places."""
    if p is None:
        return "none"
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"
