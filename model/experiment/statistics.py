"""Numbers from the runs of an experiment: means, budget curves, differences to random choice, cost and training noise.

Experiments are the unit of everything: draws of `random` and repeated trainings are averaged within their
experiment first. Sizes are numbers of labelled images; scores are dice from 0 to 1. Functions do no I/O.
"""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.errors import ResultsError
from model.experiment.results import INITIAL, RANDOM, WHOLE, Run

LEVEL = 0.95  # of every interval
BOOTSTRAP_DRAWS = 10_000  # resamplings of the experiments
EXACT_UP_TO = 12  # experiments; above it 2^n sign patterns are sampled, not enumerated
SIGN_DRAWS = 100_000  # sampled sign patterns above EXACT_UP_TO
SEED = 0

Measure = Literal["dice", "worst_dice"]
Arm = tuple[int, str, int]
"""Experiment, strategy, draw: one budget curve."""
Scores = dict[str, dict[int, dict[int, float]]]
"""Score by strategy, size and experiment, draws averaged."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Scores of one strategy at one size over experiments."""

    strategy: str
    size: int
    n: int  # experiments that have this size
    mean: float
    sd: float | None  # over experiments, n - 1 in the denominator; None for one experiment
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A strategy minus `random`, paired within experiments; over the whole budget curve where size is None."""

    strategy: str
    size: int | None
    differences: dict[int, float]  # by experiment, only those in which both arms have the size (or the curve)
    mean: float
    interval: tuple[float, float] | None  # None for one experiment, or where the sets are the same
    p: float | None  # None for one experiment, or where the sets are the same
    p_holm: float | None  # corrected over the strategies (curve) or over strategies x sizes
    smallest_p: float | None  # no data could give less with so few experiments
    same_sets: bool  # both arms hold the same images (the whole pool): there is no choice to compare

    @property
    def n(self) -> int:
        """Number of experiments compared."""
        return len(self.differences)


@dataclasses.dataclass(frozen=True)
class WinRate:
    """How often a strategy scores strictly above `random`; over all sizes where size is None."""

    strategy: str
    size: int | None
    pairs: int  # compared experiments (size given), or pairs of experiment and size
    wins: float  # share of pairs above the mean of the random draws
    draws: int
    draws_beaten: float  # share of single random draws that are below the strategy


@dataclasses.dataclass(frozen=True)
class Cost:
    """Compute spent on one strategy, all experiments and draws together, in seconds."""

    strategy: str
    runs: int
    steps: int  # runs in which the strategy had to choose
    query_seconds: float
    query_seconds_per_step: float | None  # None without a step
    train_seconds: float  # evaluation networks; not part of the price of a strategy


@dataclasses.dataclass(frozen=True)
class Noise:
    """Spread of the score when the same set is trained on again."""

    sets: int  # distinct sets trained at least twice
    repeats: float  # mean trainings of a set
    sd: float  # of a single training, pooled over sets
    standard_error: float  # of a score, which is the mean over the repeats


def arms(runs: Iterable[Run]) -> dict[Arm, dict[int, Run]]:
    """Give the runs of each budget curve by size; the shared initial and whole-pool runs join every arm of their experiment.

    Leave the whole-pool runs out (results.planned_runs does) where their size is no part of the curve.
    """
    own: dict[Arm, dict[int, Run]] = defaultdict(dict)
    shared: dict[int, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        if run.strategy in (INITIAL, WHOLE):
            shared[run.experiment][run.size] = run
        else:
            own[run.experiment, run.strategy, run.draw][run.size] = run
    return {arm: dict(sorted({**shared[arm[0]], **sized}.items())) for arm, sized in sorted(own.items())}


def strategies(runs: Iterable[Run]) -> list[str]:
    """List the strategies that have runs of their own: alphabetical, `random` first."""
    names = {run.strategy for run in runs} - {INITIAL, WHOLE}
    return sorted(names, key=lambda name: (name != RANDOM, name))


def scores(runs: Sequence[Run], measure: Measure = "dice") -> Scores:
    """Average repeats, then draws, so that each strategy has one score per size and experiment."""
    draws: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for (experiment, strategy, _), sized in arms(runs).items():
        for size, run in sized.items():
            draws[strategy, size, experiment].append(_score(run, measure))
    out: Scores = {}
    for (strategy, size, experiment), values in sorted(draws.items()):
        out.setdefault(strategy, {}).setdefault(size, {})[experiment] = _mean(values)
    return out


def table(runs: Sequence[Run], measure: Measure = "dice") -> list[Row]:
    """Summarise each strategy at each size over experiments; `random` first, sizes rising."""
    by_strategy = scores(runs, measure)
    rows = []
    for strategy in strategies(runs):
        for size, by_experiment in sorted(by_strategy[strategy].items()):
            values = list(by_experiment.values())
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
            rows.append(Row(strategy, size, len(values), _mean(values), sd, min(values), max(values)))
    return rows


def common_sizes(runs: Sequence[Run]) -> tuple[int, ...]:
    """List the sizes that every strategy has in at least one experiment, rising: the range of the budget curve."""
    by_strategy = scores(runs)
    shared = set.intersection(*(set(sized) for sized in by_strategy.values())) if by_strategy else set()
    return tuple(sorted(shared))


def curve_area(sizes: ArrayLike, dice: ArrayLike) -> float:
    """Area under a budget curve by the trapezoid rule, divided by the range of sizes, so that it reads as a mean dice.

    sizes: (n,) strictly rising, n >= 2; dice: (n,) finite. A curve that is constant at c has the area c.
    """
    x, y = _finite(sizes, "sizes"), _finite(dice, "dice")
    if x.shape != y.shape or len(x) < 2 or np.any(np.diff(x) <= 0):
        raise ResultsError(f"a curve needs two or more strictly rising sizes with one dice each, found {x.tolist()} and {y.tolist()}")
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def arm_areas(runs: Sequence[Run], sizes: Sequence[int] | None = None, measure: Measure = "dice") -> dict[Arm, float]:
    """Area of each budget curve that has all the sizes (common_sizes if not given); unfinished curves are left out."""
    wanted = common_sizes(runs) if sizes is None else tuple(sizes)
    if len(wanted) < 2:
        return {}
    complete = {arm: sized for arm, sized in arms(runs).items() if all(size in sized for size in wanted)}
    return {arm: curve_area(wanted, [_score(sized[size], measure) for size in wanted]) for arm, sized in complete.items()}


def areas(runs: Sequence[Run], sizes: Sequence[int] | None = None, measure: Measure = "dice") -> dict[str, dict[int, float]]:
    """Area by strategy and experiment, the finished draws of `random` averaged within the experiment."""
    draws: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (experiment, strategy, _), area in arm_areas(runs, sizes, measure).items():
        draws[strategy, experiment].append(area)
    out: dict[str, dict[int, float]] = {}
    for (strategy, experiment), values in sorted(draws.items()):
        out.setdefault(strategy, {})[experiment] = _mean(values)
    return out


def compare_areas(runs: Sequence[Run], measure: Measure = "dice", seed: int = SEED) -> list[Comparison]:
    """Compare each strategy's budget curve with that of `random`; empty where `random` has no finished curve."""
    by_strategy = areas(runs, None, measure)
    baseline = by_strategy.get(RANDOM, {})
    others = [name for name in by_strategy if name != RANDOM]
    compared = [_compare(name, None, by_strategy[name], baseline, False, seed) for name in others]
    return _corrected([c for c in compared if c is not None])


