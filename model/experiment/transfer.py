"""Does d measure what it should? d from pseudo-labels against the true transfer dice, and what a smaller K
costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from model.arrays import Mask
from model.experiment.protocol import Protocol
from model.experiment.record.run import Dice
from model.experiment.study import Study
from model.files import write_bytes
from model.network.dice import dice
from model.selection import expected_dice, maximin
from model.similarity import complete, predictions_of
from model.similarity.pixel_similarity import compare_pixels
from model.similarity.round import Round

Matrix = npt.NDArray[np.float64]
SHARES = (0.25, 0.5, 1.0)  # of U that K may be
DRAWS = 20  # random K of each share, and random batches
SELECTION_SECONDS = 5.0
QUESTION = (
    "Does d rank as the truth does? d(x_k, x_j), which chooses the batch, scores a network trained on image k"
    " alone against the pseudo-label of image j, the mask of a first model f_L; the true transfer dice scores"
    " a U-Net trained like that against your mask. Spearman is their rank correlation: 1 is the same order, 0"
    " no relation."
)
RANKS = (
    "experiment | similarity | f_L: dice of its pseudo-labels | Spearman, all pairs"
    " | Spearman, median of rows | pairs"
)
WORTH = (
    "experiment | K | Spearman of the completed d with the true transfer"
    " | batch of {}: worst true expected dice | mean"
)
NOTHING = (
    "the network on the initial images finds nothing, or only foreground, in all others: try more --steps or"
    " --initial"
)


def study(
    protocol: Protocol, budget: int, out: Path, *, jobs: int, on_done: Callable[[int, int], None]
) -> None:
    """For each experiment's initial set train f_k for every k of U, and score it on pseudo-labels and on true
    masks.

    Writes transfer.json (a row each, resumed from) and transfer.md into `out`.
    """
    settings = {
        **protocol.describe_data(),
        "recipe": protocol.recipe.to_dict(),
        "seed": protocol.seed,
        "initial": protocol.initial,
    }
    pool = len(protocol.split_of(0).pool)
    dices = Annotated[list[Dice], Field(min_length=pool, max_length=pool)]
    kind = dict[str, Annotated[dict[Literal["d", "true"], dices], Field(min_length=2)]]
    with Study.open(out / "transfer.json", settings, "rows", kind) as kept:
        units: dict[str, tuple[Protocol, int, str, Path]] = {}
        for experiment in range(protocol.experiments):
            round_ = _round(protocol, experiment, out)
            # makes the pseudo-labels once, before the processes would each make their own
            if _comparable(round_):
                units |= {f"{experiment}/{k}": (protocol, experiment, k, out) for k in round_.unlabelled}
        rows = kept.finish(jobs, transfer_row, units, on_done)
        write_bytes(out / "transfer.md", report(protocol, rows, budget, out).encode())


def _comparable(round_: Round) -> list[str]:
    """The images of U whose pseudo-label a network can be trained on, in the order of ids."""
    return [k for k in round_.unlabelled if k not in round_.pseudo_labels.blank]


def transfer_row(protocol: Protocol, experiment: int, k: str, out: Path) -> dict[str, list[float]]:
    """Dice of f_k on every pool image, in the order of ids, against the pseudo-labels ("d") and against the
    true masks ("true")."""
    round_ = _round(protocol, experiment, out)
    truth = protocol.read_pool().labels
    row: dict[str, list[float]] = {"d": [], "true": []}
    for identity, mask in zip(round_.ids, predictions_of(round_, k, round_.pseudo_labels[k]), strict=True):
        row["d"].append(round(dice(mask, round_.pseudo_labels[identity], round_.classes), 4))
        row["true"].append(round(dice(mask, truth[identity], round_.classes), 4))
    return row


def report(protocol: Protocol, rows: dict[str, dict[str, list[float]]], budget: int, out: Path) -> str:
    """Two Markdown tables:
    how well d ranks pairs, and what the selection is worth, in true transfer dice, with a smaller K."""
    ranks: list[list[object]] = []
    worth: list[list[object]] = []
    truth = protocol.read_pool().labels
    for experiment in range(protocol.experiments):
        round_ = _round(protocol, experiment, out)
        dices = [dice(round_.pseudo_labels[i], truth[i], round_.classes) for i in round_.unlabelled]
        quality = float(np.mean(dices))
        if not _comparable(round_):
            ranks.append([experiment, "unet", f"{quality:.3f}", NOTHING, "", ""])
            continue
        trained = [round_.ids.index(k) for k in round_.unlabelled]
        of_k = [rows[f"{experiment}/{k}"] for k in round_.unlabelled]
        d, true = (np.array([row[kind] for row in of_k]) for kind in ("d", "true"))
        ranks.append([experiment, "unet", *_rank_cells(quality, d, true, trained)])
        rank_cells, worth_cells = _of_pixels(round_, truth, true, budget)
        ranks.append([experiment, "pixel", *rank_cells])
        lines = [*_worth(round_, d, true, trained, budget), ["every image, by pixels", *worth_cells]]
        worth += [[experiment, *cells] for cells in lines]
    return f"{QUESTION}\n\n{_markdown(RANKS, ranks)}\n\n{_markdown(WORTH.format(budget), worth)}\n"


def _rank_cells(quality: float, d: Matrix, true: Matrix, trained: list[int]) -> list[str]:
    """How rows of d, (K, N), of the networks of the positions `trained` rank as those of the truth do."""
    off = np.ones_like(d, dtype=bool)
    off[np.arange(len(trained)), trained] = False
    by_row = [_spearman(d[i][off[i]], true[i][off[i]]) for i in range(len(d))]
    return [
        f"{quality:.3f}",
        f"{_spearman(d[off], true[off]):.3f}",
        f"{np.nanmedian(by_row):.3f}",
        f"{off.sum()}",
    ]


def _of_pixels(
    round_: Round, truth: Mapping[str, Mask], true: Matrix, budget: int
) -> tuple[list[str], list[str]]:
    """The cells of both tables for the similarity by pixel classifiers, over the images that it compares.
    true: (U, N), the transfer of U-Nets."""
    found = compare_pixels(round_)
    dices = [
        dice(round_.pixel_model.classify(sample)[None], sample.classes_in(truth[i])[None], round_.classes)
        for i, sample in round_.pixels.samples()
        if i not in round_.labels
    ]
    compared = [round_.ids.index(i) for i in found.ids]
    rows = [place for place, i in enumerate(found.ids) if i not in round_.labels]
    own_true = true[[round_.unlabelled.index(found.ids[place]) for place in rows]][:, compared]
    real = complete(true, [round_.ids.index(i) for i in round_.unlabelled])
    labelled = [place for place, i in enumerate(found.ids) if i in round_.labels]
    batch = maximin(
        found.matrix, labelled, min(budget, len(rows)), ids=found.ids, time_limit=SELECTION_SECONDS
    ).indices
    others = ~np.eye(len(compared), dtype=bool)
    correlation = _spearman(found.matrix[others], real[np.ix_(compared, compared)][others])
    return (
        _rank_cells(float(np.mean(dices)), found.matrix[rows].astype(float), own_true, rows),
        [f"{correlation:.3f}", *_dice_cells(round_, real, [[compared[place] for place in batch]])],
    )


def _dice_cells(round_: Round, real: npt.NDArray[Any], batches: list[list[int]]) -> list[str]:
    """Worst and mean of the true expected dice when a batch of positions is labelled; the mean of several."""
    labelled = [round_.ids.index(i) for i in round_.labelled]
    expected = [expected_dice(real, [*labelled, *batch]) for batch in batches]
    return [f"{np.mean([fold(each) for each in expected]):.3f}" for fold in (np.min, np.mean)]


def _markdown(heads: str, lines: list[list[object]]) -> str:
    rows = [f"| {' | '.join(map(str, cells))} |" for cells in lines]
    return "\n".join([f"| {heads} |", "|---" * (heads.count("|") + 1) + "|", *rows])


def _worth(round_: Round, d: Matrix, true: Matrix, trained: list[int], budget: int) -> list[list[str]]:
    random = np.random.default_rng(0)
    real = complete(true, trained)
    labelled = [round_.ids.index(i) for i in round_.labelled]
    usable = [round_.unlabelled.index(k) for k in _comparable(round_)]
    others = ~np.eye(len(real), dtype=bool)

    def select(d: npt.NDArray[Any]) -> list[int]:
        return list(maximin(d, labelled, budget, ids=round_.ids, time_limit=SELECTION_SECONDS).indices)

    def line(name: str, correlation: str, batches: list[list[int]]) -> list[str]:
        return [name, correlation, *_dice_cells(round_, real, batches)]

    lines = []
    for share in SHARES:
        batches, correlations = [], []
        for _ in range(DRAWS if share < 1 else 1):
            k = sorted(random.choice(usable, max(1, round(share * len(usable))), replace=False))
            completed = complete(d[k], [trained[index] for index in k])
            correlations.append(_spearman(completed[others], real[others]))
            batches.append(select(completed))
        lines.append(line(f"{share:.0%} of U", f"{np.mean(correlations):.3f}", batches))
    chance = [list(random.choice(trained, budget, replace=False)) for _ in range(DRAWS * 10)]
    return [*lines, line("random batches", "", chance), line("best, knowing all masks", "", [select(real)])]


def _spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    from scipy.stats import spearmanr  # here: it takes a second to load, for which no other command has a use

    return float(spearmanr(first, second).statistic)


def _round(protocol: Protocol, experiment: int, out: Path) -> Round:
    labelled = protocol.initial_set(experiment)
    folder = out / "work" / f"transfer-{experiment}"
    return protocol.round_of(experiment, labelled, protocol.training_seed(experiment, 0), folder, None)
