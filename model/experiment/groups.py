"""The groups of images that the data's index.json tells: kinds, animals, plates or days."""

from __future__ import annotations

import codecs
import math
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, get_args

import pydantic

from model.errors import PoolError
from model.experiment.record.run import describe

StartFrom = Literal["pool", "one-group"]
POOL: StartFrom = "pool"
START_FROM = get_args(StartFrom)
"""What the first labels of an experiment are drawn from: all images, or one group of them."""
INDEX = "index.json"
EXPECTED = 'a JSON list of {"file": image, "group": its group} for all images'


class _Entry(pydantic.BaseModel):
    """An image in index.json; what else stands there does not matter."""

    file: str
    group: str | int | None = None


def read_groups(data: Path, images: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The images by their group, in alphabetical order.

    Raises PoolError where index.json is missing or not to be read, tells no group of one of the images, or
    has them all in one.
    """
    path = data / INDEX
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        entries = pydantic.TypeAdapter(list[_Entry]).validate_json(content)
    except FileNotFoundError as error:
        raise PoolError(
            f"Groups of images: found no {path}, expected {EXPECTED}. Write one, or start from the whole pool"
            f" (--initial-from {POOL})."
        ) from error
    except (OSError, pydantic.ValidationError) as error:
        found = str(error) if isinstance(error, OSError) else describe(error)
        raise PoolError(f"Groups of images: {path} cannot be read ({found}); expected {EXPECTED}.") from error
    told: dict[str, str] = {}
    for each in entries:
        name, group = unicodedata.normalize("NFC", each.file), str(each.group)
        if each.group in (None, ""):
            continue
        if told.setdefault(name, group) != group:
            raise PoolError(
                f"Groups of images: {path} has {each.file} in two groups, {told[name]} and {group}; expected"
                " one."
            )
    group_of_image = {image: told.get(unicodedata.normalize("NFC", image)) for image in images}
    without = sorted(image for image, name in group_of_image.items() if name is None)
    if without:
        raise PoolError(
            f"Groups of images: {path} tells no group of {len(without)} of {len(images)} images, the first is"
            f" {without[0]}; expected {EXPECTED}."
        )
    names = sorted({name for name in group_of_image.values() if name is not None})
    if len(names) < 2:
        raise PoolError(
            f"Groups of images: {path} has all images in one group, {names[0]}; expected two or more, so that"
            " the first labels can be unlike others."
        )
    return {name: tuple(sorted(i for i, each in group_of_image.items() if each == name)) for name in names}


def group_of(experiment: int, names: Sequence[str], splits: int) -> str:
    """The group that an experiment starts in: one after the other.

    Where the experiments also take several splits in turn, each meets each group in the end.
    """
    round_ = math.lcm(len(names), splits)
    return names[(experiment + experiment // round_ % math.gcd(len(names), splits)) % len(names)]
