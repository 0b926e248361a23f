"""Rows and their completion (Eq. 2, Eq. 4)."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.network.dice import dice
from model.network.inference import predict_masks
from model.network.pseudo_labels import trainable
from model.network.training import train
from model.similarity import RowStore, complete, row_seed, train_row
from model.similarity.completion import complete_by_columns
from model.similarity.round import Round


def completed_by_hand(rows: np.ndarray, trained: list[int]) -> np.ndarray:
    """Eq. 4 as written, one pair at a time."""
    count = rows.shape[1]
    known = {(k, j): float(rows[index, j]) for index, k in enumerate(trained) for j in range(count)}
    known |= {(i, i): 1.0 for i in range(count)}
    filled = known | {(j, k): known[k, j] for k in trained for j in range(count) if (j, k) not in known}
    matrix = np.empty((count, count))
    for i in range(count):
        for j in range(count):
            matrix[i, j] = (
                filled[i, j]
                if (i, j) in filled
                else max(0.5 * (filled[i, k] + filled[k, j]) for k in trained)
            )
    return matrix


@st.composite
def known_rows(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    count = draw(st.integers(2, 9))
    trained = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True))
    seed = draw(st.integers(0, 1000))
    return np.random.default_rng(seed).random((len(trained), count)), trained


@given(known_rows())
def test_completion_is_equation_4(case: tuple[np.ndarray, list[int]]) -> None:
    rows, trained = case
    np.testing.assert_allclose(complete(rows, trained), completed_by_hand(rows, trained), atol=1e-6)


def test_rows_known_in_both_directions_stay_as_measured() -> None:
    rows = np.array([[1.0, 0.3, 0.5], [0.7, 1.0, 0.2]])
    matrix = complete(rows, [0, 1])
    assert matrix[0, 1] == pytest.approx(0.3)
    assert matrix[1, 0] == pytest.approx(0.7)
    assert matrix[2, 0] == pytest.approx(0.5)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = np.random.default_rng(0).random((3, 8))
    np.testing.assert_array_equal(complete(rows, [1, 5, 6]), complete(rows[::-1], [6, 5, 1]))


def test_completion_of_more_images_than_one_block() -> None:
    rows = np.random.default_rng(1).random((4, 600))
    matrix = complete(rows, [0, 300, 301, 599])
    assert matrix[299, 555] == pytest.approx(0.5 * (rows[:, 299] + rows[:, 555]).max(), abs=1e-6)


@pytest.mark.parametrize("trained", [[0], [0, 0], [0, 7]])
def test_rows_that_do_not_fit_are_refused(trained: list[int]) -> None:
    with pytest.raises(ValueError, match="trained"):
        complete(np.ones((2, 4)), trained)


def test_masks_of_one_class_teach_nothing() -> None:
    assert not trainable(np.zeros((3, 3), np.uint8))
    assert not trainable(np.ones((3, 3), np.uint8))
    assert trainable(np.eye(9, dtype=np.uint8))


@pytest.mark.parametrize(
    ("side", "pixels", "enough"),
    [
        (48, 7, False),
        (48, 8, True),
        (512, 131, False),
        (512, 132, True),
        (2048, 131, False),
        (2048, 1200, True),
    ],
)
def test_a_speck_teaches_nothing(side: int, pixels: int, enough: bool) -> None:
    """Of foreground or of background; 300 objects of 2 x 2 pixels in a large image are no specks."""
    mask = np.zeros(side * side, np.uint8)
    mask[:pixels] = 1
    assert trainable(mask.reshape(side, side)) == trainable(1 - mask.reshape(side, side)) == enough


def test_a_row_is_what_a_network_trained_on_that_image_alone_predicts(small_round: Round) -> None:
    """Steps 3 and 4 written out:
    f_k from scratch on (x_k, y_k), its dice with every pseudo-label (Eq. 2), and d(x_k, x_k) = 1."""
    k, y = "05.png", small_round.pseudo_labels
    steps = small_round.recipe.row_steps
    f_k = train(
        [small_round.images[k]],
        [y[k]],
        classes=2,
        recipe=small_round.recipe,
        seed=row_seed(small_round.seed, k),
        steps=steps,
    )
    assert f_k.record["steps"] == steps
    masks = dict(
        zip(
            small_round.ids, predict_masks(f_k, [small_round.images[i] for i in small_round.ids]), strict=True
        )
    )
    row = train_row(small_round, k)
    assert row == {i: 1.0 if i == k else dice(masks[i], y[i], 2) for i in small_round.ids}


def test_a_kept_row_is_found_again(tmp_path: Path) -> None:
    RowStore(tmp_path, "a", ["x", "set/1.png"]).put("set/1.png", {"x": 0.25, "set/1.png": 1.0})
    assert RowStore(tmp_path, "a", ["x", "set/1.png"]).get("set/1.png") == {"x": 0.25, "set/1.png": 1.0}


def test_a_row_computed_from_something_else_is_not_used(tmp_path: Path) -> None:
    RowStore(tmp_path, "a", ["k"]).put("k", {"k": 1.0})
    assert RowStore(tmp_path, "b", ["k"]).get("k") is None
    assert RowStore(tmp_path, "a", ["k"]).get("other") is None


def test_a_row_that_is_not_whole_is_not_used(tmp_path: Path) -> None:
    store = RowStore(tmp_path, "a", ["k"])
    store.put("k", {"k": 1.0})
    file = next(tmp_path.iterdir())
    whole = json.loads(file.read_text())
    rows: list[object] = [{}, {"k": None}, [], {"other": 1.0}]
    for content in (file.read_text()[:20], *(json.dumps(whole | {"row": row}) for row in rows)):
        file.write_text(content)
        assert store.get("k") is None


def test_long_ids_that_end_alike_have_rows_and_seeds_of_their_own(tmp_path: Path) -> None:
    names = [start + "x" * 300 for start in "ab"]
    store = RowStore(tmp_path, "a", names)
    for value, name in enumerate(names):
        store.put(name, dict.fromkeys(names, float(value)))
    assert [store.get(name) for name in names] == [dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)]
    assert row_seed(0, names[0]) != row_seed(0, names[1]) != row_seed(1, names[1])


def test_a_row_is_completed_from_those_of_images_that_are_predicted_alike() -> None:
    """Two kinds of images, of each of which some rows are known: rows of the same kind stand for the others;
    what is known stays."""
    random = np.random.default_rng(0)
    kind = np.arange(40) % 2
    true = np.where(kind[:, None] == kind, 0.8, 0.2).astype(np.float32)
    true += random.normal(0, 0.02, true.shape).astype(np.float32)
    trained = list(range(14))
    found = complete_by_columns(true[trained], trained)
    assert np.abs(found - true)[~np.eye(40, dtype=bool)].max() < 0.1
    np.testing.assert_array_equal(found[trained][:, 20:], true[trained][:, 20:])
    assert np.diagonal(found).tolist() == [1.0] * 40
