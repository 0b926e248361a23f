"""Similarities of made-up pools, of every kind that a selection meets, and the start of one."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.selection.active_set import ActiveSet, first_targets
from model.selection.greedy_search import greedy_batch
from model.selection.problem import Problem, pose

CLOSE = 1e-6
Matrix = NDArray[np.float64]


def uniform(count: int, seed: int = 0) -> Matrix:
    """Independent dice, the hardest pools to prove anything about."""
    matrix = np.random.default_rng(seed).random((count, count))
    np.fill_diagonal(matrix, 1)
    return matrix


def grouped(count: int, seed: int = 0, noise: float = 0.05) -> Matrix:
    """Six appearance groups: dice about .8 within, .1 to .6 across."""
    rng = np.random.default_rng(seed)
    group, mean = rng.integers(0, 6, count), rng.uniform(0.1, 0.6, (6, 6))
    np.fill_diagonal(mean, 0.8)
    matrix = np.clip(mean[group][:, group] + rng.normal(0, noise, (count, count)), 0, 1)
    np.fill_diagonal(matrix, 1)
    return matrix


def completed(count: int, known: int = 24) -> Matrix:
    """Grouped, with only the rows of the first images measured and the rest filled in as in Eq. 4."""
    matrix = grouped(count)
    rows = matrix[:known].copy()
    towards = rows.T.copy()
    towards[:known] = rows[:, :known]
    for k in range(known):
        path = (towards[:, k, None] + rows[k]) / 2
        matrix = path if k == 0 else np.maximum(matrix, path)
    matrix[:, :known], matrix[:known] = towards, rows
    np.fill_diagonal(matrix, 1)
    return matrix


def stepped(count: int, seed: int = 0) -> Matrix:
    """Three kinds of image and dice in steps of .25: nearly everything is a tie."""
    rng = np.random.default_rng(seed)
    kind, dice = rng.integers(0, 3, count), rng.integers(0, 5, (3, 3)) / 4
    matrix = dice[kind][:, kind]
    np.fill_diagonal(matrix, 1)
    return matrix


def lonely(count: int, seed: int = 0) -> Matrix:
    """Grouped, with two images that no other predicts."""
    matrix = grouped(count, seed)
    matrix[:, :2] = matrix[:2] = 0
    np.fill_diagonal(matrix, 1)
    return matrix


POOLS = {"uniform": uniform, "grouped": grouped, "stepped": stepped, "lonely": lonely}


@st.composite
def small_pools(draw: st.DrawFn) -> tuple[Matrix, list[int], int]:
    """A pool of up to 12 images, its labelled images, and a budget."""
    count = draw(st.integers(2, 12))
    matrix = POOLS[draw(st.sampled_from(sorted(POOLS)))](count, draw(st.integers(0, 10_000)))
    labelled = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=min(4, count - 1)))
    budget = draw(st.integers(1, min(4, count - len(labelled))))
    return matrix, labelled, budget


def solved(matrix: Matrix, budget: int) -> tuple[Problem, list[int], ActiveSet]:
    problem = pose(matrix, [], budget)
    batch = greedy_batch(problem)
    return problem, batch, first_targets(problem, batch)


def nearly_equal(count: int, groups: int, noise: float) -> Matrix:
    """Groups with dice of .8 within and .5 across, and differences so small that nearly every batch of the
    same make-up is a tie."""
    member = np.arange(count)
    apart: Matrix = 0.5 + 0.3 * (member[:, None] % groups == member % groups)
    return apart + noise * np.random.default_rng(0).random((count, count))
