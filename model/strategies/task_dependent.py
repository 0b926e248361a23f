"""The method: Grüning et al. (2020), section II, steps 1 to 6."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from model import selection
from model.arrays import Mask
from model.errors import NoNetworkError
from model.options import option
from model.reason import Kind, Measure, Reason
from model.selection import Objective
from model.selection.solver import TIME_LIMIT
from model.similarity import RowStore, complete, train_row
from model.similarity.learner import PIXEL, UNET
from model.similarity.likeness import add_unknown, make_mutual, weigh_by_likeness
from model.strategies.base import Comparison, Query, Ranking, Strategy, nothing_found

if TYPE_CHECKING:
    from model.similarity.pixel_similarity import PixelSimilarity
    from model.similarity.round import Round

ROWS = "rows"  # folder of the rows, within that of the round
STREAM = 1  # of random numbers, apart from that of the random strategy, whose batch would lie in K otherwise


SECONDS_AN_IMAGE, SECONDS = 0.015, (2.0, 60.0)
"""Of a search among pixel classifiers: by the number of images, at least and at most."""
MEASURES = {
    Objective.MIN_MEAN: Measure.WORST,
    Objective.WORST_FIFTH_MAX: Measure.WORST_FIFTH,
    Objective.MEAN_MAX: Measure.MEAN,
}
"""What the figures of an order by an objective are called."""
ONLY_LOOKS = "the model finds nothing in it, so that its looks alone speak for it"


@dataclass(frozen=True)
class Compared:
    """What an order is decided from.

    similarity: float32 (n, n), row and column i are of `ids[i]`. trained: ids whose rows are measured.
    blank: images that show nothing to learn from. candidates: networks that were to be trained.
    seconds: that the search for the batch may take.
    """

    ids: tuple[str, ...]
    similarity: npt.NDArray[np.float32]
    trained: tuple[str, ...]
    blank: frozenset[str]
    candidates: int
    seconds: float = TIME_LIMIT


@dataclass(frozen=True)
class TaskDependent(Strategy):
    """Label the images from which a network would learn to predict even the hardest image best."""

    name: ClassVar[str] = "task_dependent"
    asks_for: ClassVar[str] = (
        "the images from which a network learns to predict even the hardest image: the paper's method"
    )
    paper: ClassVar[Mapping[str, Any]] = MappingProxyType({"similarity": UNET})
    similarity: str = option(
        PIXEL,
        "What compares two images: `pixel`, small networks on what each pixel looks like, one for every"
        " image, in seconds; or `unet`, the paper's U-Nets on K images, in minutes to hours.",
        choices=(PIXEL, UNET),
        automatic="pixel; in an experiment unet, as in the paper, but for coverage",
    )
    # |K|, at most as many as there are to draw from
    candidates: int = option(
        16,
        "With `similarity: unet`, how many U-Nets on single images a round trains (K): more tell more and"
        " cost more.",
        least=1,
        most=1000,
        only_with=("similarity", UNET),
    )
    # Beyond the paper are the next two.
    candidates_from_all: bool = option(
        False,
        "Whether these K images are chosen from all, not only from the unlabelled.",
        only_with=("similarity", UNET),
    )
    true_masks: bool = option(
        False, "Whether labelled images are compared by their masks, not by what the network finds in them."
    )
    objective: str = option(
        Objective.MIN_MEAN.value,
        "What the choice of a batch raises. `min_mean`, as in the paper: the dice of the worst image, where"
        " the mean of what the labelled images teach is expected. `mean_max`: the mean over all images, where"
        " for each only its best labelled teacher counts. `worst_fifth_max`: the same over the worst fifth.",
        choices=tuple(each.value for each in Objective),
    )
    mutual: bool = option(
        False,
        "Whether one image teaches another only as well as the other teaches it: guards against wrong masks.",
    )
    likeness: bool = option(False, "Whether one image teaches another only as far as they look alike.")

    def masks(self, round_: Round) -> Mapping[str, Mask]:
        """Step 1: the pseudo-labels y = f_L(x) of all images (Eq. 1)."""
        if not self.true_masks:
            return round_.pseudo_labels
        return ChainMap(
            cast(dict[str, Mask], round_.labels), cast(dict[str, Mask], round_.pseudo_labels)
        )  # only read

    def blank(self, round_: Round) -> frozenset[str]:
        """The images, labelled ones as well, whose mask shows nothing to learn from.

        An empty mask agrees perfectly with networks that find nothing and not at all with the others:
        no measure of similarity. So these are neither trained on nor compared, which leaves them out of X.
        """
        if not self.true_masks:
            return round_.pseudo_labels.blank
        given = {
            identity for identity in round_.labelled if np.ptp(round_.labels[identity]) == 0
        }  # however small, what a person marked is meant
        return frozenset(given | (round_.pseudo_labels.blank - set(round_.labelled)))

    @property
    def by_pixels(self) -> bool:
        """As images are compared."""
        return self.similarity == PIXEL

    def units(self, round_: Round) -> tuple[str, ...]:
        """One training for each image of K; pixel classifiers are trained where the order is made."""
        return () if self.similarity == PIXEL else self.sample_candidates(round_)

    def sample_candidates(self, round_: Round) -> tuple[str, ...]:
        """Step 2:
        K, chosen at random from U. Images whose pseudo-label shows nothing to learn from are left out."""
        blank = self.blank(round_)
        if blank.issuperset(round_.unlabelled):
            raise nothing_found(round_)
        eligible = [
            identity
            for identity in (round_.ids if self.candidates_from_all else round_.unlabelled)
            if identity not in blank
        ]
        sampled = np.random.default_rng([round_.seed, STREAM]).permutation(eligible)[: self.candidates]
        return tuple(sorted(str(identity) for identity in sampled))

    def run_unit(self, round_: Round, unit: str) -> None:
        """Steps 3 and 4 for one k: train f_k from scratch, and keep its row of similarities (Eq. 2)."""
        rows = self.kept_rows(round_)
        if rows.get(unit) is None:
            rows.put(unit, train_row(round_, unit, self.masks(round_)))

    def artifact(self, unit: str) -> str:
        """The file of a row."""
        return f"{ROWS}/{RowStore.file_of(unit)}"

    def complete_rows(self, round_: Round) -> npt.NDArray[np.float32]:
        """Step 5: d between all images, in the order of ids (Eq. 4), float32 (N, N)."""
        self.run_units(round_)
        rows = self.kept_rows(round_)
        known = {k: row for k in self.sample_candidates(round_) if (row := rows.get(k)) is not None}
        if not known:
            why = next(iter(round_.failed.values()), f"check that {round_.folder} has room")
            raise NoNetworkError(f"None of the networks on single images could be trained and kept: {why}")
        return complete(
            [[row[identity] for identity in round_.ids] for row in known.values()],
            [round_.ids.index(k) for k in known],
        )

    def compare_images(self, round_: Round) -> Compared:
        """d of all images that show something to learn from, by U-Nets or by pixel classifiers, as far as it
        is believed."""
        if self.similarity == PIXEL:
            return self.compare_pixels(round_)
        matrix, blank = self.complete_rows(round_), self.blank(round_)
        known = ~np.isin(round_.ids, list(blank))
        if self.mutual:
            make_mutual(matrix)
        if self.places_blank and blank:
            matrix = add_unknown(matrix[np.ix_(known, known)], known)
            weigh_by_likeness(matrix, self.appearance(round_), known)
            known[:] = True
        elif self.likeness:
            weigh_by_likeness(matrix, self.appearance(round_))
        candidates = self.sample_candidates(round_)
        return Compared(
            tuple(identity for identity, here in zip(round_.ids, known, strict=True) if here),
            matrix if known.all() else matrix[np.ix_(known, known)],
            tuple(k for k in candidates if self.kept_rows(round_).get(k) is not None),
            blank,
            len(candidates),
        )

    def compare_pixels(self, round_: Round) -> Compared:
        """d by small networks on pixels, one for every image (Eq. 2)."""
        from model.similarity.appearance import read_appearance
        from model.similarity.pixel_similarity import compare_pixels

        found = compare_pixels(round_, true_masks=self.true_masks)
        ids, matrix = found.ids, self.weigh_pixels(round_, found)
        if self.mutual:
            make_mutual(matrix)
        if self.places_blank and found.empty:
            seen = read_appearance(round_, sorted(found.empty))
            ids = tuple(sorted((*found.ids, *seen.ids)))
            known = ~np.isin(ids, seen.ids)
            vectors = np.empty((len(ids), found.vectors.shape[1]), np.float32)
            vectors[known], vectors[~known] = found.vectors, seen.vectors
            matrix = add_unknown(matrix, known)
            weigh_by_likeness(matrix, vectors, known)
        elif self.likeness:
            weigh_by_likeness(matrix, found.vectors)
        if not set(ids) - set(round_.labels):
            raise nothing_found(round_)
        seconds = float(np.clip(SECONDS_AN_IMAGE * len(ids), *SECONDS))
        return Compared(ids, matrix, found.trained, found.empty, len(found.trained), seconds)

    def appearance(self, round_: Round) -> npt.NDArray[np.float32]:
        """What the images look like, whatever f_L has learnt, in the order of ids: float32 (N, F).
        One that cannot be read looks like the mean of the others."""
        from model.similarity.appearance import read_appearance

        seen = read_appearance(round_)
        vectors = np.tile(seen.vectors.mean(axis=0), (len(round_.ids), 1))
        vectors[np.isin(round_.ids, seen.ids)] = seen.vectors
        return vectors

    @property
    def places_blank(self) -> bool:
        """Whether images in which f_L finds nothing have a place by their looks, not the last ones.

        Nothing is known of what they teach; but one of an appearance that f_L has never met may stand for
        many. A minimum over all images would be theirs alone, so that the paper's objective does without.
        """
        return self.likeness and self.objective != Objective.MIN_MEAN

    def weigh_pixels(self, round_: Round, found: PixelSimilarity) -> npt.NDArray[np.float32]:
        """d as far as it is believed."""
        del round_
        return found.matrix

    def rank(self, round_: Round, budget: int) -> Ranking:
        """Step 6:
        the subset Z ⊇ L that maximises the objective, the paper's the minimum expected dice, and after it all
        others by what each adds."""
        round_.check_budget(budget)
        compared = self.compare_images(round_)
        known = set(compared.ids)
        last = [identity for identity in round_.unlabelled if identity not in known]
        ranked = selection.rank(
            compared.similarity,
            [index for index, identity in enumerate(compared.ids) if identity in round_.labels],
            min(budget, len(round_.unlabelled) - len(last)),
            objective=Objective(self.objective),
            ids=compared.ids,
            seed=round_.seed,
            time_limit=compared.seconds,
        )
        measure = MEASURES[Objective(self.objective)]
        queries = [self._query(image, compared, measure) for image in ranked.images]
        last.sort(key=lambda identity: identity not in compared.blank)
        queries += [
            Query(identity, place, place <= budget, _why_last(round_, identity, compared.blank))
            for place, identity in enumerate(last, len(queries) + 1)
        ]
        notes = {
            "value": ranked.selection.value,
            "upper_bound": ranked.selection.upper_bound,
            measure.note: ranked.images[0].value_before,
            "candidates": float(compared.candidates),
            "blank_pseudo_labels": float(len(compared.blank)),
        }
        comparison = Comparison(compared.ids, compared.similarity, compared.trained)
        return Ranking(tuple(queries), notes, comparison)

    def _query(self, image: selection.RankedImage, compared: Compared, measure: Measure) -> Query:
        """The place of an image with the figures behind it."""
        identity, helped = compared.ids[image.index], tuple(compared.ids[index] for index in image.helps)
        figures: dict[str, Any] = {measure.value: (image.value_before, image.value_after)}
        reason = Reason(
            Kind.COMPARED,
            image=helped[0] if helped else None,
            raised=image.raised,
            represents=image.represents,
            alike=self.likeness or None,
            note=ONLY_LOOKS if identity in compared.blank else None,
            **figures,
        )
        return Query(identity, image.rank, image.in_batch, reason, image.value_after, helped)

    def kept_rows(self, round_: Round) -> RowStore:
        """The rows of d that are done."""
        return RowStore(round_.folder / ROWS, f"{round_.fingerprint}-{self.true_masks}", round_.ids)


def _why_last(round_: Round, identity: str, blank: frozenset[str]) -> Reason | str:
    if identity in blank:
        return Reason(Kind.EMPTY)
    return f"it could not be compared: {round_.failed.get(identity, 'its features cannot be computed')}"
