"""What strategies take from f_L, whichever kind of network it is: its outputs and features, and networks on
parts of L."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from model.network.inference import Segmenter
    from model.similarity.round import Round

Kind = Literal["unet", "pixel"]
"""Of network that f_L may be."""
UNET: Final = "unet"
PIXEL: Final = "pixel"
LEARNERS: tuple[Kind, ...] = (UNET, PIXEL)

Network = TypeVar("Network", bound="Segmenter")


@dataclass(frozen=True)
class Part:
    """A part of L that a network learns from. folder: where it is kept, within that of the round."""

    ids: tuple[str, ...]
    seed: int
    folder: str


@dataclass
class Learner(ABC, Generic[Network]):
    """Networks of one kind that learn from the labels of `round_`."""

    round_: Round

    @property
    @abstractmethod
    def model(self) -> Network:
        """f_L: trained on all of L, or the one that the round was given.
        Raises TooFewLabelsError where there is nothing to learn from."""

    def require_labels(self) -> None:
        """Raise TooFewLabelsError where there is nothing to learn from."""
        self.round_.require_labels()

    @property
    @abstractmethod
    def labelled(self) -> tuple[str, ...]:
        """The images of L that can be learned from, in the order of ids."""

    @property
    @abstractmethod
    def trains_apart(self) -> bool:
        """Whether each network takes long enough to be a unit of work of its own."""

    @abstractmethod
    def train_parts(self, parts: Sequence[Part]) -> list[Network]:
        """A network from scratch for each part of L."""

    @abstractmethod
    def outputs(
        self, step: str, networks: Sequence[Network], ids: Sequence[str]
    ) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Class probabilities by image, float32 (networks, classes, H, W), of some ids in their order.

        A pixel classifier gives those of the image's sampled pixels, as a mask of a single row.
        An image whose features cannot be computed is left out: `round_.failed` says why.
        Progress is reported as `step`.
        """

    @abstractmethod
    def features(self) -> npt.NDArray[np.float32]:
        """A vector of every image, in the order of ids, float32 (N, channels): the last feature layer of f_L,
        mean over the pixels (Grüning et al. 2020, section III). Zeros for an image that is left out."""
