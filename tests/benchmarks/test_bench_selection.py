"""How good, how fast and how large a selection is, beside its rivals;
one process for each pool, so that peak memory is its own.

`pytest -m benchmark -s tests/benchmarks/test_bench_selection.py` prints the table; one row alone:
`python tests/benchmarks/test_bench_selection.py KIND N BUDGET SEED TIME_LIMIT`.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

ROOT = Path(__file__).resolve().parents[2]
# The plain integer program (all candidates, all targets) gets this many seconds, and is left out for larger
# pools.
MILP_SECONDS, MILP_LIMIT = 30.0, 1000
COLUMNS = [
    "kind",
    "n",
    "budget",
    "seconds",
    "value",
    "bound",
    "gap",
    "greedy",
    "greedy_s",
    "milp",
    "milp_s",
    "rank_s",
    "peak_mb",
]


def completed(rows: NDArray[np.float32], known: NDArray[np.int64]) -> NDArray[np.float32]:
    """Complete a similarity of which only the rows of K are known, by Eq. 4: (K, N) to (N, N) float32.

    As model.similarity.complete, which would load torch, whose memory is many times that of a selection.
    """
    count = rows.shape[1]
    towards = np.ascontiguousarray(rows.T)  # d(i, k) is taken from d(k, i) ...
    towards[known] = rows[:, known]  # ... except where row i is known itself
    matrix = np.zeros((count, count), dtype=np.float32)
    for start in range(0, count, 500):
        block = matrix[start : start + 500]
        for k in range(len(known)):
            np.maximum(block, (towards[start : start + 500, k, None] + rows[k]) / 2, out=block)
    matrix[:, known] = towards
    matrix[known] = rows
    np.fill_diagonal(matrix, 1)
    return matrix


def clustered(count: int, rng: np.random.Generator, known: int = 32) -> NDArray[np.float32]:
    """Six appearance groups, own-group dice about .7 to .9, across groups .1 to .6, `known` networks trained,
    the rest by Eq. 4."""
    group, mean = rng.integers(0, 6, count), rng.uniform(0.1, 0.6, (6, 6))
    mean[np.arange(6), np.arange(6)] = rng.uniform(0.7, 0.9, 6)
    quality, ease = rng.normal(0, 0.05, count), rng.normal(0, 0.05, count)
    members = np.sort(rng.choice(count, min(known, count), replace=False))
    noise = rng.normal(0, 0.05, (len(members), count))
    rows = np.clip(mean[group[members]][:, group] + quality[members, None] + ease + noise, 0, 1).astype(
        np.float32
    )
    rows[np.arange(len(members)), members] = 1
    return rows if known >= count else completed(rows, members)


def few_known(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """As clustered, with 16 trained networks."""
    return clustered(count, rng, 16)


def many_known(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """As clustered, with 50 trained networks."""
    return clustered(count, rng, 50)


def all_known(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """As clustered, with a network trained on every image, so that each dice has its own noise."""
    return clustered(count, rng, count)


def one_group(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Images much alike: dice about .8, better and worse teachers, easier and harder images."""
    matrix = rng.standard_normal((count, count), dtype=np.float32)
    matrix += (
        rng.standard_normal((count, 1), dtype=np.float32)
        + rng.standard_normal(count, dtype=np.float32)
        + np.float32(16)
    )
    matrix *= np.float32(0.05)
    np.clip(matrix, 0, 1, out=matrix)
    np.fill_diagonal(matrix, 1)
    return matrix


