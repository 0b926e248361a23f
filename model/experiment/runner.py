"""Runs an experiment:
every arm step by step, arms side by side in processes, each finished step kept in results.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.errors import StrategyError
from model.experiment.processes import results_of
from model.experiment.protocol import MUST_AGREE, Protocol
from model.experiment.record.plan import comparable_runs, name_split, planned_keys
from model.experiment.record.results import Results
from model.experiment.record.run import FALLBACK, FORECAST, INITIAL, RANDOM, WHOLE, Key, Run
from model.experiment.scores import Scorer
from model.experiment.stopwatch import Stopwatch
from model.files import check_writable, only_writer
from model.forecast import expected_steps
from model.reason import Measure
from model.strategies import Ranking, get_strategy

GROWING = ("experiments", "random_draws", "repeats")
"""Settings of the protocol that a finished experiment may raise."""


def run_experiment(
    protocol: Protocol,
    out: Path,
    *,
    jobs: int = 1,
    command: str = "",
    on_begin: Callable[[int, int], None] = lambda *_: None,
    on_run: Callable[[Run, int, int], None] = lambda *_: None,
) -> Results:
    """Do what is not done yet, and write results.json, curve.png and report.md into `out`.

    results.json is written after each step. `jobs` processes share the cores.
    `on_begin(done, total)` is called before the first step and `on_run(run, done, total)` after each.
    A finished one may grow by experiments, random draws, repeated trainings, strategies and larger sizes;
    where fewer of the first three are asked for than there were, it goes on with as many as there were.
    A killed experiment goes on where it was:
    finished steps are in results.json, and what was trained of the one that was cut off is in out/work, which
    may be deleted at the end. Raises OutputError while another run writes there.
    """
    protocol.read_pool()  # errors of the data and of the folder come before any work
    path = out / "results.json"
    check_writable(path)
    with only_writer(path):
        return _run(protocol, out, jobs, command, on_begin, on_run)


def _run(
    protocol: Protocol,
    out: Path,
    jobs: int,
    command: str,
    on_begin: Callable[[int, int], None],
    on_run: Callable[[Run, int, int], None],
) -> Results:
    """See run_experiment."""
    path = out / "results.json"
    results = Results.resume(path, protocol.to_dict(command), MUST_AGREE)
    most: dict[str, Any] = {name: results.protocol[name] for name in GROWING}  # never fewer than there were
    protocol = replace(protocol, **most)
    planned = planned_keys(protocol.to_dict())

    def done() -> int:
        return sum(results.has(key, protocol.repeats) for key in planned)

    if results.runs and done() < len(planned):
        write_outputs(results, out)  # what there is, said to be incomplete, in case that the rest is cut off
    on_begin(done(), len(planned))
    finished = results_of(jobs, run_step, lambda: _ready(protocol, planned, out / "work", results))
    with closing(finished):  # at once, also where Ctrl-C comes while a run is saved
        for _, run in finished:
            results.add(run)
            results.save(path)
            on_run(run, done(), len(planned))
    write_outputs(results, out)
    return results


def write_outputs(results: Results, out: Path) -> None:
    """Draw curve.png and forecast.png and write report.md beside results.json; also of an experiment that is
    still running."""
    # here: pandas and matplotlib take a second to load, and neither `rank` nor a process of --jobs needs them
    from model.experiment.evaluation.forecast import PICTURE, draw_forecasts, forecasts
    from model.experiment.evaluation.plot import draw_curve
    from model.experiment.evaluation.report import write_report

    title = f"{results.protocol['data']} ({name_split(results.protocol)})"
    runs = comparable_runs(results)
    draw_curve(runs, out / "curve.png", title, results.protocol["sizes"])
    draw_forecasts(forecasts(runs), out / PICTURE)
    write_report(results, out / "report.md")


def run_step(protocol: Protocol, work: Path, key: Key, labelled: tuple[str, ...], before: Run | None) -> Run:
    """Choose in this process what to add to `labelled` up to the size of the key, and score the set.

    `before` is the run of an earlier call that had fewer repeated trainings:
    its set is kept, and the trainings that it lacks are added.
    """
    scorer = Scorer(protocol, key[0], work / "scores")
    if before is not None:
        more = scorer.score(before.chosen, done=len(before.dice))
        sums = {name: getattr(before, name) + more[name] for name in ("dice", "worst_dice", "train_seconds")}
        return replace(before, **sums, machine=_machines(before.machine, more["machine"]))
    added, query_seconds, notes = _query(protocol, work, key, labelled, scorer)
    chosen = tuple(sorted({*labelled, *added}))
    seed, scored = protocol.training_seed(key[0], 0), scorer.score(chosen)
    return Run(*key, chosen, added, seed=seed, query_seconds=query_seconds, notes=notes, **scored)


def _machines(machine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Where a set's trainings ran, when some of them ran elsewhere."""
    same = {
        key: value if other.get(key) == value else f"{value} and {other.get(key, 'unknown')}"
        for key, value in machine.items()
    }
    return same or {key: f"unknown and {value}" for key, value in other.items()}


