"""A saved model on disk:
a folder of weights.safetensors and model.json, which appears whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.errors import CheckpointError, RecipeError
from model.hashing import digest

WRITERS = 100  # tries to be the one that puts a folder in place
FORMAT = 1  # raised when a saved network can no longer be read as before
WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"
REMEDY = "Train again, or restore the folder from a backup."


def save_folder(folder: Path, tensors: Mapping[str, torch.Tensor], description: dict[str, Any]) -> None:
    """Write weights and their JSON-ready description; replaces an older folder of that name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # Plain contiguous copies: safetensors refuses the channels-last memory order.
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, beside / WEIGHTS
        )
        (beside / DESCRIPTION).write_text(json.dumps({"format": FORMAT, **description}, indent=1))
        beside.chmod(0o755)  # mkdtemp makes it private; several users of one storage read it
        _put_in_place(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def read_description(folder: Path) -> dict[str, Any]:
    """What `save_folder` wrote beside the weights.
    Raises CheckpointError when it is missing, damaged, or of another format."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
    except FileNotFoundError as error:
        raise _missing(folder, error) from error
    except OSError as error:
        raise _closed(folder, error) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"The saved network in {folder} is damaged ({error}). {REMEDY}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise CheckpointError(
            f"The saved network in {folder} is not of format {FORMAT}, which this version reads. {REMEDY}"
        )
    return description


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether all weights are numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Whatever is odd in the description of a saved model is an error of its folder.
    Raises CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"The description of the saved model in {folder} is damaged, or not of a model"
            f" ({type(error).__name__}: {str(error)[:200]}). {REMEDY}"
        ) from error
    except RecipeError as error:
        raise CheckpointError(
            f"The saved model in {folder} has settings that this version does not know, perhaps of a later"
            f" one ({error}). Use the version that saved it, or train again."
        ) from error


def read_saved(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The description and the weights of a folder. Raises CheckpointError as `read_description` does."""
    description = read_description(folder)
    try:
        with (folder / WEIGHTS).open("rb"):  # of one without the right to read it safetensors says: missing
            weights = load_file(folder / WEIGHTS)
        if not all_finite(weights.values()):
            raise ValueError("weights that are no numbers")
        return description, weights
    except FileNotFoundError as error:
        raise _missing(folder, error) from error
    except OSError as error:
        raise _closed(folder, error) from error
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(f"The saved network in {folder} is damaged ({error}). {REMEDY}") from error


def _missing(folder: Path, error: FileNotFoundError) -> CheckpointError:
    return CheckpointError(
        f"No saved network in {folder}: {Path(error.filename or WEIGHTS).name} is missing. {REMEDY}"
    )


def _closed(folder: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"The saved network in {folder} cannot be opened ({error.strerror or error}), expected a folder that"
        " can be read; check the path and its permissions."
    )


def saved_digest(folder: Path) -> str:
    """Digest of the weights in a folder that `save` wrote, which are not loaded.
    Raises CheckpointError when they cannot be read."""
    try:
        return digest((folder / WEIGHTS).read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"No saved network in {folder} ({error.strerror or error}). {REMEDY}"
        ) from error


def _put_in_place(beside: Path, folder: Path) -> None:
    """Move a finished folder to its name;
    whoever of several writers comes last wins, and no reader finds half of it."""
    old = beside.with_name(f"{beside.name}-old")
    for _ in range(WRITERS):
        with suppress(FileNotFoundError):
            folder.replace(old)
        try:
            beside.replace(folder)  # at once: in between, a reader finds none
            return
        except OSError as error:
            if error.errno not in (
                errno.ENOTEMPTY,
                errno.EEXIST,
            ):  # another writer was faster: its folder is moved away in turn
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
    raise CheckpointError(
        f"The saved network {folder} is being written by too many processes at once; try again."
    )
