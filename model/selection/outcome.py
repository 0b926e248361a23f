"""What a selection returns:
the chosen batch with its proof, and the ranking with the figures shown to people."""

import math
from dataclasses import dataclass

# Absolute dice below which value and bound count as equal;
# HiGHS works to 1e-6, and no dice is known that exactly.
VALUE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Selection:
    """The images to label next, how good they are, and how much better any other batch could be.

    indices: positions of the new images in the caller's order, listed in the order of their ids.
    value: what the batch was to maximise, the worst expected dice over the targets (min_j p(x_j), Eq. 3) or
    another `Objective`, in [0, 1].
    upper_bound: proven; no batch of this size has a higher value.
    """

    indices: tuple[int, ...]
    value: float
    upper_bound: float

    @property
    def gap(self) -> float:
        """The relative distance to the bound, upper_bound / value - 1;
        infinite where the value is 0 and the bound is not."""
        if self.optimal:
            return 0.0
        return self.upper_bound / self.value - 1.0 if self.value > 0 else math.inf

    @property
    def optimal(self) -> bool:
        """Whether the bound leaves no room for a better batch (closer than a millionth of dice)."""
        return self.upper_bound - self.value <= VALUE_TOLERANCE

    def __str__(self) -> str:
        proof = "optimal" if self.optimal else f"at most {self.upper_bound:.4f} possible"
        return f"{len(self.indices)} images, expected dice {self.value:.4f} ({proof})"


@dataclass(frozen=True)
class RankedImage:
    """One unlabelled image in the order of labelling;
    all positions are in the caller's order, all dice values in [0, 1].

    "Before" means: labelled are the images of the start and all images of a lower rank; "after":
    this image as well.

    index: position of the image.
    rank: place in the order, from 1.
    in_batch: whether it belongs to the batch that was optimised together.
    value_before, value_after: what was to be maximised: expected dice of the worst target (Eq. 3), or another
    `Objective`; 0 before anything is labelled.
    helps: up to three other images, not labelled before, whose expected dice it raises most, best first.
    raised: expected dice of the first of them before and after; None where it helps none.
    represents:
    number of images, itself included, to which this image is more similar than every image labelled before
    it.
    """

    index: int
    rank: int
    in_batch: bool
    value_before: float
    value_after: float
    helps: tuple[int, ...]
    raised: tuple[float, float] | None
    represents: int


@dataclass(frozen=True)
class Ranking:
    """An order over all unlabelled images, the batch first, so that labelling any prefix of it is a good
    choice."""

    images: tuple[RankedImage, ...]
    selection: Selection

    @property
    def indices(self) -> tuple[int, ...]:
        """All unlabelled positions in the order in which to label them."""
        return tuple(image.index for image in self.images)
