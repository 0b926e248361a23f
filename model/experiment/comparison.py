"""Each strategy against random choice, paired within experiments:
differences, how sure they are, and how often it wins."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

from model.experiment.curves import Arm, Measure, areas, arms, mean, score_of, scores, strategies
from model.experiment.results import INITIAL, RANDOM, Run
from model.experiment.significance import SEED, bootstrap_interval, holm, sign_flip_p, smallest_p


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A strategy minus `random`, paired within experiments;
    over the whole budget curve where size is None."""

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


def compare_areas(runs: Sequence[Run], measure: Measure = "dice", seed: int = SEED) -> list[Comparison]:
    """Compare each strategy's budget curve with that of `random`;
    empty where `random` has no finished curve."""
    by_strategy = areas(runs, None, measure)
    baseline = by_strategy.get(RANDOM, {})
    others = [name for name in by_strategy if name != RANDOM]
    compared = [_compare(name, None, by_strategy[name], baseline, False, seed) for name in others]
    return _corrected([c for c in compared if c is not None])


def compare_sizes(runs: Sequence[Run], measure: Measure = "dice", seed: int = SEED) -> list[Comparison]:
    """Compare each strategy with `random` at each size but the initial one; empty without `random`.

    Where both arms hold the same images (the whole pool) there is nothing to test;
    such sizes have no p and do not enter the correction.
    """
    by_strategy, by_arm = scores(runs, measure), arms(runs)
    initial = {run.size for run in runs if run.strategy == INITIAL}
    baseline = by_strategy.get(RANDOM, {})
    compared = []
    for strategy in strategies(runs):
        for size in sorted(set(by_strategy[strategy]) - initial):
            if strategy != RANDOM:
                same = _same_sets(by_arm, strategy, size)
                compared.append(
                    _compare(strategy, size, by_strategy[strategy][size], baseline.get(size, {}), same, seed)
                )
    return _corrected([c for c in compared if c is not None])


def win_rates(runs: Sequence[Run], measure: Measure = "dice") -> list[WinRate]:
    """Count how often each strategy is above `random`, per size and over all sizes (size None, last of its
    strategy).

    Ties count as not won.
    Sizes at which both arms hold the same images (the initial set, the whole pool) are left out.
    """
    by_arm = arms(runs)
    drawn: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (experiment, strategy, _), sized in by_arm.items():
        for size, run in sized.items():
            if strategy == RANDOM:
                drawn[experiment, size].append(score_of(run, measure))
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


def _same_sets(by_arm: Mapping[Arm, Mapping[int, Run]], strategy: str, size: int) -> bool:
    """Say whether the strategy and every random draw hold the same images at this size, in all experiments
    that have both."""
    sets: dict[int, dict[str, set[tuple[str, ...]]]] = defaultdict(lambda: defaultdict(set))
    for (experiment, name, _), sized in by_arm.items():
        if name in (strategy, RANDOM) and size in sized:
            sets[experiment][name].add(sized[size].chosen)
    paired = [names for names in sets.values() if len(names) == 2]
    return bool(paired) and all(len(names[strategy] | names[RANDOM]) == 1 for names in paired)


def _compare(
    strategy: str,
    size: int | None,
    own: Mapping[int, float],
    baseline: Mapping[int, float],
    same_sets: bool,
    seed: int,
) -> Comparison | None:
    differences = {e: _cleared(own[e] - baseline[e]) for e in sorted(own) if e in baseline}
    if not differences:
        return None
    values = list(differences.values())
    interval, p, least = (
        (None, None, None)
        if same_sets
        else (bootstrap_interval(values, seed), sign_flip_p(values, seed), smallest_p(len(values)))
    )
    return Comparison(strategy, size, differences, mean(values), interval, p, None, least, same_sets)


def _cleared(difference: float) -> float:
    """Give 0.0 for a difference that is only rounding, which else would count as a sign."""
    return 0.0 if abs(difference) < 1e-12 else difference


def _corrected(compared: list[Comparison]) -> list[Comparison]:
    tested = [i for i, c in enumerate(compared) if c.p is not None]
    corrected = dict(zip(tested, holm([p for c in compared if (p := c.p) is not None]).tolist(), strict=True))
    return [dataclasses.replace(c, p_holm=corrected.get(i)) for i, c in enumerate(compared)]


def _rate(strategy: str, size: int | None, pairs: Sequence[tuple[float, Sequence[float]]]) -> WinRate:
    """pairs: the strategy's score and the scores of the random draws beside it."""
    wins = sum(score > mean(draws) for score, draws in pairs) / len(pairs)
    single = [score > draw for score, draws in pairs for draw in draws]
    return WinRate(strategy, size, len(pairs), wins, len(single), sum(single) / len(single))
