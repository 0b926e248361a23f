"""An order over the whole pool: the batch first, then whatever adds most, with the figures that explain each place."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.selection.greedy_search import greedy_order, row_means, ties
from model.selection.outcome import RankedImage, Ranking
from model.selection.problem import FloatArray, IntArray, Problem, checked_similarity, pose
from model.selection.solver import select

# Images after the batch that are ordered by exact greedy search; more than anyone labels before ranking again.
EXACT_STEPS = 1000
# Parts in which the rest is ordered; the expected dice is brought up to date after each.
TAIL_PARTS = 32
# Dice above the worst target at which a target's weight in the order of the rest has fallen to 1/e.
SOFTNESS = 0.02
# Images named as helped.
HELPED = 3


def rank(
    similarity: ArrayLike,
    labelled: Iterable[int],
    budget: int,
    *,
    targets: Iterable[int] | None = None,
    ids: Sequence[str] | None = None,
    time_limit: float = 30.0,
    seed: int = 0,
) -> Ranking:
    """Order all unlabelled images so that any prefix is a good choice; the arguments are those of `maximin`.

    The batch of `maximin` comes first. Inside it, and for the next 1,000 images, the next image is the one that raises the
    worst expected dice most (exact greedy search; ties by the mean, then by id). The rest is ordered in 32 parts: each part
    takes the images with the highest similarity to the targets, weighted by how close these are to the worst one after the
    parts before it. So 10,000 images take O(N^2) once and 32 products of the matrix with a vector, not N searches.
    """
    problem = pose(similarity, labelled, budget, targets, ids)
    selection, batch = select(problem, time_limit, seed)
    order = ranked_rows(problem, batch)
    return Ranking(explained(checked_similarity(similarity), problem, order), selection)


def ranked_rows(problem: Problem, batch: Sequence[int]) -> list[int]:
    """Return all candidates as canonical positions in the order of labelling; batch: candidate numbers."""
    means = row_means(problem.gains)
    members = problem.candidates[np.sort(np.asarray(batch))]
    order = greedy_order(problem.gains, means, problem.base, members, len(members))
    rest = np.setdiff1d(problem.candidates, members)
    totals = problem.base + problem.gains[members].sum(axis=0, dtype=np.float64)
    order += greedy_order(problem.gains, means, totals, rest, min(EXACT_STEPS, len(rest)))
    return order + tail(problem, order)


def tail(problem: Problem, order: Sequence[int]) -> list[int]:
    """Return the candidates that are not in `order` yet, part by part by their weighted similarity to the worst targets."""
    rest = np.setdiff1d(problem.candidates, order)
    totals = problem.base + problem.gains[list(order)].sum(axis=0, dtype=np.float64)
    known, size, result = len(problem.labelled) + len(order), -(-len(rest) // TAIL_PARTS), list[int]()
    while len(rest):
        expected = totals / (known + len(result))
        weights = np.exp((expected.min() - expected) / SOFTNESS)
        scores = ties(problem.gains @ (weights / weights.sum()).astype(problem.gains.dtype))[rest]
        part = rest[np.argsort(-scores, kind="stable")[:size]]
        totals += problem.gains[part].sum(axis=0, dtype=np.float64)
        result += part.tolist()
        rest = np.setdiff1d(rest, part)
    return result


def explained(similarity: FloatArray, problem: Problem, order: Sequence[int]) -> tuple[RankedImage, ...]:
    """Return the figures of each image when the images are labelled in `order` (canonical positions); similarity is the (N, N) input."""
    count = len(similarity)
    sorted_already = bool((problem.order == np.arange(count)).all())
    targets = slice(None) if len(problem.targets) == count else problem.targets

    def row(position: int) -> NDArray[np.float64]:
        gains = similarity[problem.order[position]]
        return (gains if sorted_already else gains[problem.order]).astype(np.float64)

    totals, nearest, open_ = np.zeros(count), np.full(count, -np.inf), np.ones(count, dtype=bool)
    for position in problem.labelled:
        gains = row(position)
        totals += gains
        nearest = np.maximum(nearest, gains)
        open_[position] = False
    before, images = totals / max(1, len(problem.labelled)), list[RankedImage]()
    for place, position in enumerate(order, start=1):
        gains = row(position)
        open_[position] = False
        totals += gains
        after = totals / (len(problem.labelled) + place)
        images.append(
            RankedImage(
                index=int(problem.order[position]),
                rank=place,
                in_batch=place <= problem.budget,
                worst_before=float(before[targets].min()),
                worst_after=float(after[targets].min()),
                mean_before=float(before[targets].mean()),
                mean_after=float(after[targets].mean()),
                own_before=float(before[position]),
                helps=tuple(int(problem.order[other]) for other in most_raised(gains - before, open_)),
                represents=int((gains > nearest).sum()),
            )
        )
        nearest = np.maximum(nearest, gains)
        before = after
    return tuple(images)


def most_raised(raised: NDArray[np.float64], open_: NDArray[np.bool_]) -> IntArray:
    """Return up to three positions with the largest positive figure among the open ones, ties by position: (N,), (N,) bool to (k,)."""
    figures = np.where(open_, raised, 0.0)
    least = -np.partition(-figures, HELPED - 1)[HELPED - 1] if len(figures) > HELPED else 0.0
    eligible = np.flatnonzero((figures >= least) & (figures > 0))
    return eligible[np.argsort(-figures[eligible], kind="stable")[:HELPED]]