def duplicates(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Eight kinds of image, all of a kind identical, dice in steps of .1: nearly everything is a tie."""
    kind, dice = rng.integers(0, 8, count), np.round(rng.random((8, 8)), 1).astype(np.float32)
    matrix = dice[kind][:, kind]
    np.fill_diagonal(matrix, 1)
    return matrix


def lonely(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """As clustered, with 3 images (fewer than the budget) that no other image predicts at all."""
    return isolate(clustered(count, rng), 3, 0.0, rng)


def many_lonely(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """As clustered, with one image in 20 that others predict with a dice of .00 to .05:
    more of them than the budget."""
    return isolate(clustered(count, rng), count // 20, 0.05, rng)


def isolate(
    matrix: NDArray[np.float32], number: int, high: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Make some images unpredictable and useless to others, in place."""
    block = rng.choice(len(matrix), number, replace=False)
    matrix[:, block] = rng.uniform(0, high, (len(matrix), number))
    matrix[block] = rng.uniform(0, high, (number, len(matrix)))
    np.fill_diagonal(matrix, 1)
    return matrix


def equal_groups(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Six groups, dice .8 within and .2 across, each dice with noise of its own:
    most batches differ by the noise alone."""
    group = rng.integers(0, 6, count)
    matrix = np.where(group[:, None] == group, np.float32(0.8), np.float32(0.2))
    matrix += np.float32(0.05) * rng.standard_normal((count, count), dtype=np.float32)
    np.clip(matrix, 0, 1, out=matrix)
    np.fill_diagonal(matrix, 1)
    return matrix


def continuum(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Eight clouds of appearances in four dimensions; dice fall off with the distance."""
    place = 2 * rng.normal(size=(8, 4))[rng.integers(0, 8, count)] + rng.normal(size=(count, 4)) / 2
    square = (place**2).sum(axis=1)
    matrix: NDArray[np.float32] = np.exp(
        -np.maximum(square[:, None] + square - 2 * place @ place.T, 0) / 8
    ).astype(np.float32)
    np.fill_diagonal(matrix, 1)
    return matrix


def noisy_continuum(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """As continuum, each dice with noise of its own."""
    matrix = continuum(count, rng) + np.float32(0.05) * rng.standard_normal((count, count), dtype=np.float32)
    np.clip(matrix, 0, 1, out=matrix)
    np.fill_diagonal(matrix, 1)
    return matrix


def unstructured(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Independent uniform dice: the hard case, which no real pool resembles."""
    matrix = rng.random((count, count), dtype=np.float32)
    np.fill_diagonal(matrix, 1)
    return matrix


KINDS: dict[str, Callable[[int, np.random.Generator], NDArray[np.float32]]] = {
    function.__name__: function
    for function in (
        *(clustered, few_known, many_known, all_known, one_group, duplicates, lonely, many_lonely),
        *(continuum, noisy_continuum, equal_groups, unstructured),
    )
}


def plain_milp(matrix: NDArray[np.float32], budget: int) -> tuple[float, float]:
    """Solve the whole integer program without any of our preparation; return its value and seconds."""
    count, start = len(matrix), time.monotonic()
    result = milp(
        np.r_[np.zeros(count), -1.0],
        constraints=[
            LinearConstraint(np.c_[matrix.T, -np.ones(count)], 0, np.inf),
            LinearConstraint(np.r_[np.ones(count), 0.0][None], budget, budget),
        ],
        bounds=Bounds(np.zeros(count + 1), np.r_[np.ones(count), budget]),
        integrality=np.r_[np.ones(count), 0.0],
        options={"time_limit": MILP_SECONDS},
    )
    value = (
        np.nan
        if result.x is None
        else float(matrix[result.x[:-1] > 0.5].sum(axis=0, dtype=np.float64).min()) / budget
    )
    return value, time.monotonic() - start


def measure(kind: str, count: int, budget: int, seed: int, time_limit: float) -> dict[str, Any]:
    """Select from one pool in this process and return a row of the table."""
    from model.selection import Objective, greedy, maximin
    from model.selection.problem import pose
    from model.selection.ranking import explained, ranked_rows

    matrix = KINDS[kind](count, np.random.default_rng(seed))
    start = time.monotonic()
    rival = greedy(matrix, [], budget)
    greedy_seconds, start = time.monotonic() - start, time.monotonic()
    found = maximin(matrix, [], budget, time_limit=time_limit)
    seconds, start = time.monotonic() - start, time.monotonic()
    problem = pose(matrix, [], budget)
    explained(problem, ranked_rows(problem, found.indices), Objective.MIN_MEAN)
    rank_seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    value, milp_seconds = plain_milp(matrix, budget) if count <= MILP_LIMIT else (np.nan, np.nan)
    figures = (
        seconds,
        found.value,
        found.upper_bound,
        found.gap,
        rival.value,
        greedy_seconds,
        value,
        milp_seconds,
        rank_seconds,
        peak,
    )
    return dict(zip(COLUMNS, (kind, count, budget, *figures), strict=True))


def row(kind: str, count: int, budget: int, seed: int, time_limit: float) -> dict[str, Any]:
    """Measure one pool in a process of its own."""
    command = [sys.executable, __file__, kind, str(count), str(budget), str(seed), str(time_limit)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def line(figures: dict[str, Any]) -> str:
    """Lay out one row of the table."""
    return " ".join(
        f"{figures[name]:>12.4f}" if isinstance(figures[name], float) else f"{figures[name]:>12}"
        for name in COLUMNS
    )


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("count", "budget", "time_limit", "kinds"),
    [
        (100, 5, 30.0, tuple(KINDS)),
        (1000, 10, 30.0, tuple(KINDS)),
        (10_000, 20, 100.0, ("clustered", "few_known", "one_group", "lonely", "unstructured")),
    ],
)
def test_selection_beside_its_rivals(
    count: int, budget: int, time_limit: float, kinds: tuple[str, ...]
) -> None:
    """A table of value, proof, seconds and memory; the only demand is that greedy search is never better."""
    print("\n" + " ".join(f"{name:>12}" for name in COLUMNS))
    for kind in kinds:
        figures = row(kind, count, budget, 0, time_limit)
        print(line(figures), flush=True)
        assert figures["value"] >= figures["greedy"] - 1e-9


if __name__ == "__main__":
    pool, images, batch, start_seed, limit = sys.argv[1:]
    print(json.dumps(measure(pool, int(images), int(batch), int(start_seed), float(limit))))