def compare_sizes(runs: Sequence[Run], measure: Measure = "dice", seed: int = SEED) -> list[Comparison]:
    """Compare each strategy with `random` at each size but the initial one; empty without `random`.

    Where both arms hold the same images (the whole pool) there is nothing to test; such sizes have no p and do
    not enter the correction.
    """
    by_strategy, by_arm = scores(runs, measure), arms(runs)
    initial = {run.size for run in runs if run.strategy == INITIAL}
    baseline = by_strategy.get(RANDOM, {})
    compared = []
    for strategy in strategies(runs):
        for size in sorted(set(by_strategy[strategy]) - initial):
            if strategy != RANDOM:
                same = _same_sets(by_arm, strategy, size)
                compared.append(_compare(strategy, size, by_strategy[strategy][size], baseline.get(size, {}), same, seed))
    return _corrected([c for c in compared if c is not None])


def bootstrap_interval(values: ArrayLike, seed: int = SEED, draws: int = BOOTSTRAP_DRAWS) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean; None for a single value. values: (n,) one per experiment.

    Few experiments give little: the interval never leaves the range of the values, so it is too narrow. With normal
    values and no true difference it excludes zero in about 50 % of cases with 2 experiments, 25 % with 3, 21 % with 4,
    16 % with 5 and 11 % with 10, where 5 % is promised (4,000 simulated experiments each). Read it with the p-value.
    """
    x = _finite(values, "values")
    if len(x) < 2:
        return None
    picked = np.random.default_rng(seed).integers(0, len(x), size=(draws, len(x)))
    low, high = np.quantile(x[picked].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def sign_flip_p(values: ArrayLike, seed: int = SEED) -> float | None:
    """Two-sided p of a mean of zero: the share of sign patterns whose mean is as far from zero as found; None for a single value.

    values: (n,) paired differences, one per experiment. Exact up to 12 experiments, else 100,000 seeded patterns,
    the found one counted among them. With n experiments no p below 2 / 2^n is possible: 0.0625 for the paper's five.
    """
    x = _finite(values, "values")
    if len(x) < 2:
        return None
    if len(x) <= EXACT_UP_TO:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(x))))
    else:
        signs = np.random.default_rng(seed).choice([1.0, -1.0], size=(SIGN_DRAWS, len(x)))
        signs[0] = 1.0
    found = abs(x.sum())
    return float(np.mean(np.abs(signs @ x) >= found - 1e-12 * np.abs(x).sum()))


def smallest_p(n: int) -> float | None:
    """Smallest p that sign_flip_p can give with n experiments; None below two."""
    if n < 2:
        return None
    return 2.0 / 2**n if n <= EXACT_UP_TO else max(2.0 / 2**n, 1.0 / SIGN_DRAWS)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Correct p-values for being several (Holm 1979), in the given order. p: (m,) from 0 to 1; result (m,) from 0 to 1.

    The k-th smallest is multiplied by m - k + 1; none may fall below the one before it.
    """
    raw = _finite(p, "p")
    order = np.argsort(raw, kind="stable")
    scaled = raw[order] * np.arange(len(raw), 0, -1)
    out = np.empty_like(raw)
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(raw) else scaled
    return out


