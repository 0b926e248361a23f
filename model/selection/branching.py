"""Proof for larger pools:
branch and bound on how many images the batch takes from groups of similar candidates.

Branching on single candidates moves no bound, because a neighbour takes the place of each that is left out.
How many images a whole group gives is what a fractional batch is really undecided about.
"""

import heapq
import math
import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

from model.selection.hard_targets import HardTargets
from model.selection.local_search import BETTER, Batch, settle
from model.selection.problem import Problem
from model.selection.relaxation import Limit, relaxed_totals, solve

# Work of a search:
# the limit that ends most unfinished proofs, after ten to thirty seconds, so that fast and slow machines
# agree; and what each linear program takes at least.
MAX_WORK, LEAST_WORK = 50_000_000, 4_000
# Candidates with which a linear program begins and by which it grows, and how often it does.
CANDIDATES, MAX_ROUNDS = 100, 8
# The best candidates, which are grouped; the time for it grows with their square.
GROUPED = 3000
# A group counts as undecided when its number is this far from a whole one;
# the largest undecided group is branched on.
UNDECIDED = 0.15
# Distance from whole numbers that counts as rounding.
WHOLE = 1e-6


@dataclass(frozen=True)
class Groups:
    """All groups of a hierarchical clustering, the largest first, each a range of one order of the
    candidates.

    order: (K,) int64, candidates; start, stop: (G,) int64, the ranges.
    """

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def undecided(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.int64], float] | None:
        """Return the members of the group to branch on and their number in the batch, or None where all
        weights, (C,), are whole."""
        sums = np.r_[0.0, np.cumsum(weights[self.order])]
        numbers = sums[self.stop] - sums[self.start]
        away = np.abs(numbers - np.round(numbers))
        place = int((away > UNDECIDED).argmax()) if (away > UNDECIDED).any() else int(away.argmax())
        return (
            (self.order[self.start[place] : self.stop[place]], float(numbers[place]))
            if away[place] > WHOLE
            else None
        )


def group(hard: HardTargets, ranked: NDArray[np.int64]) -> Groups:
    """Group candidates, the best first, by what they add to the hard targets (Ward's criterion);
    those after `GROUPED` stay single."""
    kept, rest = ranked[:GROUPED], ranked[GROUPED:]
    count = len(kept)
    tree = linkage(pdist(hard.gains[:, kept].T), "ward")
    size = np.r_[np.ones(count), tree[:, 3]].astype(np.int64)
    start = np.zeros(len(size), dtype=np.int64)
    for parent in range(len(size) - 1, count - 1, -1):
        left, right = tree[parent - count, :2].astype(np.int64)
        start[left], start[right] = start[parent], start[parent] + size[left]
    start, size = np.r_[start, count + np.arange(len(rest))], np.r_[size, np.ones(len(rest), dtype=np.int64)]
    largest = np.argsort(-size, kind="stable")
    return Groups(np.r_[kept[leaves_list(tree)], rest], start[largest], (start + size)[largest])


@dataclass(order=True)
class Node:
    """The batches that keep to some limits.

    key: the negative of a bound on them, so that the most promising node is the smallest, and a number.
    weights, scores: (C,) float64, the solution of their relaxation, and the candidates' worth at its prices.
    targets: how many hard targets the relaxation knew.
    """

    key: tuple[float, int]
    limits: tuple[Limit, ...] = field(compare=False)
    weights: NDArray[np.float64] = field(compare=False)
    scores: NDArray[np.float64] = field(compare=False)
    targets: int = field(compare=False)

    @property
    def bound(self) -> float:
        """On the worst total of its batches."""
        return -self.key[0]


