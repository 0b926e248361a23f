"""Why an image has its place in the order: figures, put into words only where people read them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """What decided the place, and what the figures mean."""

    COMPARED = "compared"  # what its label does for the expected dice of the others; note: a caution
    EMPTY = "empty"  # nothing could be told: its pseudo-label shows nothing to learn from
    UNCERTAIN = "uncertain"  # value: mean entropy, bit a pixel
    DISPUTED = "disputed"  # value: how much `networks` networks disagree, nat a pixel
    REPRESENTATIVE = "representative"  # as disputed, and chosen to represent the others
    FAR = "far"  # value: cosine distance from the nearest image labelled or chosen before it
    LOOKS = "looks"  # typical and varied; note: why images cannot be compared; value: trust in its mask
    SPREADS = "spreads"  # represents: images that its label reaches best; value: mean entropy, bit a pixel
    GAIN = "gain"  # value: the mean dice of the others that its label is predicted to add
    RANDOM = "random"  # value: the share of the image that the model marks, where that counted


class Measure(StrEnum):
    """The expected dice that an order makes as high as possible; also the name of its field in a `Reason`."""

    WORST = "worst"
    WORST_FIFTH = "worst_fifth"
    MEAN = "mean"

    @property
    def words(self) -> str:
        """In a sentence, after "the"."""
        return {
            Measure.WORST: "worst expected dice",
            Measure.WORST_FIFTH: "expected dice of the worst fifth of the images",
            Measure.MEAN: "mean expected dice",
        }[self]

    @property
    def heading(self) -> str:
        """The same above a figure."""
        return {
            Measure.WORST: "expected dice of the worst image",
            Measure.WORST_FIFTH: "expected dice of the worst fifth of the images",
            Measure.MEAN: "mean expected dice of all images",
        }[self]

    @property
    def note(self) -> str:
        """The name of its value before the batch among the notes of a ranking."""
        return f"{self}_before"

    @classmethod
    def of_notes(cls, notes: Mapping[str, Any]) -> Measure | None:
        """The one whose value before the batch is among the notes of a ranking; None where none is."""
        return next((measure for measure in cls if measure.note in notes), None)


@dataclass(frozen=True)
class Reason:
    """The figures behind a place; None where the kind has none. Dice values are in [0, 1]."""

    kind: Kind
    image: str | None = None  # id of the image whose expected dice it raises most
    raised: tuple[float, float] | None = None  # that dice before and after this label
    represents: int | None = None  # images, itself included, that resemble no labelled one more
    worst: tuple[float, float] | None = None  # the worst expected dice before and after this label
    worst_fifth: tuple[float, float] | None = None  # the mean of the worst fifth of the images, so
    mean: tuple[float, float] | None = None  # the mean expected dice, so
    alike: bool | None = None  # whether only images that look alike are believed to teach each other
    value: float | None = None  # by kind
    networks: int | None = None
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without what is None."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Of `to_dict`'s JSON; fields that a later release has added are passed over.
        Raises ValueError for an unknown kind, TypeError for figures that are none."""
        known = {each.name: content[each.name] for each in dataclasses.fields(cls) if each.name in content}
        pairs = {
            str(name): (float(known[name][0]), float(known[name][1]))
            for name in ("raised", *Measure)
            if known.get(name) is not None
        }
        return cls(**known | pairs | {"kind": Kind(content["kind"])})


def describe_reason(reason: Reason | str, call: Callable[[str], str] = "image {}".format) -> str:
    """The reason with its figures in words, one sentence without its full stop. `call` tells what people call
    the image of an id.
    A strategy may give plain words instead of figures: they stay as they are."""
    before, image, after = reason_parts(reason)
    return f"{before}{call(image)}{after}" if image else before


def summarise_reason(reason: Reason | str, call: Callable[[str], str] = "image {}".format) -> str:
    """The same without figures, to be read at once: "stands for 10 similar images; helps image 3 most"."""
    before, image, after = summary_parts(reason)
    return f"{before}{call(image)}{after}" if image else before


def summary_parts(reason: Reason | str) -> tuple[str, str, str]:
    """As `reason_parts`, of the reason without figures."""
    if isinstance(reason, str):
        return reason, "", ""
    if reason.kind is Kind.COMPARED:
        return _compared_in_short(reason)
    words = {
        Kind.EMPTY: "the model finds nothing, or only foreground in it: look whether that is right",
        Kind.UNCERTAIN: f"the model is unsure in it: {reason.value or 0:.2f} (0 is certain, 1 a guess)",
        Kind.DISPUTED: f"networks disagree in it, by {reason.value or 0:.3f}",
        Kind.REPRESENTATIVE: f"networks disagree in it, by {reason.value or 0:.3f}, and it stands for many of"
        " the others",
        Kind.FAR: f"looks least like those that are labelled or before it, {reason.value or 0:.2f} away",
        Kind.LOOKS: _stands_for(reason)
        if reason.represents is not None
        else "typical, and unlike those before it",
        Kind.SPREADS: f"{_stands_for(reason)}; the model is not certain in it",
        Kind.GAIN: f"a label of it is expected to raise the others' dice by {reason.value or 0:.3f}"
        if (reason.value or 0) > 0
        else "a label of it is not expected to help the others",
        Kind.RANDOM: "chosen at random",
    }
    return words[reason.kind], "", ""


