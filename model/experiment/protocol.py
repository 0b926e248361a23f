"""What an experiment is: the data, its split, the arms, the sizes and the recipe;
everything that makes it repeatable."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic
from pydantic import AfterValidator, Field

from model.data.folders import find_files
from model.data.images import working_size
from model.data.mask_coding import PLAIN, MaskOptions
from model.data.pool import Pool, scan
from model.errors import BudgetError, PoolError, StrategyError
from model.experiment.record.run import describe
from model.hashing import digest, digest_of_files
from model.network.recipe import Recipe
from model.options import options_of
from model.pixels import FeatureExtractor, FeatureStore
from model.similarity.learner import LEARNERS, PIXEL, UNET
from model.similarity.round import Round
from model.strategies import Strategy, get_strategy, paper_options

RANDOM_DRAWS = 8  # random sequences averaged, as in the paper
SAMPLES_IN_MEMORY = 500
"""Of pixels of an image, at most 1 MB each; with an experiment's many short steps, reading them counts."""
OF_PIXELS = ("max_side", "precision")
"""What of a recipe means something for pixel classifiers."""
MUST_AGREE = (
    *("data", "data_digest", "split", "split_digest", "classes", "masks", "pool_size"),
    *("initial_size", "seed", "learner", "recipe", "options"),
)


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(lambda names: tuple(sorted(names)))]


@pydantic.dataclasses.dataclass(frozen=True)
class Split:
    """File names of the pool, from which images are queried, and of the test set, which no network is trained
    on."""

    pool: Names
    test: Names

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read {"pool": [...], "test": [...]}. Raises PoolError when it cannot be used."""
        try:
            split = pydantic.TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError) as error:
            found = str(error) if isinstance(error, OSError) else describe(error)
            raise PoolError(
                f"Split {path} cannot be read ({found}); expected a JSON file"
                ' {"pool": [file, ...], "test": [file, ...]} with some of each.'
            ) from error
        twice = [name for name, times in Counter([*split.pool, *split.test]).items() if times > 1]
        if twice:
            raise PoolError(
                f"Split {path}: {len(twice)} images are named twice, the first is {twice[0]}; an image may be"
                " once in pool or test."
            )
        return split


@dataclass(frozen=True)
class Protocol:
    """The settings of one experiment (Grüning et al. 2020, section III);
    `sizes` do not include the initial one."""

    data: Path
    split: Path
    strategies: tuple[str, ...]
    experiments: int
    initial: int
    sizes: tuple[int, ...]
    recipe: Recipe
    random_draws: int = RANDOM_DRAWS
    repeats: int = 1  # networks trained and averaged for each score
    seed: int = 0
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  # of strategies, by name
    classes: int | None = None  # with the background; None: read from the masks
    masks: MaskOptions = PLAIN
    learner: str = UNET  # the kind of the judged network, which is f_L as well: one of LEARNERS

    def __post_init__(self) -> None:
        least = {"experiments": 1, "initial": 1, "random_draws": 1, "repeats": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                found = f"{name.replace('_', ' ')}: found {getattr(self, name)}"
                raise BudgetError(f"{found}, expected at least {value}.")
        if not self.sizes or list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] <= self.initial:
            raise BudgetError(
                f"sizes: found {', '.join(map(str, self.sizes)) or 'none'}, expected rising numbers above the"
                f" initial size {self.initial}."
            )
        if not self.strategies or len(set(self.strategies)) < len(self.strategies):
            raise StrategyError(
                f"strategies: found {', '.join(self.strategies) or 'none'}, expected at least one name, each"
                " once."
            )
        if self.learner not in LEARNERS:
            raise StrategyError(f"learner: found {self.learner!r}, expected one of {', '.join(LEARNERS)}.")
        for name in self.strategies:
            if self.learner == PIXEL and getattr(self.strategy(name), "similarity", PIXEL) != PIXEL:
                raise StrategyError(
                    f"{name}: found the similarity {UNET}, expected {PIXEL}, as the learner {PIXEL} trains no"
                    f" U-Nets; leave it out, or take the learner {UNET}."
                )

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name with this protocol's options."""
        return get_strategy(name, **paper_options(name, self.learner) | self.options.get(name, {}))

    def read_split(self) -> Split:
        """The split, checked against the sizes."""
        split = Split.read(self.split)
        if self.sizes[-1] > len(split.pool):
            raise BudgetError(
                f"sizes: found {self.sizes[-1]}, expected at most {len(split.pool)}, the number of pool"
                f" images in {self.split}."
            )
        return split

    def read_pool(self) -> Pool:
        """All images of the data with their masks, at working resolution.
        Raises PoolError when one of the split is missing or unusable."""
        return read_pool(self.data, self.split, self.recipe.max_side, self.classes, self.masks)

    def describe_data(self) -> dict[str, Any]:
        """`describe_data` of its own."""
        return describe_data(self.data, self.split, self.classes, self.read_pool().reading)

    def initial_set(self, experiment: int, split: Split) -> tuple[str, ...]:
        """The labelled images that one experiment starts with, chosen at random and shared by its arms."""
        random = np.random.default_rng([self.seed, experiment])
        return tuple(sorted(str(name) for name in random.choice(split.pool, self.initial, replace=False)))

    def round_of(self, labelled: Iterable[str], seed: int, folder: Path, model_folder: Path | None) -> Round:
        """What a strategy sees when these images of the pool are labelled."""
        pool, split = self.read_pool(), self.read_split()
        return Round(
            images={i: pool.images[i] for i in split.pool},
            labels={i: pool.labels[i] for i in labelled},
            classes=pool.classes,
            recipe=self.recipe,
            seed=seed,
            folder=folder,
            learns_by=self.learner,
            model_folder=model_folder if self.learner == UNET else None,
            pixel_model_folder=model_folder if self.learner == PIXEL else None,
            image_digests=pool.digests,
            image_sizes={i: working_size(pool.original_size(i), self.recipe.max_side) for i in split.pool},
            feature_store=_feature_store(folder.parent / "features", self.recipe.precision),
        )

    def training_seed(self, experiment: int, repeat: int) -> int:
        """The seed of a score's networks: the same for all arms of an experiment."""
        return self.seed + 1000 * experiment + repeat

    def query_seed(self, experiment: int, draw: int, size: int) -> int:
        """The seed of a strategy's own random choices at one step."""
        return int(np.random.default_rng([self.seed, experiment, draw, size]).integers(2**31))

    def to_dict(self, command: str = "") -> dict[str, Any]:
        """What results.json keeps of it."""
        used = options_of(Recipe) if self.learner == UNET else OF_PIXELS
        return {
            "command": command,
            **self.describe_data(),
            "pool_size": len(self.read_split().pool),
            "strategies": list(self.strategies),
            "options": self.options,
            "experiments": self.experiments,
            "initial_size": self.initial,
            "sizes": list(self.sizes),
            "random_draws": self.random_draws,
            "repeats": self.repeats,
            "seed": self.seed,
            "learner": self.learner,
            "recipe": {name: value for name, value in self.recipe.to_dict().items() if name in used},
        }


