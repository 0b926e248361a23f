"""Masks drawn in a configuration that may have changed since the training."""

from __future__ import annotations

import pytest
import torch

from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import to_mask
from model.errors import ImageError
from model.network.checkpoint import TrainedModel
from model.network.recipe import Recipe
from tests.backend.noise import noise_png


class Thirds(torch.nn.Module):
    """Predicts class 0, 1 and 2 in the left, middle and right third."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.encoder = torch.nn.Module()
        self.encoder.output_stride = 1  # type: ignore[assignment]

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(batch.shape[0], 3, *batch.shape[2:])
        thirds = torch.arange(batch.shape[3]) * 3 // batch.shape[3]
        for third in range(3):
            logits[:, third, :, thirds == third] = 10.0
        return logits + 0 * self.weight


def config(*labels: str) -> str:
    inner = "".join(f'<Label value="{label}"/>' for label in labels)
    return (
        '<View><Image name="image" value="$image"/><BrushLabels name="b"'
        f' toName="image">{inner}</BrushLabels></View>'
    )


@pytest.fixture
def encoded() -> bytes:
    """A 128 x 96 image, larger than the network works on."""
    return noise_png(96, 128)


@pytest.mark.parametrize(
    ("now", "expected", "outdated"),
    [
        (("A", "B"), {"A": 1, "B": 2}, False),
        (("B", "A"), {"A": 2, "B": 1}, True),  # the same names in another order keep their pixels
        (("A", "New"), {"A": 1}, True),
        (("Other",), {}, True),
    ],
)
def test_labels_are_matched_by_name(
    encoded: bytes, now: tuple[str, ...], expected: dict[str, int], outdated: bool
) -> None:
    """What the network calls A is drawn as A at full size, whatever its number is now;
    what is gone is background."""
    parsed = parse(config(*now))
    annotator = PreAnnotator(TrainedModel(Thirds(), 3, Recipe(max_side=64)), ("A", "B"), parsed)
    regions = annotator.regions(encoded, "task 1")
    assert {region["value"]["brushlabels"][0] for region in regions} == set(expected)
    assert all((region["score"] or 0) > 0.9 for region in regions)
    mask = to_mask(regions, parsed, (96, 128))
    for label, number in expected.items():
        column = 64 if label == "A" else 115
        assert mask[48, column] == number
    assert mask[48, 10] == 0
    assert bool(annotator.outdated) is outdated
    assert not outdated or "A, B" in annotator.outdated


def test_an_unreadable_image_is_named(encoded: bytes) -> None:
    """The error goes to the log; the other tasks go on."""
    annotator = PreAnnotator(TrainedModel(Thirds(), 3, Recipe(max_side=64)), ("A", "B"), parse(config("A")))
    with pytest.raises(ImageError, match="task 5"):
        annotator.regions(encoded[:100], "task 5")
