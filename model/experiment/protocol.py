"""What an experiment is: the data, its split, the arms, the sizes and the recipe;
everything that makes it repeatable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from model.data.images.pixels import working_size
from model.data.masks.coding import PLAIN, MaskOptions
from model.data.pool import Pool
from model.errors import BudgetError, PoolError, StrategyError
from model.experiment.groups import POOL, START_FROM, group_of, read_groups
from model.experiment.images import describe_data, describe_files, read_pool
from model.experiment.split import Split, make_folds
from model.hashing import digest
from model.network.recipe import Recipe
from model.options import MOST_SEED, options_of
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
    *("data", "data_digest", "split", "split_digest", "folds", "classes", "masks", "pool_size", "pool_sizes"),
    *("initial_size", "initial_from", "groups", "seed", "learner", "recipe", "options"),
)


@dataclass(frozen=True)
class Protocol:
    """The settings of one experiment (Grüning et al. 2020, section III);
    `sizes` do not include the initial one."""

    data: Path
    split: Path | None  # None: `folds` are made
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
    folds: int | None = None  # of rigid cross-validation, over which the experiments are spread
    initial_from: str = POOL  # one of START_FROM

    def __post_init__(self) -> None:
        least = {"experiments": 1, "initial": 1, "random_draws": 1, "repeats": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                found = f"{name.replace('_', ' ')}: found {getattr(self, name)}"
                raise BudgetError(f"{found}, expected at least {value}.")
        if self.seed > MOST_SEED:
            raise BudgetError(f"seed: found {self.seed}, expected at most {MOST_SEED}.")
        if (self.split is None) == (self.folds is None):
            found = "neither" if self.split is None else "both"
            raise BudgetError(
                f"split, folds: found {found}, expected one of them: the images to test on come either from a"
                " file (--split), or each image is tested on once (--folds)."
            )
        if self.folds is not None and not 2 <= self.folds <= self.experiments:
            raise BudgetError(
                f"folds: found {self.folds}, expected from 2 to the number of experiments,"
                f" {self.experiments}, so that each image is tested on."
            )
        if self.initial_from not in START_FROM:
            expected = " or ".join(START_FROM)
            raise BudgetError(f"initial from: found {self.initial_from!r}, expected {expected}.")
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

    def splits(self) -> tuple[Split, ...]:
        """The split, or that of each fold, checked against the sizes; the experiments take them in turn."""
        splits: tuple[Split, ...]
        if self.split is not None:
            splits, where = (Split.read(self.split),), f"in {self.split}"
        else:
            splits = make_folds(self.read_pool().labelled, self.folds or 1, self.seed)
            where = f"of a fold of {self.folds}"
        least = min(len(split.pool) for split in splits)
        if self.sizes[-1] > least:
            raise BudgetError(
                f"sizes: found {self.sizes[-1]}, expected at most {least}, the number of pool images {where}."
            )
        return splits

    def split_of(self, experiment: int) -> Split:
        """What an experiment chooses from and what it tests on."""
        splits = self.splits()
        return splits[experiment % len(splits)]

    def read_pool(self) -> Pool:
        """All images of the data with their masks, at working resolution.
        Raises PoolError when one of the split is missing or unusable."""
        return read_pool(self.data, self.split, self.recipe.max_side, self.classes, self.masks)

    def describe_data(self) -> dict[str, Any]:
        """`describe_data` of its own; the number of folds stands for the name of a split."""
        reading = self.read_pool().reading
        if self.split is not None:
            return describe_data(self.data, self.split, self.classes, reading)
        parts = [[split.pool, split.test] for split in self.splits()]
        named = {"folds": self.folds, "split_digest": digest(parts)}
        return describe_files(self.data, self.read_pool().labelled, named, self.classes, reading)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The images by group where the first labels come from one. Raises PoolError for one that is too
        small in a pool."""
        splits = self.splits()
        groups = read_groups(self.data, {name for split in splits for name in split.pool})
        for name, members in groups.items():
            least = min(len({*members} & {*split.pool}) for split in splits)
            if least < self.initial:
                raise PoolError(
                    f"Group {name} of {self.data / 'index.json'}: found {least} images to choose from"
                    f"{'' if self.folds is None else ' in one of the folds'}, expected at least the"
                    f" {self.initial} that are labelled at the start. Start with fewer (--initial)."
                )
        return groups

    def initial_set(self, experiment: int) -> tuple[str, ...]:
        """The labelled images that one experiment starts with, chosen at random and shared by its arms:
        from its pool, or from one group of it, another group in each experiment."""
        candidates = list(self.split_of(experiment).pool)
        if self.initial_from != POOL:
            groups = self.groups()
            members = {*groups[group_of(experiment, tuple(groups), len(self.splits()))]}
            candidates = [name for name in candidates if name in members]
        random = np.random.default_rng([self.seed, experiment])
        return tuple(sorted(str(name) for name in random.choice(candidates, self.initial, replace=False)))

    def round_of(
        self,
        experiment: int,
        labelled: Iterable[str],
        seed: int,
        folder: Path,
        model_folder: Path | None,
    ) -> Round:
        """What a strategy sees of the pool of an experiment when these images of it are labelled."""
        pool, split = self.read_pool(), self.split_of(experiment)
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
            **self._describe_start(),
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

    def _describe_start(self) -> dict[str, Any]:
        """How many images there are to choose from, and which groups the first come from; what yesterday's
        results do not tell is left out where it is as it was then."""
        sizes = [len(split.pool) for split in self.splits()]
        pools = {"pool_size": sizes[0]} if self.folds is None else {"pool_sizes": sizes}
        if self.initial_from == POOL:
            return pools
        groups = {name: len(members) for name, members in self.groups().items()}
        return pools | {"initial_from": self.initial_from, "groups": groups}


@lru_cache(maxsize=2)
def _feature_store(folder: Path, precision: str) -> FeatureStore:
    """The features of pixels, which the steps of an experiment share, within a process in memory."""
    return FeatureStore(folder, FeatureExtractor(precision), in_memory=SAMPLES_IN_MEMORY)
