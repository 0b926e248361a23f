"""How well does `similarity: pixel` hold up: in large pools, where it looks at fewer pixels, and as what a
strategy expects of a set of labels?

Prints Spearman's rank correlation of the reduced comparisons with the full one, over all pairs, with six
labels; and, for the results of an experiment with U-Nets, that of what each set's images teach, by their
annotators' masks, with the dice that came.
Run: OMP_NUM_THREADS=1 .venv/bin/python -m tests.benchmarks.similarity_study FOLDER SPLIT SIDE [RESULTS]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from model.data.pool import Pool
from model.experiment.images import read_pool
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, WHOLE
from model.network.recipe import Recipe
from model.similarity.pixel_similarity import EFFORTS, LEAST_EFFORT, Effort, PixelSimilarity, compare_pixels
from model.similarity.round import Round

LABELS = 6
FULL, *REDUCED = [*EFFORTS.values(), LEAST_EFFORT]
EXPECTED: dict[str, Callable[[npt.NDArray[np.float32]], float]] = {
    "mean over images of the mean over Z": lambda taught: float(taught.mean()),
    "worst image, mean over Z (the paper)": lambda taught: float(taught.mean(axis=0).min()),
    "mean over images of the best of Z": lambda taught: float(taught.max(axis=0).mean()),
}
"""What a set Z is expected to teach, from float32 (Z, images): d of each of its networks on each image."""


def compare(
    pool: Pool, ids: Collection[str], labelled: Collection[str], side: int, effort: Effort, *, true: bool
) -> PixelSimilarity:
    """The comparison of a pool's images of which some are labelled."""
    with tempfile.TemporaryDirectory() as folder:
        round_ = Round(
            images={name: pool.images[name] for name in ids},
            labels={name: pool.labels[name] for name in labelled},
            classes=pool.classes,
            recipe=Recipe(max_side=side),
            seed=0,
            folder=Path(folder),
            learns_by="pixel",
        )
        return compare_pixels(round_, true_masks=true, effort=effort)


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    return float(stats.spearmanr(first, second).statistic)


def main(data: Path, split: Path, side: int, results: Path | None) -> None:
    """Print both tables."""
    pool = read_pool(data, split, side, None)
    parts = json.loads(split.read_text())
    ids = sorted([*parts["pool"], *parts["test"]])
    labelled = parts["pool"][:LABELS]
    full = compare(pool, ids, labelled, side, FULL, true=False)
    pairs = ~np.eye(len(full.ids), dtype=bool)
    print(
        f"| pixels learned from, scored | correlation of {int(pairs.sum())} pairs with the full comparison |"
    )
    print("|---|---|")
    for effort in REDUCED:
        found = compare(pool, ids, labelled, side, effort, true=False)
        value = rank_correlation(found.matrix[pairs], full.matrix[pairs])
        print(f"| {effort.learned}, {effort.scored} | {value:.2f} |", flush=True)
    if results is None:
        return
    # One image has to be unlabelled; it is left out below.
    found = compare(pool, ids, [name for name in ids if name != parts["test"][0]], side, FULL, true=True)
    place = {name: index for index, name in enumerate(found.ids)}
    test = [place[name] for name in parts["test"][1:] if name in place]
    print(f"\n| images in Z | sets | {' | '.join(EXPECTED)} |\n|---|---|{'---|' * len(EXPECTED)}")
    recorded = Results.load(results).runs
    for size in sorted({run.size for run in recorded if run.strategy not in (INITIAL, WHOLE)}):
        runs = [run for run in recorded if run.size == size]
        taught = [
            found.matrix[np.ix_([place[name] for name in run.chosen if name in place], test)] for run in runs
        ]
        dice = [run.mean_dice for run in runs]
        figures = [rank_correlation([expect(each) for each in taught], dice) for expect in EXPECTED.values()]
        print(f"| {size} | {len(runs)} | {' | '.join(f'{figure:+.2f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4:] else None)
