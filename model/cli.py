"""The commands: options declared once, a library call, and what people want to read about it."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from model.device import default_device, default_width
from model.errors import ModelError
from model.experiment.convergence import study as convergence_study
from model.experiment.protocol import RANDOM_DRAWS, Protocol
from model.experiment.results import Run
from model.experiment.runner import run_experiment
from model.experiment.transfer import study as transfer_study
from model.files import check_writable
from model.pool import Pool, scan
from model.ranking_table import write_table
from model.recipe import Recipe
from model.round import Round
from model.strategies import DEFAULT, get_strategy, strategy_names
from model.strategies.task_dependent import CANDIDATES

INTERRUPTED = 130  # exit code after Ctrl-C
FAILED = 2  # exit code when the input has to be mended
CACHE = Path.home() / ".cache" / "task-dependent-active-learning"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
console = Console(stderr=True, markup=False, highlight=False)

_defaults = Recipe()
ImageSize = Annotated[int, typer.Option("--image-size", help="Pixels; images are shrunk so that their longest side has this length.")]
Width = Annotated[int | None, typer.Option(help="Channels of the U-Net at full resolution. Default: 16 on a CPU, 64 on a GPU.")]
Depth = Annotated[int, typer.Option(help="Poolings of the U-Net.")]
Encoder = Annotated[str, typer.Option(help="'unet' (classical), or any encoder of segmentation_models_pytorch.")]
Weights = Annotated[str | None, typer.Option(help="Pretrained weights of such an encoder, for example 'imagenet'.")]
Steps = Annotated[int, typer.Option(help="Training steps of a network on a labelled set.")]
RowSteps = Annotated[int, typer.Option(help="Training steps of a network on a single pseudo-labelled image.")]
Crop = Annotated[int, typer.Option(help="Side of the training crops in pixels.")]
Batch = Annotated[int, typer.Option(help="Crops a step.")]
Candidates = Annotated[int, typer.Option(help="Images of which networks are trained in a round of task_dependent (|K|).")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]


@app.command(name="rank")
def rank_command(
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    masks: Annotated[Path, typer.Option(help="Folder of masks; an image that has a mask of the same name is labelled.")],
    budget: Annotated[int, typer.Option(help="How many images to ask for.")],
    out: Annotated[Path, typer.Option(help="The CSV to write: rank,file,batch,expected_dice,reason.")] = Path("ranking.csv"),
    strategy: Annotated[str, typer.Option(help=f"One of {', '.join(strategy_names())}.")] = DEFAULT,
    work: Annotated[
        Path | None, typer.Option(help="Folder that keeps what is computed, so that a stopped run goes on. Default: a cache of yours.")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes with the background. Default: read from the masks.")] = None,
    candidates: Candidates = CANDIDATES,
    image_size: ImageSize = _defaults.max_side,
    steps: Steps = _defaults.steps,
    row_steps: RowSteps = _defaults.row_steps,
    width: Width = None,
    depth: Depth = _defaults.depth,
    encoder: Encoder = _defaults.encoder,
    encoder_weights: Weights = None,
    crop: Crop = _defaults.crop,
    batch: Batch = _defaults.batch,
    seed: Seed = 0,
) -> None:
    """Rank the unlabelled images of a folder: which should be labelled next, and why.

    Example: python -m model rank --images images --masks masks --budget 5 --out ranking.csv
    """
    with _explained():
        recipe = _recipe(width, encoder, encoder_weights, depth, image_size, crop, batch, steps, row_steps)
        chosen = get_strategy(strategy, **_options(strategy, candidates))
        check_writable(out)
        with _bar() as bar:
            task = bar.add_task("Reading images", total=None)
            pool = scan(
                images,
                masks,
                classes=classes,
                max_side=image_size,
                on_file=lambda done, total: bar.update(task, completed=done, total=total),
            )
            _tell_problems(pool)
            pool.require_labels(1)

            def show(step: str, done: int, total: int) -> None:
                bar.update(task, description=step, completed=done, total=total)

            round_ = Round(
                pool.images,
                pool.labels,
                pool.classes,
                recipe,
                seed,
                work or _work_folder(images, masks, pool, recipe, seed),
                on_progress=show,
            )
            ranking = chosen.rank(round_, budget)
        write_table(ranking, out)
        console.print(f"{len(ranking.queries)} images ranked by {strategy}; the next {budget} to label:")
        for query in ranking.queries[:budget]:
            console.print(f"  {query.rank:3d}. {query.image}: {query.reason}", highlight=False)
        console.print(f"Written: {out}")


@app.command(name="experiment")
def experiment_command(
    data: Annotated[Path, typer.Option(help="Folder with images/ and masks/, all labelled.")],
    split: Annotated[Path, typer.Option(help='JSON file {"pool": [file, ...], "test": [file, ...]}.')],
    out: Annotated[Path, typer.Option(help="Folder for results.json, curve.png and report.md.")],
    strategies: Annotated[
        str, typer.Option(help=f"Names with commas between, of {', '.join(strategy_names())}.")
    ] = "random,ensemble,task_dependent",
    experiments: Annotated[int, typer.Option(min=1, help="Repetitions with other initial images.")] = 5,
    initial: Annotated[int, typer.Option(min=1, help="Images labelled at the start, drawn at random.")] = 3,
    sizes: Annotated[str, typer.Option(help="Training-set sizes with commas between.")] = "5,7,12,15,16",
    draws: Annotated[int, typer.Option(min=1, help="Random sequences that are averaged.")] = RANDOM_DRAWS,
    repeats: Annotated[int, typer.Option(min=1, help="Networks trained and averaged for each score.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    candidates: Candidates = CANDIDATES,
    image_size: ImageSize = _defaults.max_side,
    steps: Steps = _defaults.steps,
    row_steps: RowSteps = _defaults.row_steps,
    width: Width = None,
    depth: Depth = _defaults.depth,
    encoder: Encoder = _defaults.encoder,
    encoder_weights: Weights = None,
    crop: Crop = _defaults.crop,
    batch: Batch = _defaults.batch,
    seed: Seed = 0,
) -> None:
    """Repeat the paper's experiment on your own labelled images: do the strategies beat random choice?

    Example: python -m model experiment --data data --split data/split.json --sizes 5,7,12,15,16 --out runs/mine
    """
    with _explained():
        recipe = _recipe(width, encoder, encoder_weights, depth, image_size, crop, batch, steps, row_steps)
        names = tuple(name.strip() for name in strategies.split(",") if name.strip())
        protocol = Protocol(
            data=data,
            split=split,
            strategies=names,
            experiments=experiments,
            initial=initial,
            sizes=_numbers(sizes, "--sizes"),
            recipe=recipe,
            random_draws=draws,
            repeats=repeats,
            seed=seed,
            options={name: options for name in names if (options := _options(name, candidates))},
        )
        with _bar() as bar:
            task = bar.add_task("Experiment", total=None)

            def show(run: Run, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)
                bar.console.print(
                    f"experiment {run.experiment} {run.strategy} {run.draw} at {run.size} images: dice {run.mean_dice:.4f}", highlight=False
                )

            run_experiment(protocol, out, jobs=jobs, command="python -m model " + shlex.join(sys.argv[1:]), on_run=show)
        console.print(f"Written: {out / 'results.json'}, {out / 'curve.png'}, {out / 'report.md'}")


@app.command(name="converge")
def converge_command(
    data: Annotated[Path, typer.Option(help="Folder with images/ and masks/, all labelled.")],
    split: Annotated[Path, typer.Option(help='JSON file {"pool": [file, ...], "test": [file, ...]}.')],
    out: Annotated[Path, typer.Option(help="Folder for convergence.json and convergence.md.")],
    sizes: Annotated[str, typer.Option(help="Training-set sizes with commas between.")] = "3,8,16",
    steps: Annotated[str, typer.Option(help="Numbers of training steps with commas between.")] = "300,600,1200",
    draws: Annotated[int, typer.Option(min=1, help="Random sets of each size.")] = 2,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on each set.")] = 2,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    image_size: ImageSize = _defaults.max_side,
    width: Width = None,
    depth: Depth = _defaults.depth,
    encoder: Encoder = _defaults.encoder,
    encoder_weights: Weights = None,
    crop: Crop = _defaults.crop,
    batch: Batch = _defaults.batch,
) -> None:
    """Find out how many training steps your images need, before an experiment: too few make all strategies look alike."""
    with _explained(), _bar() as bar:
        recipe = _recipe(width, encoder, encoder_weights, depth, image_size, crop, batch, 1, 1)
        task = bar.add_task("Trainings", total=None)
        convergence_study(
            data,
            split,
            recipe,
            out,
            sizes=_numbers(sizes, "--sizes"),
            steps=_numbers(steps, "--steps"),
            draws=draws,
            seeds=seeds,
            jobs=jobs,
            on_done=lambda done, total: bar.update(task, completed=done, total=total),
        )
        print((out / "convergence.md").read_text())


@app.command(name="transfer")
def transfer_command(
    data: Annotated[Path, typer.Option(help="Folder with images/ and masks/, all labelled.")],
    split: Annotated[Path, typer.Option(help='JSON file {"pool": [file, ...], "test": [file, ...]}.')],
    out: Annotated[Path, typer.Option(help="Folder for transfer.json and transfer.md.")],
    budget: Annotated[int, typer.Option(help="How many images a batch has.")] = 5,
    experiments: Annotated[int, typer.Option(min=1, help="Repetitions with other initial images.")] = 2,
    initial: Annotated[int, typer.Option(min=1, help="Images labelled at the start, drawn at random.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    image_size: ImageSize = _defaults.max_side,
    steps: Steps = _defaults.steps,
    row_steps: RowSteps = _defaults.row_steps,
    width: Width = None,
    depth: Depth = _defaults.depth,
    crop: Crop = _defaults.crop,
    batch: Batch = _defaults.batch,
    seed: Seed = 0,
) -> None:
    """Check on your own labelled images whether the similarity d, made from pseudo-labels, ranks pairs as true masks would."""
    with _explained(), _bar() as bar:
        recipe = _recipe(width, "unet", None, depth, image_size, crop, batch, steps, row_steps)
        protocol = Protocol(data, split, (DEFAULT,), experiments, initial, (initial + budget,), recipe, seed=seed)
        task = bar.add_task("Networks on single images", total=None)
        transfer_study(protocol, budget, out, jobs=jobs, on_done=lambda done, total: bar.update(task, completed=done, total=total))
        print((out / "transfer.md").read_text())


def _recipe(
    width: int | None, encoder: str, weights: str | None, depth: int, max_side: int, crop: int, batch: int, steps: int, row_steps: int
) -> Recipe:
    return Recipe(
        encoder=encoder,
        encoder_weights=weights,
        width=default_width(default_device()) if width is None else width,
        depth=depth,
        max_side=max_side,
        crop=crop,
        batch=batch,
        steps=steps,
        row_steps=row_steps,
    )


def _options(strategy: str, candidates: int) -> dict[str, Any]:
    """The options on the command line that a strategy takes."""
    return {"candidates": candidates} if "candidates" in get_strategy(strategy).options() else {}


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, expected numbers with commas between, such as 5,7,12", param_hint=option) from error


def _work_folder(images: Path, masks: Path, pool: Pool, recipe: Recipe, seed: int) -> Path:
    """A folder of its own for every input: another mask, image or setting starts afresh instead of mixing in old networks."""
    description: list[Any] = [recipe.to_dict(), seed, pool.classes]
    for folder, ids in ((images, pool.ids), (masks, pool.labelled)):
        stems = {Path(i).stem for i in ids}
        files = sorted(path for path in folder.resolve().iterdir() if path.stem in stems)
        description.append([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files])
    return CACHE / hashlib.sha256(json.dumps(description).encode()).hexdigest()[:16]


def _tell_problems(pool: Pool) -> None:
    for _, message in pool.problems:
        console.print(f"Left out: {message}", style="yellow")
    for _, message in pool.warnings:
        console.print(f"Please look: {message}", style="yellow")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
    )


@contextmanager
def _explained() -> Iterator[None]:
    """Errors that a user can mend end the command with one message, not with a traceback."""
    try:
        yield
    except ModelError as error:
        console.print(f"{type(error).__name__}: {error}", style="red")
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
