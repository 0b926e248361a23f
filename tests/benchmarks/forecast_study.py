"""Could `herding` forecast what its batch brings? docs/experiments/plan.md has the rule, written before.

It computes again what was known before each recorded step of herding, and sets what could have been forecast
against the test dice that came.
Run: OMP_NUM_THREADS=1 .venv/bin/python -m tests.benchmarks.forecast_study DATA RESULTS ...   (resumes)
DATA is the folder of all sets, RESULTS a folder with the results.json of an experiment by pixel classifiers.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from model.experiment.protocol import Protocol
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, Run
from model.files import write_bytes
from model.network.recipe import Recipe
from model.selection import Objective
from model.similarity.appearance import kernel_of, normalise, standardise
from model.similarity.likeness import add_unknown, make_mutual, weigh_by_likeness
from model.similarity.pixel_similarity import compare_pixels
from model.similarity.round import Round
from model.strategies.herding import Herding, adapt_width

FILE = "herding_forecast.json"
MEASURES = {"mean": Objective.MEAN_MAX, "worst": Objective.WORST_FIFTH_MAX}
RESAMPLED = 2000


def believed(round_: Round) -> tuple[tuple[str, ...], dict[str, NDArray[np.float32]]]:
    """The images of a round, and how much of each is known by each other one, float32 (n, n), by the kinds of
    forecast: what `coverage` expects; the networks of the labelled images alone, by what looks alike and
    without; and the kernel of herding itself."""
    found = compare_pixels(round_, true_masks=True)
    samples = dict(round_.pixels.samples())
    ids = tuple(sorted(samples))
    vectors = np.stack([np.concatenate([samples[i].mean, samples[i].deviation]) for i in ids])
    known = np.isin(ids, found.ids)
    one_way = add_unknown(found.matrix, known)
    one_way[:, ~known] *= 0
    one_way[~known] *= 0
    mutual = found.matrix.copy()
    make_mutual(mutual)
    kinds = {"coverage": add_unknown(mutual, known), "one way": one_way, "one way, alike": one_way.copy()}
    weigh_by_likeness(kinds["coverage"], vectors, known)
    weigh_by_likeness(kinds["one way, alike"], vectors)
    unit = normalise(standardise(vectors))
    labelled = [place for place, identity in enumerate(ids) if identity in round_.labels]
    kinds["looks"] = kernel_of(unit, adapt_width(unit, labelled))(np.arange(len(ids)))
    return ids, kinds


def study(data: Path, folder: Path) -> pd.DataFrame:
    """A row for each recorded step and kind of forecast: predicted and real dice and gain."""
    results = Results.load(folder / "results.json")
    told, path = results.protocol, folder / FILE
    rows = json.loads(path.read_text()) if path.exists() else []
    done = {(row["experiment"], row["size"]) for row in rows}
    protocol = Protocol(
        data / told["data"],
        data / told["data"] / told["split"],
        (Herding.name,),
        told["experiments"],
        told["initial_size"],
        tuple(told["sizes"]),
        Recipe(max_side=told["recipe"]["max_side"]),
        seed=told["seed"],
        learner=told["learner"],
    )
    with tempfile.TemporaryDirectory() as work:
        for run in (run for run in results.runs if run.strategy == Herding.name):
            if (run.experiment, run.size) not in done:
                before = max(
                    (
                        each
                        for each in results.runs
                        if each.experiment == run.experiment
                        and each.size < run.size
                        and each.strategy in (INITIAL, Herding.name)
                    ),
                    key=lambda each: each.size,
                )
                rows += forecast(protocol, before, run, Path(work))
                write_bytes(path, json.dumps(rows, indent=0).encode())
                print(len(rows), rows[-4], flush=True)
    return pd.DataFrame(rows)


def forecast(protocol: Protocol, before: Run, run: Run, work: Path) -> list[dict[str, object]]:
    """What each kind forecasts before a step, and what came."""
    seed = protocol.training_seed(run.experiment, 0)
    ids, kinds = believed(protocol.round_of(run.experiment, before.chosen, seed, work / "round", None))
    real = {
        "mean": run.mean_dice,
        "mean_gain": run.mean_dice - before.mean_dice,
        "worst": run.mean_worst_dice,
        "worst_gain": run.mean_worst_dice - before.mean_worst_dice,
    }
    rows = []
    for kind, known in kinds.items():
        row: dict[str, object] = {"experiment": run.experiment, "size": run.size, "kind": kind, **real}
        for name, objective in MEASURES.items():
            first, second = (
                objective.summarise(known[np.isin(ids, each)].max(axis=0))
                for each in (before.chosen, run.chosen)
            )
            row |= {f"predicted_{name}": round(second, 5), f"predicted_{name}_gain": round(second - first, 5)}
        rows.append(row)
    return rows


def correlate(table: pd.DataFrame, predicted: str, real: str) -> str:
    """Spearman's rank correlation over all steps, its 95 % interval over the initial sets, and the mean of
    those within the sizes."""

    def one(some: pd.DataFrame) -> float:
        return float(stats.spearmanr(some[predicted], some[real]).statistic)

    random = np.random.default_rng(0)
    places = list(table.reset_index(drop=True).groupby("experiment").indices.values())
    pairs = table[[predicted, real]].to_numpy()
    drawn = []
    for _ in range(RESAMPLED):
        some = np.concatenate([places[i] for i in random.integers(0, len(places), len(places))])
        ranks = stats.rankdata(pairs[some], axis=0)
        drawn.append(float(np.corrcoef(ranks.T)[0, 1]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    within = np.mean([one(part) for _, part in table.groupby("size")])
    return f"{one(table):+.2f} [{low:+.2f}, {high:+.2f}], within sizes {within:+.2f}"


if __name__ == "__main__":
    for name in sys.argv[2:]:
        table = study(Path(sys.argv[1]), Path(name))
        for kind, part in table.groupby("kind"):
            for measure in MEASURES:
                for real in ("mean", "worst", "mean_gain", "worst_gain"):
                    ours = f"predicted_{measure}" + ("_gain" if real.endswith("gain") else "")
                    print(Path(name).name, kind, f"{ours} with {real}:", correlate(part, ours, real))
