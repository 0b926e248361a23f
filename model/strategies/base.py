"""The one interface of all strategies: a round and a budget in, an order over all unlabelled images out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.errors import NothingFoundError, StrategyError
from model.options import check_options
from model.reason import Reason

if TYPE_CHECKING:
    from model.similarity.round import Round

NETWORKS_TRAINED = (
    "networks trained"  # how the report of `run_units` ends, apart from those of each network's own steps
)


@dataclass(frozen=True)
class Query:
    """One unlabelled image in the recommended order, with the reason for its place."""

    image: str  # id
    rank: int  # from 1
    in_batch: bool  # among the `budget` images that the strategy asks for now
    reason: Reason | str  # figures, or one sentence for people
    expected_dice: float | None = None
    """The worst or the mean over all compared images, as the `Measure` among the notes says, once this one
    and those before it are labelled; in [0, 1]."""
    helps: tuple[str, ...] = ()  # ids of the images whose expected dice it raises most


@dataclass(frozen=True)
class Comparison:
    """What the order was decided from: d(x_i, x_j) of the images compared, float32 (N, N);
    row and column i are of `ids[i]`."""

    ids: tuple[str, ...]
    similarity: npt.NDArray[np.float32] = field(repr=False)
    trained: tuple[str, ...]  # ids of K: their rows are measured, the others completed (Eq. 4)


@dataclass(frozen=True)
class Ranking:
    """The order over ALL unlabelled images, the batch first, and figures of the strategy for logs and
    reports."""

    queries: tuple[Query, ...]
    notes: dict[str, float] = field(default_factory=dict)
    comparison: Comparison | None = field(
        default=None, compare=False
    )  # of strategies that compare all images
    expected: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Of strategies that compare none to choose: the dice that the labels of now teach, by id, in [0, 1]."""

    @property
    def batch(self) -> tuple[str, ...]:
        """Ids of the images to label now, in order."""
        return tuple(query.image for query in self.queries if query.in_batch)

    @property
    def order(self) -> tuple[str, ...]:
        """Ids of all unlabelled images, best first."""
        return tuple(query.image for query in self.queries)


@dataclass(frozen=True)
class Strategy(ABC):
    """A way to choose queries.
    A subclass is a frozen dataclass whose fields are its options, declared by `model.options.option`."""

    name: ClassVar[str]
    asks_for: ClassVar[str] = ""  # which images, in words that complete "it asks for ..."
    needs_labels: ClassVar[bool] = True  # whether a network has to learn from labelled images first
    paper: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # options of the paper that are no default here

    def __post_init__(self) -> None:
        check_options(self, StrategyError)

    @property
    def by_pixels(self) -> bool:
        """Whether pixel features and pixel classifiers are all that it needs: an order in seconds, and no
        U-Net that would have to be there."""
        return False

    def units(self, round_: Round) -> tuple[str, ...]:
        """The independent trainings that `rank` needs, by name;
        they may run anywhere, in any order, more than once."""
        del round_
        return ()

    def run_unit(self, round_: Round, unit: str) -> None:
        """Do one of `units` and keep its result in the round's folder;
        does nothing when it is done already."""
        raise NotImplementedError

    def artifact(self, unit: str) -> str:
        """Where in the round's folder `run_unit` keeps the result of one of `units`:
        the name of a file or folder.

        Who finds it there, brought from another machine perhaps, need not do the unit again.
        """
        raise NotImplementedError

    @abstractmethod
    def rank(self, round_: Round, budget: int) -> Ranking:
        """Order all unlabelled images;
        units that are not done yet are done first, and those that `round_.failed` names are left out.

        Raises BudgetError; StrategyError where nothing can be told, or too much has failed.
        """

    def run_units(self, round_: Round) -> None:
        """Do all units here, one after the other, reporting progress;
        those that have failed are not tried again."""
        units = [unit for unit in self.units(round_) if unit not in round_.failed]
        for done, unit in enumerate(units):
            round_.on_progress(f"{self.name}: {NETWORKS_TRAINED}", done, len(units))
            self.run_unit(round_, unit)
        if units:
            round_.on_progress(f"{self.name}: {NETWORKS_TRAINED}", len(units), len(units))


def as_ranking(
    order: Sequence[str],
    budget: int,
    reasons: Sequence[Reason | str],
    notes: dict[str, float] | None = None,
) -> Ranking:
    """A ranking from ids in order, with one reason each: figures, or a sentence."""
    queries = (
        Query(image, rank, rank <= budget, reason)
        for rank, (image, reason) in enumerate(zip(order, reasons, strict=True), start=1)
    )
    return Ranking(tuple(queries), notes or {})


def left_out(round_: Round, seen: Collection[str]) -> tuple[list[str], list[str]]:
    """The unlabelled images that are not among those `seen`, in the order of ids, and why of each."""
    known = set(seen)
    missing = [identity for identity in round_.unlabelled if identity not in known]
    return missing, [
        f"left out: {round_.failed.get(identity, 'its features cannot be computed')}" for identity in missing
    ]


def nothing_found(round_: Round) -> NothingFoundError:
    """The error of a round in which no unlabelled image shows anything to learn from, or none can be read."""
    unread = [round_.failed[identity] for identity in round_.unlabelled if identity in round_.failed]
    if unread and len(unread) == len(round_.unlabelled):
        return NothingFoundError(f"None of the {len(unread)} unlabelled images can be read: {unread[0]}")
    return NothingFoundError(
        "The model finds nothing (specks at most) or only foreground in all of the"
        f" {len(round_.unlabelled)} unlabelled images, so that none can be compared. Label a few more"
        " images, chosen at random or by eye, and try again."
    )