def _stands_for(reason: Reason) -> str:
    others = (reason.represents or 0) - 1
    if others > 0:
        return f"stands for {_count(others, 'similar image')}"
    return "stands for itself alone" if others == 0 else "adds little: one like it comes before it"


def _compared_in_short(reason: Reason) -> tuple[str, str, str]:
    stands = _stands_for(reason) if (reason.represents or 0) > 1 else ""
    helped = reason.image and reason.raised and _rise(*reason.raised)
    caution = f"; {reason.note}" if reason.note else ""
    if helped and reason.image:
        return f"{stands}; helps " if stands else "helps ", reason.image, f" most{caution}"
    return f"{stands or 'adds little to what the others teach'}{caution}", "", ""


def reason_parts(reason: Reason | str) -> tuple[str, str, str]:
    """The words up to the image that is named, that image's id, and the rest, so that a page can make a link
    of it; id and rest are empty where none is named."""
    if isinstance(reason, str):
        return reason, "", ""
    if reason.kind is Kind.COMPARED:
        return _compared(reason)
    value = reason.value or 0.0
    disputed = f"{reason.networks} networks disagree by {value:.4f} nat a pixel in it"
    words = {
        Kind.EMPTY: "the model finds nothing (a speck at most) or only foreground in it, so that it could not"
        " be compared: look whether that is right",
        Kind.UNCERTAIN: f"the model's mean entropy in it is {value:.3f} bit a pixel",
        Kind.DISPUTED: disputed,
        Kind.REPRESENTATIVE: f"{disputed}, and with the others of the batch it represents the unlabelled"
        " images best",
        Kind.FAR: f"{value:.3f} from the nearest image labelled or chosen before it (cosine distance of"
        " features)",
        Kind.LOOKS: _looks(reason),
        Kind.SPREADS: _spreads(reason),
        Kind.GAIN: "where labelling was simulated, a label of an image like it changed the mean dice of the"
        f" others by {value:+.3f}",
        Kind.RANDOM: "chosen at random"
        + (f", more likely the more the model marks; here {value:.1%} of the image" if value else ""),
    }
    return words[reason.kind], "", ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _spreads(reason: Reason) -> str:
    others = _count(max(0, (reason.represents or 0) - 1), "other image")
    return (
        f"its label spreads to {others} that look alike, sooner than any label before it; the model's mean"
        f" entropy in it is {reason.value or 0.0:.3f} bit a pixel"
    )


def _looks(reason: Reason) -> str:
    others = (reason.represents or 0) - 1
    if reason.represents is None:
        words = "chosen by its looks: it resembles many images that none labelled or before it resembles"
    elif others < 0:
        words = "adds little: one that is labelled or before it looks the same"
    elif others == 0:
        words = "chosen by its looks: it stands for itself, as each other image looks more like one that is"
        words += " labelled or before it"
    else:
        looks = f"{_count(others, 'other image')} look{'s' if others == 1 else ''}"
        words = f"chosen by its looks: {looks} more like it than like any that is"
        words += " labelled or before it"
    if reason.value is not None:
        words += f"; trust in the mask that the model draws in it: {reason.value:.2f} of 1"
    return words + (f" ({reason.note})" if reason.note else "")


def _compared(reason: Reason) -> tuple[str, str, str]:
    """A gain is claimed only where one can be seen in two decimals.

    By the paper an expected dice is a mean over all labelled images, so a label can lower that of some image,
    the worst one included.
    """
    parts = []
    if reason.represents is not None:
        parts.append(f"represents {_count(reason.represents, 'image')}")
    if reason.worst:
        rise = _rise(*reason.worst)
        parts.append(
            f"raises the worst expected dice {rise}"
            if rise
            else f"no gain for the worst image (expected dice {reason.worst[1]:.2f})"
        )
    for measure, figures in ((Measure.WORST_FIFTH, reason.worst_fifth), (Measure.MEAN, reason.mean)):
        if figures and (rise := _rise(*figures)):
            parts.append(f"raises the {measure.words} {rise}")
    rest = "; ".join(filter(None, (*parts, reason.note)))
    if reason.image and reason.raised and (rise := _rise(*reason.raised)):
        if not (reason.worst_fifth or reason.mean):
            return "expected to raise the dice of ", reason.image, "; ".join(filter(None, (f" {rise}", rest)))
        before, after = (f"{each:.2f}" for each in reason.raised)
        why = "as they look alike and this one teaches it" if reason.alike else "as this one teaches it"
        told = f" most: expected at a dice of {before} now, {after} after this label, {why}"
        return "helps ", reason.image, "; ".join(filter(None, (told, rest)))
    return rest, "", ""


def _rise(before: float, after: float) -> str:
    """ "from 0.52 to 0.66"; empty for what shows no gain."""
    first, second = f"{before:.2f}", f"{after:.2f}"
    return f"from {first} to {second}" if float(second) > float(first) else ""


def describe_bound(
    value: float | None, upper_bound: float | None, measure: Measure | None = Measure.WORST
) -> str:
    """How good a batch is, and how much better any other could be, in one sentence; empty where either figure
    is not known. Both are the expected dice of a measure once the batch is labelled."""
    if value is None or upper_bound is None or not value <= upper_bound <= 1.0:
        return ""
    what = (measure or Measure.WORST).words
    if f"{upper_bound:.2f}" == f"{value:.2f}":
        return f"No other set of images would raise the {what} above the {value:.2f} of this one."
    return (
        f"The best possible set of images would raise the {what} to at most {upper_bound:.2f};"
        f" this one reaches {value:.2f}."
    )
