"""`python -m backend.demo`, which `make demo` runs."""

from __future__ import annotations

from model import stop_signals

stop_signals.end_at_once()

# ruff: noqa: E402 - they take seconds, in which Ctrl-C may come
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError

from backend.demo import demo
from backend.errors import BackendError


def main(
    folder: Annotated[Path, typer.Option(help="Folder that keeps everything.")] = demo.FOLDER,
    images: Annotated[Path | None, typer.Option(help="Own images; left out: generated ones.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Their masks, of the same names.")] = None,
    count: Annotated[int, typer.Option(min=5, help="How many images to generate.")] = demo.Options.count,
    size: Annotated[int, typer.Option(min=64, help="Their height and width in pixels.")] = demo.Options.size,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = demo.Options.seed,
    exit_: Annotated[bool, typer.Option("--exit", help="Stop when the order is written.")] = False,
) -> None:
    """Everything on this machine:
    Label Studio, backend, a project with its first labels, a trained model and a written order."""
    demo.quiet_logs()
    try:
        with stop_signals.raised():
            demo.run(demo.Options(folder, images, masks, count, size, seed, exit_))
    except (BackendError, RedisError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from error
    except stop_signals.Stopped as stopped:
        raise typer.Exit(stopped.exit_code) from None


typer.run(main)
