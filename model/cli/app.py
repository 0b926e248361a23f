"""The commands: options declared once, a library call, and what people want to read about it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from safetensors import SafetensorError

from model import stop_signals
from model.cli.options import (
    Classes,
    Data,
    Experiments,
    GivenRecipe,
    GivenStrategyOptions,
    Initial,
    InvertMasks,
    Jobs,
    MaskNumbers,
    Seed,
    Sizes,
    SplitFile,
    declared_options,
    mask_options,
    numbers,
)
from model.cli.progress_bar import ProgressBar
from model.cli.ranking_table import write_table
from model.cli.work_folder import work_folder
from model.data.images import working_size
from model.data.mask_coding import Meaning
from model.data.pool import Pool, scan
from model.data.small_objects import choose_side, warn_of_losses
from model.errors import ModelError, ProcessEndedError, TooFewLabelsError
from model.exit_codes import CODES, ExitCode
from model.experiment.convergence import study as convergence_study
from model.experiment.protocol import RANDOM_DRAWS, Protocol, read_pool
from model.experiment.record.run import RANDOM, Run
from model.experiment.runner import GROWING, run_experiment
from model.experiment.transfer import study as transfer_study
from model.files import check_writable, check_writable_folder
from model.network.recipe import Recipe
from model.reason import describe_bound, describe_reason
from model.similarity.round import Round
from model.strategies import DEFAULT, get_strategy, strategy_names
from model.strategies.base import NETWORKS_TRAINED
from model.strategies.looks import Looks

CACHE = Path.home() / ".cache" / "task-dependent-active-learning"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help=(
        "Which images to label next? Rank your own (rank), and see on labelled ones whether it pays"
        " (converge, experiment, transfer)."
    ),
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, markup=False, highlight=False)


@app.command(name="rank", epilog=CODES)
@declared_options(strategies=True)
def rank_command(
    *,
    recipe: GivenRecipe,
    options: GivenStrategyOptions,
    images: Annotated[Path, typer.Option(help="Folder of images; those in its sub-folders belong to it.")],
    masks: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Folder of masks; an image that has a mask of the same name is labelled. Strategies that need"
                " no label do without."
            )
        ),
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="How many images to ask for.")],
    out: Annotated[Path, typer.Option(help="The CSV to write: rank,file,batch,expected_dice,reason.")] = Path(
        "ranking.csv"
    ),
    strategy: Annotated[str, typer.Option(help=f"One of {', '.join(strategy_names())}.")] = DEFAULT,
    work: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Folder that keeps what is computed, so that a stopped run goes on. Default: a cache of"
                " yours."
            )
        ),
    ] = None,
    subfolders: Annotated[bool, typer.Option(help="Whether images in sub-folders are read.")] = True,
    classes: Classes = None,
    mask_numbers: MaskNumbers = Meaning.AUTO,
    invert_masks: InvertMasks = None,
    seed: Seed = 0,
) -> None:
    """Rank the unlabelled images of a folder: which should be labelled next, and why.

    Example: python -m model rank --images images --masks masks --budget 5 --out ranking.csv
    """
    with _explained():
        recipe()  # errors in options come before anything is read
        chosen = get_strategy(strategy, **options.of(strategy))
        check_writable(out)
        check_writable_folder(work or CACHE, "--work")
        with ProgressBar(console) as bar:
            whole, part = (
                bar.add_task("", total=None, visible=False),
                bar.add_task("Reading images", total=None),
            )
            pool, made = fit_objects(
                recipe,
                lambda side: scan(
                    images,
                    masks,
                    classes=classes,
                    mask_options=mask_options(mask_numbers, invert_masks),
                    max_side=side,
                    subfolders=subfolders,
                    on_file=lambda done, total: bar.report(part, done, total),
                ),
            )
            for _, message in pool.problems:
                _say(f"Left out: {message}", style="yellow")
            _tell(pool)
            if chosen.needs_labels and not pool.labelled:
                raise TooFewLabelsError(
                    f"found no labelled image among {len(pool.ids)}, and strategy {strategy} learns from"
                    " labels: label a few, as masks named like their images."
                    f" --strategy {Looks.name} tells which, without any label."
                )
            if chosen.needs_labels:
                pool.require_labels(1)

            def show(step: str, done: int, total: int) -> None:
                bar.report(whole if step.endswith(NETWORKS_TRAINED) else part, done, total, step)

            round_ = Round(
                pool.images,
                pool.labels,
                pool.classes,
                made,
                seed,
                work or work_folder(CACHE, images, pool, made, seed),
                image_digests=pool.digests,
                feature_folder=(work or CACHE) / "features",
                image_sizes={i: working_size(pool.original_size(i), made.max_side) for i in pool.ids},
                on_progress=show,
            )
            ranking = chosen.rank(round_, budget)
        for image, message in round_.failed.items():
            _say(f"Left out: {image}: {message}", style="yellow")
        write_table(ranking, out)
        if blank := int(ranking.notes.get("blank_pseudo_labels", 0)):
            _say(
                f"Please look: in {blank} of the {len(pool.ids)} images a first model finds nothing, or only"
                " foreground. They could not be compared and come last; if there is something to find, label"
                " one or two of them by eye.",
                style="yellow",
            )
        _say(f"{len(ranking.queries)} images ranked by {strategy}; the next {budget} to label:")
        for query in ranking.queries[:budget]:
            _say(f"  {query.rank:3d}. {query.image}: {describe_reason(query.reason)}")
        if bound := describe_bound(ranking.notes.get("value"), ranking.notes.get("upper_bound")):
            _say(bound)
        _say(f"Written: {out}")


@app.command(name="experiment", epilog=CODES)
@declared_options(strategies=True)
def experiment_command(
    *,
    recipe: GivenRecipe,
    options: GivenStrategyOptions,
    data: Data,
    split: SplitFile,
    out: Annotated[Path, typer.Option(help="Folder for results.json, curve.png and report.md.")],
    strategies: Annotated[
        str, typer.Option(help=f"Names with commas between, of {', '.join(strategy_names())}.")
    ] = "random,ensemble,task_dependent",
    experiments: Experiments = 5,
    initial: Initial = 3,
    sizes: Sizes = "5,7,12,15,16",
    draws: Annotated[int, typer.Option(min=1, help="Random sequences that are averaged.")] = RANDOM_DRAWS,
    repeats: Annotated[int, typer.Option(min=1, help="Networks trained and averaged for each score.")] = 1,
    jobs: Jobs = 1,
    classes: Classes = None,
    mask_numbers: MaskNumbers = Meaning.AUTO,
    invert_masks: InvertMasks = None,
    seed: Seed = 0,
) -> None:
    """Repeat the paper's experiment on your own labelled images: do the strategies beat random choice?

    Example:
    python -m model experiment --data data --split data/split.json --sizes 5,7,12,15,16 --out runs/mine
    """
    with _explained():
        names = tuple(name.strip() for name in strategies.split(",") if name.strip())
        told = mask_options(mask_numbers, invert_masks)
        protocol = Protocol(
            data=data,
            split=split,
            strategies=names,
            experiments=experiments,
            initial=initial,
            sizes=numbers(sizes, "--sizes"),
            recipe=recipe(),
            random_draws=draws,
            repeats=repeats,
            seed=seed,
            options={name: chosen for name in names if (chosen := options.of(name, paper=True))},
            classes=classes,
            masks=told,
        )
        with ProgressBar(console) as bar:
            task = bar.add_task("Experiment", total=None)
            pool, made = fit_objects(recipe, lambda side: read_pool(data, split, side, classes, told))
            protocol = replace(protocol, recipe=made)
            _tell(pool)

            def show(run: Run, done: int, total: int) -> None:
                bar.report(task, done, total)
                arm = f"{run.strategy}, draw {run.draw + 1}" if run.strategy == RANDOM else run.strategy
                _say(
                    f"{done} of {total}: experiment {run.experiment + 1}, {arm}, {run.size} images: dice"
                    f" {run.mean_dice:.4f}"
                )

            results = run_experiment(
                protocol,
                out,
                jobs=jobs,
                command="python -m model " + shlex.join(sys.argv[1:]),
                on_begin=lambda done, total: bar.report(task, done, total),
                on_run=show,
            )
        for name in GROWING:
            if (kept := results.protocol[name]) > getattr(protocol, name):
                _say(
                    f"{name.replace('_', ' ')}: {kept} as it was begun with, more than the"
                    f" {getattr(protocol, name)} asked for now."
                )
        _say(f"Written: {out / 'results.json'}, {out / 'curve.png'}, {out / 'report.md'}")


@app.command(name="converge", epilog=CODES)
@declared_options(recipe_without=("steps", "row_steps"))
def converge_command(
    *,
    recipe: GivenRecipe,
    data: Data,
    split: SplitFile,
    out: Annotated[Path, typer.Option(help="Folder for convergence.json and convergence.md.")],
    sizes: Sizes = "3,8,16",
    steps: Annotated[
        str, typer.Option(help="Numbers of training steps with commas between.")
    ] = "300,600,1200",
    draws: Annotated[int, typer.Option(min=1, help="Random sets of each size.")] = 2,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on each set.")] = 2,
    jobs: Jobs = 1,
    classes: Classes = None,
    mask_numbers: MaskNumbers = Meaning.AUTO,
    invert_masks: InvertMasks = None,
) -> None:
    """Find out how many training steps your images need, before an experiment:
    too few make all strategies look alike."""
    with _explained(), ProgressBar(console) as bar:
        task = bar.add_task("Trainings", total=None)
        told = mask_options(mask_numbers, invert_masks)
        pool, made = fit_objects(recipe, lambda side: read_pool(data, split, side, classes, told))
        _tell(pool)
        convergence_study(
            data,
            split,
            made.replace(steps=1, row_steps=1),
            out,
            classes=classes,
            masks=told,
            sizes=numbers(sizes, "--sizes"),
            steps=numbers(steps, "--steps"),
            draws=draws,
            seeds=seeds,
            jobs=jobs,
            on_done=lambda done, total: bar.report(task, done, total),
        )
        print((out / "convergence.md").read_text())
        _say(f"Written: {out / 'convergence.json'}, {out / 'convergence.md'}")


@app.command(name="transfer", epilog=CODES)
@declared_options()
def transfer_command(
    *,
    recipe: GivenRecipe,
    data: Data,
    split: SplitFile,
    out: Annotated[Path, typer.Option(help="Folder for transfer.json and transfer.md.")],
    budget: Annotated[int, typer.Option(min=1, help="How many images a batch has.")] = 5,
    experiments: Experiments = 2,
    initial: Initial = 3,
    jobs: Jobs = 1,
    classes: Classes = None,
    mask_numbers: MaskNumbers = Meaning.AUTO,
    invert_masks: InvertMasks = None,
    seed: Seed = 0,
) -> None:
    """Check on your own labelled images whether the similarity d, made from pseudo-labels, ranks pairs as
    true masks would."""
    with _explained(), ProgressBar(console) as bar:
        told = mask_options(mask_numbers, invert_masks)
        task = bar.add_task("Networks on single images", total=None)
        pool, made = fit_objects(recipe, lambda side: read_pool(data, split, side, classes, told))
        protocol = Protocol(
            data,
            split,
            (DEFAULT,),
            experiments,
            initial,
            (initial + budget,),
            made,
            seed=seed,
            classes=classes,
            masks=told,
        )
        _tell(pool)
        transfer_study(
            protocol, budget, out, jobs=jobs, on_done=lambda done, total: bar.report(task, done, total)
        )
        print((out / "transfer.md").read_text())
        _say(f"Written: {out / 'transfer.json'}, {out / 'transfer.md'}")


def _tell(pool: Pool) -> None:
    for note in pool.notes:
        _say(note)
    for _, message in pool.warnings:
        _say(f"Please look: {message}", style="yellow")
    _say(
        f"{len(pool.ids)} images, {len(pool.labelled)} of them labelled, {pool.classes} classes with the"
        " background."
    )


def fit_objects(recipe: GivenRecipe, read: Callable[[int], Pool]) -> tuple[Pool, Recipe]:
    """The pool at the working size of a recipe, and the recipe;
    both larger where objects would vanish and no size was asked for.

    `read` makes the pool at a working size in pixels. Says what was chosen, or what is lost.
    """
    made = recipe()
    pool = read(made.max_side)
    side = (
        choose_side(pool.losses, made.max_side, len(pool.labelled)) if recipe.fits_objects else made.max_side
    )
    if side > made.max_side:
        longer = round((side / made.max_side) ** 2)
        _say(
            f"Works at --image-size {side}, as {pool.losses.describe(made.max_side)} would lose most of their"
            f" pixels at {made.max_side}. It takes up to {longer} times as long.",
        )
        made = made.replace(max_side=side)
        pool = read(side)
    if warning := warn_of_losses(pool.losses, made.max_side):
        _say(f"Please look: {warning}", style="yellow")
    return pool, made


def _say(text: str, style: str | None = None) -> None:
    """Print a message as one line, which a terminal wraps and a log keeps whole."""
    console.print(text, style=style, soft_wrap=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Errors that a user can fix end the command with one message, not with a traceback."""
    try:
        with stop_signals.raised():
            yield
    except ModelError as error:
        _say(f"{type(error).__name__}: {error}", style="red")
        raise typer.Exit(ExitCode.FAILED if isinstance(error, ProcessEndedError) else ExitCode.FIX) from error
    except (OSError, SafetensorError) as error:
        _say(
            f"{type(error).__name__}: {error}. Check that the disk has room and that the folders can be read"
            " and written; what is finished is kept, and the same command goes on from there.",
            style="red",
        )
        raise typer.Exit(ExitCode.FAILED) from error
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):  # a defect: with its traceback
            raise
        _say(
            "Not enough memory: a smaller --image-size, --crop, --batch or --width needs less. What is"
            " finished is kept, and the same command goes on from there.",
            style="red",
        )
        raise typer.Exit(ExitCode.FAILED) from error
    except stop_signals.Stopped as stopped:
        _say("Stopped. The same command goes on from here.")
        raise typer.Exit(stopped.exit_code) from None
