"""`rank`: which images of a folder should be labelled next, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model.cli.options import (
    Classes,
    GivenRecipe,
    GivenStrategyOptions,
    InvertMasks,
    MaskNumbers,
    Seed,
    declared_options,
    mask_options,
    path_option,
)
from model.cli.progress_bar import ProgressBar
from model.cli.ranking_table import write_table
from model.cli.terminal import console, describe_pool, fit_objects, handle_errors, print_err
from model.cli.work_folder import work_folder
from model.data.folders import EXTENSIONS
from model.data.images.pixels import working_size
from model.data.masks.coding import Meaning
from model.data.pool import scan
from model.errors import OutputError, TooFewLabelsError
from model.experiment.protocol import OF_PIXELS
from model.files import check_writable, check_writable_folder
from model.reason import Kind, Measure, Reason, describe_bound, describe_reason
from model.similarity.round import Round
from model.strategies import DEFAULT, get_strategy, strategy_names
from model.strategies.base import NETWORKS_TRAINED
from model.strategies.looks import Looks

CACHE = Path.home() / ".cache" / "task-dependent-active-learning"


@declared_options(strategies=True)
def rank_command(
    *,
    recipe: GivenRecipe,
    options: GivenStrategyOptions,
    images: Annotated[Path, path_option(help="Folder of images; those in its sub-folders belong to it.")],
    masks: Annotated[
        Path | None,
        path_option(
            help=(
                "Folder of masks; an image that has a mask of the same name is labelled. Strategies that need"
                " no label do without."
            )
        ),
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="How many images to ask for.")],
    out: Annotated[Path, path_option(help="The CSV to write: rank,file,batch,expected_dice,reason.")] = Path(
        "ranking.csv"
    ),
    strategy: Annotated[str, typer.Option(help=f"One of {', '.join(strategy_names())}.")] = DEFAULT,
    work: Annotated[
        Path | None,
        path_option(
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
    with handle_errors():
        recipe()  # errors in options come before anything is read
        options.check_taken(strategy)
        chosen = get_strategy(strategy, **options.of(strategy))
        if chosen.by_pixels or not chosen.needs_labels:
            other = "add --similarity unet, or " if hasattr(chosen, "similarity") else ""
            why = f"means nothing with --strategy {strategy}, which trains no U-Net here"
            recipe.check_only(OF_PIXELS, why, f"{other}leave it out")
        if out.suffix.lower() in EXTENSIONS:
            raise OutputError(f"{out}: found the name of an image, expected that of a table: ranking.csv.")
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
            describe_pool(pool)
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
                work or work_folder(CACHE, pool, made, seed),
                image_digests=pool.digests,
                feature_folder=(work or CACHE) / "features",
                image_sizes={i: working_size(pool.original_size(i), made.max_side) for i in pool.ids},
                on_progress=show,
            )
            ranking = chosen.rank(round_, budget)
        for image, message in round_.failed.items():
            print_err(f"Left out: {image}: {message}", style="yellow")
        write_table(ranking, out)
        last = any(query.reason == Reason(Kind.EMPTY) for query in ranking.queries)
        if (blank := int(ranking.notes.get("blank_pseudo_labels", 0))) and last:
            print_err(
                f"Please look: in {blank} of the {len(pool.ids)} images a first model finds nothing, or only"
                " foreground. They could not be compared and come last; if there is something to find, label"
                " one or two of them by eye.",
                style="yellow",
            )
        print_err(f"{len(ranking.queries)} images ranked by {strategy}; the next {budget} to label:")
        for query in ranking.queries[:budget]:
            print_err(f"  {query.rank:3d}. {query.image}: {describe_reason(query.reason)}")
        if bound := describe_bound(
            ranking.notes.get("value"), ranking.notes.get("upper_bound"), Measure.of_notes(ranking.notes)
        ):
            print_err(bound)
        print_err(f"Written: {out}")