def win_rates(runs: Sequence[Run], measure: Measure = "dice") -> list[WinRate]:
    """Count how often each strategy is above `random`, per size and over all sizes (size None, last of its strategy).

    Ties count as not won. Sizes at which both arms hold the same images (the initial set, the whole pool) are left out.
    """
    by_arm = arms(runs)
    drawn: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (experiment, strategy, _), sized in by_arm.items():
        for size, run in sized.items():
            if strategy == RANDOM:
                drawn[experiment, size].append(_score(run, measure))
    rates = []
    for strategy, sized_scores in scores(runs, measure).items():
        if strategy == RANDOM:
            continue
        everything: list[tuple[float, list[float]]] = []
        for size, by_experiment in sized_scores.items():
            pairs = [(score, drawn[e, size]) for e, score in by_experiment.items() if (e, size) in drawn]
            if pairs and not _same_sets(by_arm, strategy, size):
                rates.append(_rate(strategy, size, pairs))
                everything += pairs
        if everything:
            rates.append(_rate(strategy, None, everything))
    return rates


def cost(runs: Sequence[Run]) -> list[Cost]:
    """Sum the seconds of each strategy; the shared initial and whole-pool runs have rows of their own."""
    out = []
    for strategy in sorted({run.strategy for run in runs}, key=lambda name: (name != INITIAL, name == WHOLE, name != RANDOM, name)):
        own = [run for run in runs if run.strategy == strategy]
        steps = sum(1 for run in own if run.added)
        query = math.fsum(run.query_seconds for run in own)
        out.append(Cost(strategy, len(own), steps, query, query / steps if steps else None, math.fsum(run.train_seconds for run in own)))
    return out