@dataclass
class Tree:
    """A best-first search among batches of `kept` candidates;
    `batch` is the best so far, `value` its worst total."""

    problem: Problem
    hard: HardTargets
    kept: NDArray[np.int64]
    batch: Batch
    value: float
    tolerance: float
    deadline: float
    nodes: list[Node] = field(default_factory=list)
    closed: float = (
        0.0  # the highest bound of a node that cannot be divided: its solution is a batch, or there is none
    )
    work: int = 0
    made: int = 0

    @cached_property
    def left_out(self) -> NDArray[np.int64]:
        """The candidates that are not kept, ascending."""
        return np.setdiff1d(np.arange(len(self.problem.candidates)), self.kept)

    @property
    def bound(self) -> float:
        """What no batch of the kept candidates exceeds."""
        return max(self.value + self.tolerance, self.closed, self.nodes[0].bound if self.nodes else 0.0)

    @property
    def over(self) -> bool:
        """Whether nothing is left to look at, or the search has used up its share."""
        closed = not self.nodes or self.nodes[0].bound <= max(self.value + self.tolerance, self.closed)
        return closed or self.work >= MAX_WORK or time.monotonic() > self.deadline

    def enter(self, limits: tuple[Limit, ...], scores: NDArray[np.float64], bound: float) -> None:
        """Solve the relaxation of the batches that keep to `limits` and enter them as a node, unless none can
        be better.

        scores: (C,), `bound`: of the node they are a part of.
        Candidates that are missing enter the linear program as their scores ask for it;
        the bound covers all that are kept at any time.
        """
        weights: NDArray[np.float64] | None = None
        active = self.first_candidates(limits, scores)
        for _ in range(MAX_ROUNDS):
            self.work += LEAST_WORK
            solution = solve(self.problem, self.hard, active, self.deadline, limits)
            if solution is None:
                break
            weights, prices, work = solution
            self.work += work
            scores = prices.scores(self.hard, limits)
            scores[self.left_out] = -np.inf
            bound = min(bound, prices.bound(self.problem, self.hard, scores, limits))
            missing = np.flatnonzero(
                scores > np.sort(scores[active])[-self.problem.budget] + self.tolerance / self.problem.budget
            )
            missing = np.setdiff1d(missing, active)
            if bound <= self.value + self.tolerance or not len(missing):
                break
            active = np.union1d(active, missing[np.argsort(-scores[missing], kind="stable")[:CANDIDATES]])
        if weights is None:
            self.closed = max(self.closed, bound)
        elif bound > self.value + self.tolerance:
            self.made += 1
            heapq.heappush(
                self.nodes, Node((-bound, self.made), limits, weights, scores, len(self.hard.members))
            )

    def first_candidates(self, limits: tuple[Limit, ...], scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return candidates to begin with, ascending:
        those that are hard targets, and the best scores, (C,), of all and of each group that must give some.
        """
        ranked = self.kept[np.argsort(-scores[self.kept], kind="stable")]
        own = np.searchsorted(self.problem.candidates, self.problem.targets[self.hard.members])
        own = own[np.isin(self.problem.targets[self.hard.members], self.problem.candidates[self.kept])]
        wanted = [ranked[: max(CANDIDATES, self.problem.budget)], own]
        wanted += [ranked[limit.members[ranked]][: self.problem.budget] for limit in limits if limit.sign < 0]
        return np.unique(np.concatenate(wanted))

    def improve(self, weights: NDArray[np.float64]) -> None:
        """Look for a better batch near a relaxation's solution, (C,)."""
        rounded = sorted(np.argsort(-weights, kind="stable")[: self.problem.budget].tolist())
        found, worth = settle(self.problem, self.hard, rounded, self.deadline)
        if worth > self.value + BETTER:
            self.batch, self.value = found, worth


def branch(
    problem: Problem,
    hard: HardTargets,
    kept: NDArray[np.int64],
    scores: NDArray[np.float64],
    batch: Batch,
    bound: float,
    tolerance: float,
    deadline: float,
) -> tuple[Batch, float]:
    """Return the best batch found, and a proven bound on the worst total of all batches of the candidates
    kept.

    kept: (K,) int64; scores: (C,) float64 of the relaxation, `bound` its bound; batch: the best known;
    tolerance: on the worst total, below which a better batch is not looked for.
    """
    tree = Tree(problem, hard, kept, batch, problem.worst(batch), tolerance, deadline)
    tree.enter((), scores, bound)
    if tree.over:
        return tree.batch, tree.bound
    groups = group(hard, kept[np.argsort(-scores[kept], kind="stable")])
    while not tree.over:
        node = heapq.heappop(tree.nodes)
        tree.improve(node.weights)
        choice = groups.undecided(node.weights)
        if choice is None:
            hard.add_worst(relaxed_totals(problem, node.weights), node.bound - tolerance)
            if len(hard.members) > node.targets:
                tree.enter(node.limits, node.scores, node.bound)
            else:
                tree.closed = max(tree.closed, node.bound)
            continue
        members = np.zeros(len(scores), dtype=bool)
        members[choice[0]] = True
        whole = math.floor(choice[1])
        for limit in (Limit(members, whole, 1), Limit(members, whole + 1, -1)):
            tree.enter((*node.limits, limit), node.scores, node.bound)
    return tree.batch, tree.bound
