"""The figures behind a place, and the words that people read of them."""

import json
import re

import pytest

from model.reason import (
    Kind,
    Measure,
    Reason,
    describe_bound,
    describe_reason,
    reason_parts,
    summarise_reason,
)

RAISED = Reason(Kind.COMPARED, "b", (0.52, 0.66), 1, (0.5, 0.6))


def test_the_words_name_the_image_its_dice_and_the_worst() -> None:
    assert describe_reason(RAISED) == (
        "expected to raise the dice of image b from 0.52 to 0.66; represents 1 image; raises the worst"
        " expected dice from 0.50 to 0.60"
    )
    before, image, after = reason_parts(RAISED)
    assert image == "b"
    assert describe_reason(RAISED, "task {}".format) == f"{before}task b{after}"


@pytest.mark.parametrize("raised", [None, (0.851, 0.853)])
@pytest.mark.parametrize("worst", [(0.834, 0.821), (0.834, 0.834), (0.8341, 0.8349)])
def test_a_reason_claims_no_gain_that_cannot_be_seen(
    raised: tuple[float, float] | None, worst: tuple[float, float]
) -> None:
    words = describe_reason(Reason(Kind.COMPARED, "b" if raised else None, raised, 4, worst))
    assert words == f"represents 4 images; no gain for the worst image (expected dice {worst[1]:.2f})"


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_words_and_comes_back_from_json(kind: Kind) -> None:
    reason = RAISED if kind is Kind.COMPARED else Reason(kind, value=0.25, networks=4, note="why")
    assert describe_reason(reason)
    short = summarise_reason(reason, "{}.png".format)
    assert short
    assert not re.search(r"bit|nat", short), "units stand behind it"
    kept = json.loads(json.dumps(reason.to_dict()))
    assert Reason.from_dict(kept | {"of a later release": 1}) == reason


@pytest.mark.parametrize(
    ("represents", "words"),
    [
        (0, "adds little: one that is labelled or before it looks the same"),
        (1, "chosen by its looks: it stands for itself, as each other image looks more like one"),
        (2, "chosen by its looks: 1 other image looks more like it than like any"),
        (9, "chosen by its looks: 8 other images look more like it than like any"),
    ],
)
def test_looks_say_for_how_many_an_image_speaks(represents: int, words: str) -> None:
    assert describe_reason(Reason(Kind.LOOKS, represents=represents)).startswith(words)


def test_the_short_words_are_read_at_once() -> None:
    """For how many an image stands, and which it helps; figures are told elsewhere."""
    call = "axons-0{}.png".format
    compared = Reason(Kind.COMPARED, "24", (0.52, 0.66), 11, mean=(0.61, 0.63), alike=True)
    assert summarise_reason(compared, call) == "stands for 10 similar images; helps axons-024.png most"
    assert summarise_reason(Reason(Kind.COMPARED, "24", (0.52, 0.66), 1), call) == "helps axons-024.png most"
    unseen = Reason(Kind.COMPARED, "24", (0.521, 0.524), 1, note="look at its mask")
    assert summarise_reason(unseen, call) == "adds little to what the others teach; look at its mask"
    for represents, words in (
        (9, "stands for 8 similar images"),
        (1, "stands for itself alone"),
        (0, "adds"),
    ):
        assert summarise_reason(Reason(Kind.LOOKS, represents=represents)).startswith(words)


@pytest.mark.parametrize("kind", [Kind.UNCERTAIN, Kind.DISPUTED, Kind.REPRESENTATIVE, Kind.FAR, Kind.GAIN])
def test_a_reason_tells_its_image_from_the_next(kind: Kind) -> None:
    """Not one and the same sentence below each image of an order."""
    first, second = (summarise_reason(Reason(kind, value=value)) for value in (0.31, 0.18))
    assert first != second


def test_plain_words_of_a_strategy_stay_as_they_are() -> None:
    assert describe_reason("raises image 3 a lot", "task {}".format) == "raises image 3 a lot"


@pytest.mark.parametrize(
    ("value", "upper_bound", "words"),
    [
        (
            0.5,
            0.52,
            "The best possible set of images would raise the worst expected dice to at most 0.52; this one"
            " reaches 0.50.",
        ),
        (0.5, 0.5, "No other set of images would raise the worst expected dice above the 0.50 of this one."),
        (
            0.501,
            0.504,
            "No other set of images would raise the worst expected dice above the 0.50 of this one.",
        ),
        (None, 0.5, ""),
        (0.5, None, ""),
        (0.5, float("inf"), ""),
        (float("nan"), 0.5, ""),
    ],
)
def test_how_good_a_batch_is_takes_one_sentence(
    value: float | None, upper_bound: float | None, words: str
) -> None:
    assert describe_bound(value, upper_bound) == words


def test_an_order_by_the_best_teacher_says_what_it_expects_and_why() -> None:
    """In both the words of a place and of a batch; what rises too little to be seen is not claimed."""
    reason = Reason(Kind.COMPARED, "14", (0.52, 0.66), 12, mean=(0.61, 0.63), alike=True)
    assert describe_reason(reason) == (
        "helps image 14 most: expected at a dice of 0.52 now, 0.66 after this label, as they look alike and"
        " this one teaches it; represents 12 images; raises the mean expected dice from 0.61 to 0.63"
    )
    assert Reason.from_dict(json.loads(json.dumps(reason.to_dict()))) == reason
    other = Reason(Kind.COMPARED, "14", (0.52, 0.66), 1, worst_fifth=(0.2, 0.31))
    assert describe_reason(other, "task {}".format) == (
        "helps task 14 most: expected at a dice of 0.52 now, 0.66 after this label, as this one teaches it;"
        " represents 1 image; raises the expected dice of the worst fifth of the images from 0.20 to 0.31"
    )
    unseen = Reason(Kind.COMPARED, "14", (0.521, 0.524), 2, mean=(0.611, 0.614), alike=True)
    assert describe_reason(unseen) == "represents 2 images"
    assert describe_bound(0.61, 0.62, Measure.MEAN) == (
        "The best possible set of images would raise the mean expected dice to at most 0.62; this one reaches"
        " 0.61."
    )
    assert Measure.of_notes({"value": 0.6, "mean_before": 0.5}) is Measure.MEAN
    assert Measure.of_notes({"value": 0.6}) is None