def _query(
    protocol: Protocol, work: Path, key: Key, labelled: tuple[str, ...], scorer: Scorer
) -> tuple[tuple[str, ...], float, dict[str, float]]:
    experiment, name, draw, size = key
    if name in (INITIAL, WHOLE):
        return (), 0.0, {}
    folder, seed = work / f"{experiment}-{name}-{draw}-{size}", protocol.query_seed(experiment, draw, size)
    round_ = protocol.round_of(experiment, labelled, seed, folder, scorer.model_folder(labelled))
    budget, strategy = size - len(labelled), protocol.strategy(name)
    watch = Stopwatch(folder / "seconds.json", round_.identity_with_images)
    try:
        with watch.part("begin"):
            units = strategy.units(round_)
        for unit in units:
            with watch.part(f"train {unit}"):
                strategy.run_unit(round_, unit)
        with watch.part("rank"):
            ranking = strategy.rank(round_, budget)
        notes = ranking.notes | forecast_of(ranking)
    except StrategyError:  # f_L finds nothing at all: a lab would go on by chance, and so does the arm
        by_chance = replace(round_, seed=seed + 1)  # or it would be the first draw of random once more
        ranking, notes = get_strategy(RANDOM).rank(by_chance, budget), {FALLBACK: 1.0}
    return ranking.batch, watch.total, notes


def forecast_of(ranking: Ranking) -> dict[str, float]:
    """The note FORECAST of a strategy that expects a dice at each place of its batch; none of the others."""
    measure = Measure.of_notes(ranking.notes)
    before = ranking.notes[measure.note] if measure else 0.0
    steps = expected_steps(before, (query.expected_dice for query in ranking.queries if query.in_batch))
    return {FORECAST: steps[-1]} if 0 < len(steps) == len(ranking.batch) else {}


def _ready(
    protocol: Protocol, planned: Sequence[Key], work: Path, results: Results
) -> dict[Key, tuple[Any, ...]]:
    """What run_step can do now, as the predecessor is done, in the order in which it is best begun."""
    steps: dict[Key, tuple[Any, ...]] = {}
    newest: dict[Any, tuple[str, ...] | None] = {}  # set of each arm; None: still to be made
    for key in planned:
        arm, first = key[:3], newest.get((key[0], INITIAL, 0))
        run = results.get(key) if results.has(key) else None
        if not results.has(key, protocol.repeats):
            labelled = newest.get(arm, first)
            if arm[1] == INITIAL:
                labelled = protocol.initial_set(key[0])
            elif arm[1] == WHOLE and first:
                labelled = protocol.split_of(key[0]).pool
            if labelled is not None:
                steps[key] = (protocol, work, key, labelled, run)
        newest[arm] = run.chosen if run else None
    return steps
