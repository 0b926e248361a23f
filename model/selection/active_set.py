"""The active set: the few targets that decide the worst case;
search, relaxation and proof look at these, check the rest afterwards, and add cutting planes."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.selection.problem import Problem

# Targets to begin with, and to add at a time; most pools need one to three hundred in all.
START, STEP = 32, 16
# Most targets held;
# only pools without structure come near, and for them a longer list costs more than it tells.
LIMIT = 800


class ActiveSet:
    """A growing set of targets with the gains of all candidates on them, stored target by target.

    The minimum over these targets is never below the minimum over all, so a bound proven on them holds for
    the whole problem.

    members: numbers of the targets, in the order of entry.
    gains: (W, C) float64, what each candidate adds to each active target.
    base: (W,) float64, sums of the labelled images.
    """

    def __init__(self, problem: Problem, members: Iterable[int]) -> None:
        self.problem = problem
        self.members: list[int] = []
        self.gains: NDArray[np.float64] = np.empty((0, len(problem.candidates)))
        self.base: NDArray[np.float64] = np.empty(0)
        self.add(members)

    def add(self, targets: Iterable[int]) -> int:
        """Take in targets (numbers 0 .. T-1) that are not members yet; return how many were new."""
        known = set(self.members)
        new = [int(target) for target in dict.fromkeys(targets) if target not in known]
        if new:
            columns = self.problem.gains[np.ix_(self.problem.candidates, np.array(new))].T.astype(np.float64)
            self.gains = np.concatenate([self.gains, columns])
            self.base = np.concatenate([self.base, self.problem.base[new]])
            self.members += new
        return len(new)

    def add_cuts(self, totals: NDArray[np.float64], below: float, count: int = STEP) -> int:
        """Cutting planes: take in up to `count` of the worst targets whose total, (T,), is below a value;
        return how many were new (0 when full)."""
        count = min(count, LIMIT - len(self.members))
        worst = np.argsort(totals, kind="stable")[:count]
        return self.add(worst[totals[worst] < below].tolist())

    def totals(self, chosen: Sequence[int]) -> NDArray[np.float64]:
        """Return |Z| p(x_j) on the active targets when `chosen` join the labelled: (W,) float64."""
        total: NDArray[np.float64] = self.base + self.gains[:, list(chosen)].sum(axis=1)
        return total


def first_targets(problem: Problem, chosen: Sequence[int]) -> ActiveSet:
    """Start from the targets that a given batch serves worst and those that the pool serves worst on
    average."""
    pool = problem.base + problem.gains.mean(axis=0, dtype=np.float64) * problem.budget
    served = problem.totals(chosen)
    half = START // 2
    return ActiveSet(
        problem,
        np.r_[np.argsort(served, kind="stable")[:half], np.argsort(pool, kind="stable")[:half]].tolist(),
    )
