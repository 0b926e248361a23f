"""What commands tell people, and how errors of all of them end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from safetensors import SafetensorError

from model import stop_signals
from model.cli.options import GivenRecipe
from model.data.masks.small_objects import choose_side, warn_of_losses
from model.data.pool import Pool
from model.errors import ModelError, ProcessEndedError
from model.exit_codes import ExitCode
from model.network.recipe import Recipe

console = Console(stderr=True, markup=False, highlight=False)


def describe_pool(pool: Pool) -> None:
    """Tell what was left out of a pool, how it was read, and what looks odd."""
    for _, message in pool.problems:
        print_err(f"Left out: {message}", style="yellow")
    for note in pool.notes:
        print_err(note)
    for _, message in pool.warnings:
        print_err(f"Please look: {message}", style="yellow")
    print_err(
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
        print_err(
            f"Works at --image-size {side}, as {pool.losses.describe(made.max_side)} would lose most of their"
            f" pixels at {made.max_side}. It takes up to {longer} times as long.",
        )
        made = made.replace(max_side=side)
        pool = read(side)
    if warning := warn_of_losses(pool.losses, made.max_side):
        print_err(f"Please look: {warning}", style="yellow")
    return pool, made


def print_err(text: str, style: str | None = None) -> None:
    """Print a message as one line, which a terminal wraps and a log keeps whole."""
    console.print(text, style=style, soft_wrap=True)


@contextmanager
def handle_errors() -> Iterator[None]:
    """Errors that a user can fix end the command with one message, not with a traceback."""
    try:
        with stop_signals.raised():
            yield
    except ModelError as error:
        print_err(f"{type(error).__name__}: {error}", style="red")
        raise typer.Exit(ExitCode.FAILED if isinstance(error, ProcessEndedError) else ExitCode.FIX) from error
    except (OSError, SafetensorError) as error:
        print_err(
            f"{type(error).__name__}: {error}. Check that the disk has room and that the folders can be read"
            " and written; what is finished is kept, and the same command goes on from there.",
            style="red",
        )
        raise typer.Exit(ExitCode.FAILED) from error
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):  # a defect: with its traceback
            raise
        print_err(
            "Not enough memory: a smaller --image-size, --crop, --batch or --width needs less. What is"
            " finished is kept, and the same command goes on from there.",
            style="red",
        )
        raise typer.Exit(ExitCode.FAILED) from error
    except stop_signals.Stopped as stopped:
        print_err("Stopped. The same command goes on from here.")
        raise typer.Exit(stopped.exit_code) from None