def describe_data(data: Path, split: Path, classes: int | None, reading: Mapping[str, Any]) -> dict[str, Any]:
    """What tells data and split from others of the same name, wherever they lie;
    the number of classes where it was stated, and `reading`, see `Pool.reading`, where it is not the plain
    one.

    Files that the split does not name do not count.
    """
    parts = Split.read(split)
    stems = {
        unicodedata.normalize("NFC", Path(name).with_suffix("").as_posix())
        for name in (*parts.pool, *parts.test)
    }
    files = [
        [path for stem, path in find_files(data / kind, kind).by_stem.items() if stem in stems]
        for kind in ("images", "masks")
    ]
    return {
        "data": data.name,
        "data_digest": digest_of_files(*files),
        "split": split.name,
        "split_digest": digest(parts.pool, parts.test),
        **({} if classes is None else {"classes": classes}),
        **({"masks": dict(reading)} if reading else {}),
    }


@lru_cache(maxsize=2)
def _feature_store(folder: Path, precision: str) -> FeatureStore:
    """The features of pixels, which the steps of an experiment share, within a process in memory."""
    return FeatureStore(folder, FeatureExtractor(precision), in_memory=SAMPLES_IN_MEMORY)


@lru_cache(maxsize=2)
def read_pool(
    data: Path, split_path: Path, max_side: int, classes: int | None = None, masks: MaskOptions = PLAIN
) -> Pool:
    """The images and masks of an experiment, read once in each process.
    Raises PoolError when one of the split cannot be used."""
    pool = scan(data / "images", data / "masks", max_side=max_side, classes=classes, mask_options=masks)
    split = Split.read(split_path)
    missing = sorted({*split.pool, *split.test} - set(pool.labelled))
    if missing:
        problem = dict(pool.problems).get(missing[0], "there is no usable image with a mask of that name")
        raise PoolError(
            f"{len(missing)} images of {split_path} cannot be used in {data}; the first is {missing[0]}:"
            f" {problem}"
        )
    if pool.blank.issuperset(split.pool):
        raise PoolError(
            f"None of the {len(split.pool)} pool images of {split_path} has a mask in {data} that marks any"
            " foreground, expected at least one; check that the masks hold 0/255 or class ids."
        )
    return pool
