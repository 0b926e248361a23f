"""Tests of polygons."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path

from model.export import polygons

MASKS = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(lambda size: arrays(bool, size))


def drawn(shapes: list[polygons.Points], size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    for points in shapes:
        box, inside = polygons.fill(points, (size[0], size[1]))
        mask[box] |= inside
    return mask


@given(MASKS)
@settings(deadline=None)
def test_exact_outlines_turn_back_into_the_same_mask(mask: npt.NDArray[np.bool_]) -> None:
    """Any mask, with holes in it and areas that touch at corners."""
    assert (drawn(polygons.trace(mask, 0), mask.shape) == mask).all()


def test_holes_stay_open_and_islands_in_them_closed() -> None:
    y, x = np.mgrid[:80, :80]
    radius = np.hypot(x - 40, y - 40)
    mask = (radius < 35) & ~((radius < 25) & (radius > 10)) & ~(np.hypot(x - 40, y - 10) < 3)
    shapes = polygons.trace(mask, 0)
    assert len(shapes) == 2  # the ring with its hole, and the island
    assert (drawn(shapes, mask.shape) == mask).all()


def test_simplified_outlines_stay_within_the_tolerance() -> None:
    y, x = np.mgrid[:200, :300]
    mask = (np.sin(x / 23) + np.cos(y / 17)) > 0.3
    exact, simple = polygons.trace(mask, 0), polygons.trace(mask, 0.5)
    found = drawn(simple, mask.shape)
    assert sum(map(len, simple)) < sum(map(len, exact)) / 4
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.99


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(3, 9), st.just(2)),
        elements=st.floats(-5, 25).map(lambda value: round(value * 4) / 4 + 0.1),
    )
)
@settings(deadline=None)
def test_filling_agrees_with_an_independent_even_odd_rule(points: polygons.Points) -> None:
    """For polygons without self-intersection matplotlib's rule is the same;
    for others the parity of crossings is counted by hand."""
    size = (20, 20)
    found = drawn([points], size)
    for row in range(size[0]):
        for column in range(0, size[1], 3):
            centre = np.array([column + 0.5, row + 0.5])
            start, end = points, np.roll(points, -1, axis=0)
            crosses = (start[:, 1] <= centre[1]) != (end[:, 1] <= centre[1])
            with np.errstate(divide="ignore", invalid="ignore"):
                at = start[:, 0] + (centre[1] - start[:, 1]) / (end[:, 1] - start[:, 1]) * (
                    end[:, 0] - start[:, 0]
                )
            if np.abs(at[crosses] - centre[0]).min(initial=1) > 1e-9:
                assert found[row, column] == bool((at[crosses] < centre[0]).sum() % 2)


def test_a_convex_polygon_agrees_with_matplotlib() -> None:
    points = np.array([[3.2, 1.1], [17.4, 4.3], [12.7, 18.9], [2.1, 12.2]])
    y, x = np.mgrid[:20, :20]
    expected = (
        Path(points).contains_points(np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)).reshape(20, 20)
    )
    assert (drawn([points], (20, 20)) == expected).all()


@pytest.mark.parametrize("shift", [-100.0, 100.0])
def test_a_polygon_outside_the_image_draws_nothing(shift: float) -> None:
    points = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 5.0]]) + shift
    assert not drawn([points], (20, 20)).any()


def test_an_empty_mask_has_no_outline_and_the_largest_area_comes_first() -> None:
    assert polygons.trace(np.zeros((5, 5), bool), 0.5) == []
    mask = np.zeros((20, 20), bool)
    mask[1:3, 1:3], mask[8:18, 8:18] = True, True
    first, second = polygons.trace(mask, 0.5)
    assert first.min() > 5 > second.max()


def test_an_outline_with_thousands_of_holes_turns_back_into_the_same_mask() -> None:
    """What a network draws that has learnt little."""
    mask = np.random.default_rng(0).random((300, 300)) < 0.9
    (first, *_) = polygons.trace(mask, 0, 1)
    assert len(first) > 4000
    box, inside = polygons.fill(first, (300, 300))
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    largest = pieces == np.bincount(pieces[pieces > 0]).argmax()
    assert (inside == largest[box]).all()
    assert inside.sum() == largest.sum()
