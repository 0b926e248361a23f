"""Each strategy against random choice, paired within experiments:
differences, how sure they are, and how often it wins."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from model.experiment.evaluation.curves import Measure, areas, arms, scores
from model.experiment.evaluation.significance import DECIMALS, bootstrap_interval, holm, sign_flip_p
from model.experiment.record.run import INITIAL, RANDOM, Run


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A strategy minus `random`, paired within experiments;
    over the whole budget curve where size is None."""

    strategy: str
    size: int | None
    differences: dict[int, float]  # by experiment, only those in which both arms have the size (or the curve)
    mean: float
    # the next three are None for one experiment, or where the sets are the same
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None  # corrected over the strategies (curve) or over strategies x sizes
    same_sets: bool = False  # both arms hold the same images (the whole pool): there is no choice to compare

    @property
    def n(self) -> int:
        """Number of experiments compared."""
        return len(self.differences)

    @property
    def ahead(self) -> int:
        """In how many of them the strategy is above `random`."""
        return sum(difference > 0 for difference in self.differences.values())


def compare_areas(runs: Sequence[Run], measure: Measure = "dice") -> list[Comparison]:
    """Compare each strategy's budget curve with that of `random`;
    empty where `random` has no finished curve."""
    pairs = _pairs(areas(runs, measure)).groupby("strategy")
    return _corrected([_compare(str(name), None, of_one) for name, of_one in pairs])


def compare_sizes(runs: Sequence[Run]) -> list[Comparison]:
    """Compare each strategy with `random` at each size but the initial one; empty without `random`.

    Where both arms hold the same images (the whole pool) there is nothing to test;
    such sizes have no p and do not enter the correction.
    """
    pairs, same = _pairs(scores(runs)), same_sets(runs)
    pairs = pairs[~pairs["size"].isin([run.size for run in runs if run.strategy == INITIAL])]
    groups = pairs.groupby(["strategy", "size"])
    return _corrected([_compare(name, size, own, (name, size) in same) for (name, size), own in groups])


def win_rates(runs: Sequence[Run], by: Sequence[str]) -> pd.DataFrame:
    """How often each strategy is above `random`, by "strategy", or by "strategy" and "size".

    Columns: pairs, of experiment and size; wins, the share of pairs above the mean of the random sequences;
    draws, the number of single random sequences; draws_beaten, the share of these below the strategy.
    Ties count as not won.
    Sizes at which both arms hold the same images (the initial set, the whole pool) are left out.
    """
    table = arms(runs)
    pairs = _pairs(scores(runs)).set_index(["strategy", "size"], drop=False)
    pairs = pairs[~pairs.index.isin(same_sets(runs))].reset_index(drop=True)
    single = pairs.merge(table[table.strategy == RANDOM], on=["size", "experiment"], suffixes=("", "_single"))
    won = (pairs.difference > 0).groupby([pairs[name] for name in by])
    beaten = ((single.score - single.score_single).round(DECIMALS) > 0).groupby([single[name] for name in by])
    return pd.DataFrame(
        {"pairs": won.size(), "wins": won.mean(), "draws": beaten.size(), "draws_beaten": beaten.mean()}
    )


def _pairs(scores: "pd.Series[float]") -> pd.DataFrame:
    """The scores of each strategy where `random` has one, too, as rows with their `difference` to it."""
    table = scores.rename("score").reset_index()
    is_random = table.strategy == RANDOM
    on = [name for name in ("size", "experiment") if name in table]
    random = table[is_random].drop(columns="strategy")
    pairs = table[~is_random].merge(random, on=on, suffixes=("", "_random"))
    # what is only rounding counts as no difference: it would have a sign, and be a win
    return pairs.assign(difference=(pairs.score - pairs.score_random).round(DECIMALS) + 0.0)


def same_sets(runs: Sequence[Run]) -> set[tuple[str, int]]:
    """Strategies and sizes at which every random sequence holds the strategy's images, in all experiments
    that have both."""
    table = arms(runs)
    is_random = table.strategy == RANDOM
    both = table[~is_random].merge(table[is_random], on=["experiment", "size"], suffixes=("", "_random"))
    same = (both.chosen == both.chosen_random).groupby([both.strategy, both["size"]]).all()
    return set(same[same].index)


def _compare(strategy: str, size: int | None, pairs: pd.DataFrame, same_sets: bool = False) -> Comparison:
    values = pairs.difference.to_list()
    by_experiment = dict(zip(pairs.experiment.to_list(), values, strict=True))
    tested = (None, None) if same_sets else (bootstrap_interval(values), sign_flip_p(values))
    return Comparison(strategy, size, by_experiment, float(pairs.difference.mean()), *tested, None, same_sets)


def _corrected(compared: list[Comparison]) -> list[Comparison]:
    tested = [c.p for c in compared if c.p is not None]
    corrected = iter(holm(tested).tolist())
    return [c if c.p is None else dataclasses.replace(c, p_holm=next(corrected)) for c in compared]
