"""An order over the whole pool:
the batch first, then whatever adds most, with the figures that explain each place."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.selection.cover import order_by_cover
from model.selection.cover_solver import select_cover
from model.selection.greedy_search import greedy_order, row_means, ties
from model.selection.objective import Objective
from model.selection.outcome import RankedImage, Ranking
from model.selection.problem import FloatArray, IntArray, Problem, pose
from model.selection.proof import MOST_NODES
from model.selection.solver import TIME_LIMIT, select

# Images after the batch that are ordered by exact greedy search;
# more than anyone labels before ranking again.
EXACT_STEPS = 500
# Images of the rest that are ordered before the worst targets, this many, are looked up again.
TAIL_PART, TAIL_TARGETS = 64, 128
# Dice above the worst target at which a target's weight in the order of the rest has fallen to 1/e.
SOFTNESS = 0.02
# Images named as helped.
HELPED = 3


def rank(
    similarity: ArrayLike,
    labelled: Iterable[int],
    budget: int,
    *,
    objective: Objective = Objective.MIN_MEAN,
    ids: Sequence[str] | None = None,
    time_limit: float = TIME_LIMIT,
    seed: int = 0,
    nodes: int = MOST_NODES,
) -> Ranking:
    """Order all unlabelled images so that any prefix is a good choice; the other arguments are those of
    `maximin`.

    The batch that maximises the objective comes first: that of `maximin`, or of `select_cover`, whose order
    goes on as `order_by_cover` says. With `maximin` it goes on like this.
    Inside it, and for the next 500 images, the next image is the one that raises the worst expected dice most
    (exact greedy search; ties by the mean, then by id).
    For the rest, the next image is the one with the highest similarity to the 128 worst targets, weighted by
    how close each is to the worst one:
    a soft minimum, which costs a product of a thin matrix with a vector instead of a search over all pairs.
    So 10,000 images take seconds.
    """
    problem = pose(similarity, labelled, budget, ids)
    if objective is Objective.MIN_MEAN:
        selection, batch = select(problem, time_limit, seed, nodes)
        order = ranked_rows(problem, batch)
    else:
        selection, members = select_cover(problem, objective, time_limit)
        order = order_by_cover(problem, objective, members)
    return Ranking(explained(problem, order, objective), selection)


def ranked_rows(problem: Problem, batch: Sequence[int], exact_steps: int = EXACT_STEPS) -> list[int]:
    """Return all candidates as canonical positions in the order of labelling; batch: candidate numbers."""
    means = row_means(problem.gains)
    members = problem.candidates[np.sort(np.asarray(batch))]
    order = greedy_order(problem.gains, means, problem.base, members, len(members))
    rest = np.setdiff1d(problem.candidates, members)
    totals = problem.base + problem.gains[members].sum(axis=0, dtype=np.float64)
    order += greedy_order(problem.gains, means, totals, rest, min(exact_steps, len(rest)))
    return order + tail(problem, order)


def tail(problem: Problem, order: Sequence[int]) -> list[int]:
    """Return the candidates that are not in `order` yet, one at a time by their weighted similarity to the
    worst targets."""
    rest = np.setdiff1d(problem.candidates, order)
    totals = problem.base + problem.gains[list(order)].sum(axis=0, dtype=np.float64)
    known, result = len(problem.labelled) + len(order), list[int]()
    while len(rest):
        worst = (
            np.sort(np.argpartition(totals, TAIL_TARGETS)[:TAIL_TARGETS])
            if len(totals) > TAIL_TARGETS
            else np.arange(len(totals))
        )
        places = tail_part(problem.gains[np.ix_(rest, worst)], totals[worst], known + len(result))
        totals += problem.gains[rest[places]].sum(axis=0, dtype=np.float64)
        result += rest[places].tolist()
        rest = np.delete(rest, places)
    return result


def tail_part(gains: FloatArray, totals: NDArray[np.float64], known: int) -> list[int]:
    """Pick up to TAIL_PART rows of `gains`, each the one most similar to the targets as weighted after the
    picks before it.

    gains: (P, T) of the remaining images on the targets looked at; totals: (T,); known:
    number of images in the totals.
    """
    totals, taken = totals.copy(), list[int]()
    for _ in range(min(TAIL_PART, len(gains))):
        expected = totals / (known + len(taken))
        weights = np.exp((expected.min() - expected) / SOFTNESS)
        scores = ties(gains @ (weights / weights.sum()).astype(gains.dtype))
        scores[taken] = -np.inf
        taken.append(int(scores.argmax()))  # the first of equals: the smaller id
        totals += gains[taken[-1]]
    return taken


def explained(problem: Problem, order: Sequence[int], objective: Objective) -> tuple[RankedImage, ...]:
    """Return the figures of each image when the images are labelled in `order` (canonical positions)."""
    count = len(problem.similarity)
    sorted_already = bool((problem.order == np.arange(count)).all())

    def row(position: int) -> NDArray[np.float64]:
        gains = problem.similarity[problem.order[position]]
        return (gains if sorted_already else gains[problem.order]).astype(np.float64)

    totals, nearest, open_ = np.zeros(count), np.full(count, -np.inf), np.ones(count, dtype=bool)
    for position in problem.labelled:
        gains = row(position)
        totals += gains
        nearest = np.maximum(nearest, gains)
        open_[position] = False
    by_mean = objective is Objective.MIN_MEAN
    before = totals / max(1, len(problem.labelled)) if by_mean else np.maximum(nearest, 0.0)
    reached, images = objective.summarise(before), list[RankedImage]()
    for place, position in enumerate(order, start=1):
        gains = row(position)
        open_[position] = False
        totals += gains
        after = totals / (len(problem.labelled) + place) if by_mean else np.maximum(before, gains)
        helped = most_raised(gains - before, open_)
        images.append(
            RankedImage(
                index=int(problem.order[position]),
                rank=place,
                in_batch=place <= problem.budget,
                value_before=reached,
                value_after=(reached := objective.summarise(after)),
                helps=tuple(int(problem.order[other]) for other in helped),
                raised=(float(before[helped[0]]), float(after[helped[0]])) if len(helped) else None,
                represents=int((gains > nearest).sum()),
            )
        )
        nearest = np.maximum(nearest, gains)
        before = after
    return tuple(images)


def most_raised(raised: NDArray[np.float64], open_: NDArray[np.bool_]) -> IntArray:
    """Return up to three positions with the largest positive figure among the open ones, ties by position:
    (N,), (N,) bool to (k,)."""
    figures = np.where(open_, raised, 0.0)
    least = -np.partition(-figures, HELPED - 1)[HELPED - 1] if len(figures) > HELPED else 0.0
    eligible = np.flatnonzero((figures >= least) & (figures > 0))
    return eligible[np.argsort(-figures[eligible], kind="stable")[:HELPED]]
