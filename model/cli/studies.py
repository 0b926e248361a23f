"""`experiment`, `converge` and `transfer`: does it pay, on images that are labelled already?"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

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
    path_option,
)
from model.cli.progress_bar import ProgressBar
from model.cli.terminal import console, describe_pool, fit_objects, handle_errors, print_err
from model.data.masks.coding import Meaning
from model.experiment.convergence import study as convergence_study
from model.experiment.groups import POOL, StartFrom
from model.experiment.images import read_pool
from model.experiment.protocol import OF_PIXELS, RANDOM_DRAWS, Protocol
from model.experiment.record.run import RANDOM, Run
from model.experiment.runner import GROWING, run_experiment
from model.experiment.transfer import study as transfer_study
from model.similarity.learner import PIXEL, UNET, Kind
from model.strategies import strategy_names


@declared_options(strategies=True)
def experiment_command(
    *,
    recipe: GivenRecipe,
    options: GivenStrategyOptions,
    data: Data,
    out: Annotated[Path, path_option(help="Folder for results.json, curve.png and report.md.")],
    split: Annotated[
        Path | None,
        path_option(help='JSON file {"pool": [file, ...], "test": [file, ...]}, or else give --folds.'),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help=(
                "Rigid cross-validation instead of --split: all images in so many parts, each the test set of"
                " some experiments, which choose from the others."
            ),
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(help=f"Names with commas between, of {', '.join(strategy_names())}.")
    ] = "random,herding,ensemble,task_dependent",
    experiments: Experiments = 5,
    initial: Initial = 3,
    initial_from: Annotated[
        StartFrom,
        typer.Option(
            help=(
                "What the first images are drawn from: the whole pool, or one group of the data's index.json,"
                " another in each experiment."
            )
        ),
    ] = POOL,
    sizes: Sizes = "5,7,12,15,16",
    draws: Annotated[int, typer.Option(min=1, help="Random sequences that are averaged.")] = RANDOM_DRAWS,
    repeats: Annotated[int, typer.Option(min=1, help="Networks trained and averaged for each score.")] = 1,
    learner: Annotated[
        Kind,
        typer.Option(
            help=(
                "What learns from the labels and is judged: the U-Net, in minutes, or the pixel classifier,"
                " in a second. Of the U-Net's options that takes --image-size and --precision alone."
            )
        ),
    ] = UNET,
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
    with handle_errors():
        names = tuple(name.strip() for name in strategies.split(",") if name.strip())
        told = mask_options(mask_numbers, invert_masks)
        options.check_taken(*names, paper=learner)
        if learner == PIXEL:
            recipe.check_only(OF_PIXELS, "means nothing with --learner pixel, which trains no U-Net")
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
            options={name: chosen for name in names if (chosen := options.of(name, paper=learner))},
            classes=classes,
            masks=told,
            learner=learner,
            folds=folds,
            initial_from=initial_from,
        )
        with ProgressBar(console) as bar:
            task = bar.add_task("Experiment", total=None)
            pool, made = fit_objects(recipe, lambda side: read_pool(data, split, side, classes, told))
            protocol = replace(protocol, recipe=made)
            describe_pool(pool)

            def show(run: Run, done: int, total: int) -> None:
                bar.report(task, done, total)
                arm = f"{run.strategy}, draw {run.draw + 1}" if run.strategy == RANDOM else run.strategy
                print_err(
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
                print_err(
                    f"{name.replace('_', ' ')}: {kept} as it was begun with, more than the"
                    f" {getattr(protocol, name)} asked for now."
                )
        print_err(f"Written: {out / 'results.json'}, {out / 'curve.png'}, {out / 'report.md'}")


@declared_options(recipe_without=("steps", "row_steps"))
def converge_command(
    *,
    recipe: GivenRecipe,
    data: Data,
    split: SplitFile,
    out: Annotated[Path, path_option(help="Folder for convergence.json and convergence.md.")],
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
    too few make all strategies look alike.

    Example: python -m model converge --data data --split data/split.json --sizes 3,8 --out runs/mine
    """
    with handle_errors(), ProgressBar(console) as bar:
        task = bar.add_task("Trainings", total=None)
        told = mask_options(mask_numbers, invert_masks)
        pool, made = fit_objects(recipe, lambda side: read_pool(data, split, side, classes, told))
        describe_pool(pool)
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
        print_err(f"Written: {out / 'convergence.json'}, {out / 'convergence.md'}")


@declared_options()
def transfer_command(
    *,
    recipe: GivenRecipe,
    data: Data,
    split: SplitFile,
    out: Annotated[Path, path_option(help="Folder for transfer.json and transfer.md.")],
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
    true masks would.

    Example: python -m model transfer --data data --split data/split.json --budget 3 --out runs/mine
    """
    with handle_errors(), ProgressBar(console) as bar:
        told = mask_options(mask_numbers, invert_masks)
        task = bar.add_task("Networks on single images", total=None)
        pool, made = fit_objects(recipe, lambda side: read_pool(data, split, side, classes, told))
        protocol = Protocol(
            data,
            split,
            ("task_dependent",),
            experiments,
            initial,
            (initial + budget,),
            made,
            seed=seed,
            classes=classes,
            masks=told,
        )
        describe_pool(pool)
        transfer_study(
            protocol, budget, out, jobs=jobs, on_done=lambda done, total: bar.report(task, done, total)
        )
        print((out / "transfer.md").read_text())
        print_err(f"Written: {out / 'transfer.json'}, {out / 'transfer.md'}")