def noise(runs: Sequence[Run], measure: Measure = "dice") -> Noise | None:
    """Pool the variance between trainings of the same set; None where no set was trained twice.

    A set whose scores are kept for several arms (same images, same scores) counts once.
    """
    repeated = {(run.chosen, _repeats(run, measure)) for run in runs if len(run.dice) > 1}
    if not repeated:
        return None
    groups = [np.array(values) for _, values in sorted(repeated)]
    free = sum(len(g) - 1 for g in groups)
    sd = math.sqrt(math.fsum(float(((g - g.mean()) ** 2).sum()) for g in groups) / free)
    return Noise(len(groups), _mean([len(g) for g in groups]), sd, sd * math.sqrt(_mean([1 / len(g) for g in groups])))


def _repeats(run: Run, measure: Measure) -> tuple[float, ...]:
    return run.dice if measure == "dice" else run.worst_dice


def _score(run: Run, measure: Measure) -> float:
    return run.mean_dice if measure == "dice" else run.mean_worst_dice


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise ResultsError(f"{name}: expected a list of finite numbers, found {array.tolist()}; mend the run it comes from")
    return array


def _same_sets(by_arm: Mapping[Arm, Mapping[int, Run]], strategy: str, size: int) -> bool:
    """Say whether the strategy and every random draw hold the same images at this size, in all experiments that have both."""
    sets: dict[int, dict[str, set[tuple[str, ...]]]] = defaultdict(lambda: defaultdict(set))
    for (experiment, name, _), sized in by_arm.items():
        if name in (strategy, RANDOM) and size in sized:
            sets[experiment][name].add(sized[size].chosen)
    paired = [names for names in sets.values() if len(names) == 2]
    return bool(paired) and all(len(names[strategy] | names[RANDOM]) == 1 for names in paired)


def _compare(
    strategy: str, size: int | None, own: Mapping[int, float], baseline: Mapping[int, float], same_sets: bool, seed: int
) -> Comparison | None:
    differences = {e: _cleared(own[e] - baseline[e]) for e in sorted(own) if e in baseline}
    if not differences:
        return None
    values = list(differences.values())
    interval, p, least = (
        (None, None, None) if same_sets else (bootstrap_interval(values, seed), sign_flip_p(values, seed), smallest_p(len(values)))
    )
    return Comparison(strategy, size, differences, _mean(values), interval, p, None, least, same_sets)


def _cleared(difference: float) -> float:
    """Give 0.0 for a difference that is only rounding, which else would count as a sign."""
    return 0.0 if abs(difference) < 1e-12 else difference


def _corrected(compared: list[Comparison]) -> list[Comparison]:
    tested = [i for i, c in enumerate(compared) if c.p is not None]
    corrected = dict(zip(tested, holm([p for c in compared if (p := c.p) is not None]).tolist(), strict=True))
    return [dataclasses.replace(c, p_holm=corrected.get(i)) for i, c in enumerate(compared)]


def _rate(strategy: str, size: int | None, pairs: Sequence[tuple[float, Sequence[float]]]) -> WinRate:
    """pairs: the strategy's score and the scores of the random draws beside it."""
    wins = sum(score > _mean(draws) for score, draws in pairs) / len(pairs)
    single = [score > draw for score, draws in pairs for draw in draws]
    return WinRate(strategy, size, len(pairs), wins, len(single), sum(single) / len(single))
