"""Which images an experiment chooses from, and which it tests on: by a file, or each image once, in folds."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pydantic
from pydantic import AfterValidator, Field

from model.errors import BudgetError, PoolError
from model.experiment.record.run import describe

STREAM = 2  # of random numbers, apart from those of the initial sets

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
            split = pydantic.TypeAdapter(cls).validate_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
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


def make_folds(ids: Sequence[str], folds: int, seed: int) -> tuple[Split, ...]:
    """Rigid cross-validation: each image is in the test set of one of so many splits, and in the pool of all
    others. The smaller pools come first, by at most one image. Raises BudgetError for too many folds."""
    if folds > len(ids):
        raise BudgetError(
            f"folds: found {folds}, expected at most {len(ids)}, the number of images with a mask."
        )
    shuffled = np.random.default_rng([seed, STREAM]).permutation(sorted(ids))
    tests = [{str(name) for name in part} for part in np.array_split(shuffled, folds)]
    return tuple(Split(tuple(set(ids) - test), tuple(test)) for test in tests)
