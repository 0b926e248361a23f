"""The data sets that went wrong once, each with its right answer."""

from pathlib import Path

import numpy as np

from model.data.pool import scan


def test_the_cases_that_went_wrong_once(shared_cases: Path) -> None:
    """Each with the right answer."""
    read = {
        name: scan(shared_cases / name / "images", shared_cases / name / "masks")
        for name in ("08-object-numbers", "16a-plain-inverted")
    }
    assert read["08-object-numbers"].classes == 2
    assert "--mask-numbers classes" in read["08-object-numbers"].notes[0]
    assert "83%" in read["16a-plain-inverted"].warnings[0][1]
    jpegs = scan(shared_cases / "18a-jpeg-ids" / "images", shared_cases / "18a-jpeg-ids" / "masks")
    assert not jpegs.labelled
    assert len([text for _, text in jpegs.problems if "JPEG is lossy" in text]) == 6
    planes = scan(shared_cases / "09-multifile-ome" / "images", shared_cases / "09-multifile-ome" / "masks")
    assert len(planes.ids) == 4
    assert all(np.array_equal(planes.images[i][..., 0], planes.images[i][..., 2]) for i in planes.ids)
    nested = scan(shared_cases / "24-subfolders" / "images", shared_cases / "24-subfolders" / "masks")
    assert len(nested.ids) == 12
    assert sum(i.startswith("plate1/") for i in nested.ids) == 9
    assert "9 of 12 images" in nested.notes[0]
