"""Masks on show under another labelling configuration than the one they were drawn for."""

from __future__ import annotations

import numpy as np
import pytest

from backend.jobs.masks.refit import drawn_for, refitted
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import fits, from_mask, to_mask

XML = (
    '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image">'
    '<Label value="Axon"/><Label value="Myelin"/></BrushLabels></View>'
)
CONFIG = parse(XML)
MASK = np.zeros((40, 60), dtype=np.uint8)
MASK[5:20, 10:30], MASK[25:35, 5:50] = 1, 2
REGIONS = from_mask(MASK, CONFIG, [0.9, 0.8, 0.7])


@pytest.mark.parametrize(
    "changed",
    [
        XML.replace('name="labels"', 'name="brush"'),
        XML.replace('"image"', '"photo"'),
        XML.replace("Brush", "Polygon"),
        XML.replace('"Axon"', '"Axon" alias="ax"'),
    ],
)
def test_masks_that_a_renamed_or_another_control_can_draw_are_drawn_with_it(changed: str) -> None:
    """Same pixels, same confidence, and all of it fits."""
    config = parse(changed)
    found = refitted(REGIONS, config)
    assert drawn_for(config) != drawn_for(CONFIG)
    assert not any(fits(region, config) for region in REGIONS[:1])
    assert all(fits(region, config) for region in found)
    assert [region["score"] for region in found] == [0.8, 0.7]
    assert (to_mask(found, config, (40, 60)) == MASK).mean() > 0.99


def test_only_what_has_no_name_any_more_goes() -> None:
    """A renamed or removed label takes its masks along, the others stay as they are;
    so do all under another order or a further label."""
    assert refitted(REGIONS, parse(XML.replace("Axon", "Neurite"))) == REGIONS[1:]
    assert refitted(REGIONS, parse(XML.replace('<Label value="Myelin"/>', ""))) == REGIONS[:1]
    assert refitted(REGIONS, parse(XML.replace("Axon", "Neurite").replace("Myelin", "Sheath"))) == []
    turned = XML.replace(
        '<Label value="Axon"/><Label value="Myelin"/>',
        '<Label value="Soma"/><Label value="Myelin"/><Label value="Axon"/>',
    )
    assert refitted(REGIONS, parse(turned)) == REGIONS
    assert refitted(REGIONS, CONFIG) == REGIONS
