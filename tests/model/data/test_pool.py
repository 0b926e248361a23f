"""A folder becomes a pool: usable images by id, masks by stem, problems noted, memory bounded."""

import threading
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from model.data import pool
from model.data.images.reading import read_raw
from model.data.lru_cache import ByteCache
from model.data.pool import Pool, scan
from tests.model.data.noise import SIDE, put_image, put_mask


def test_images_with_a_mask_of_the_same_stem_are_labelled(folders: tuple[Path, Path]) -> None:
    pool = scan(*folders)
    assert pool.ids == ("a.png", "b.jpg", "c.TIF", "d.jpeg", "e.png")
    assert pool.labelled == ("a.png", "b.jpg")
    assert pool.unlabelled == ("c.TIF", "d.jpeg", "e.png")
    assert pool.classes == 2
    assert pool.problems == ()
    assert pool.warnings == ()
    assert tuple(pool.images) == pool.ids
    assert tuple(pool.labels) == pool.labelled
    assert pool.images["c.TIF"].shape == (SIDE, SIDE + 8, 3)
    assert pool.labels["b.jpg"].dtype == np.uint8
    assert pool.original_size("b.jpg") == (SIDE, SIDE + 8)


def test_images_and_labels_come_at_the_same_working_resolution(tmp_path: Path) -> None:
    put_image(tmp_path / "i", "a.png", shape=(100, 170, 3))
    put_mask(tmp_path / "m", "a.png", shape=(100, 170))
    pool = scan(tmp_path / "i", tmp_path / "m", max_side=64)
    assert pool.images["a.png"].shape == (38, 64, 3)
    assert pool.labels["a.png"].shape == (38, 64)
    assert pool.original_size("a.png") == (100, 170)


def test_without_masks_everything_is_unlabelled(folders: tuple[Path, Path]) -> None:
    pool = scan(folders[0], classes=3)
    assert pool.labelled == ()
    assert pool.unlabelled == pool.ids
    assert pool.classes == 3


def test_progress_reports_every_image_in_order(folders: tuple[Path, Path]) -> None:
    seen: list[tuple[int, int]] = []
    scan(*folders, on_file=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 5) for k in range(1, 6)]


def test_a_scan_cancelled_by_its_callback_leaves_the_rest_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(60):
        put_image(tmp_path, f"{k}.png")
    read: list[str] = []

    def slow(path: Path) -> np.ndarray:
        read.append(path.name)
        time.sleep(0.2)  # so that nobody reads all before the cancel comes
        return read_raw(path)

    def cancel(done: int, total: int) -> None:
        raise InterruptedError(f"cancelled at {done} of {total}")

    monkeypatch.setattr(pool, "read_raw", slow)
    with pytest.raises(InterruptedError, match="1 of 60"):
        scan(tmp_path, on_file=cancel)
    assert len(read) < 40


def test_an_umlaut_written_as_two_signs_is_the_same_name(folders: tuple[Path, Path]) -> None:
    """As a Mac writes it."""
    images, masks = folders
    put_image(images, unicodedata.normalize("NFC", "größe.png"))
    put_mask(masks, unicodedata.normalize("NFD", "größe.png"))
    assert "größe.png" in scan(images, masks).labelled


def test_the_number_of_classes_is_inferred_or_held_against_the_masks(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    put_mask(masks, "c.png", classes=4)
    put_mask(masks, "d.png", classes=3)
    pool = scan(images, masks)
    assert pool.classes == 4
    assert pool.labelled == ("a.png", "c.TIF", "d.jpeg")
    assert dict(pool.problems)["b.png"].startswith("mask")
    stated = scan(images, masks, classes=2)
    assert stated.labelled == ("a.png", "b.jpg")
    assert sorted(dict(stated.problems)) == ["c.png", "d.png"]


def test_unknown_ids_are_key_errors(folders: tuple[Path, Path]) -> None:
    pool = scan(*folders)
    with pytest.raises(KeyError, match="5 images"):
        pool.images["nothing.png"]
    assert "c.TIF" not in pool.labels
    assert "c.TIF" in pool.images
    with pytest.raises(KeyError):
        pool.original_size("nothing.png")


def test_arrays_are_shared_read_only_and_the_same_with_and_without_memory(folders: tuple[Path, Path]) -> None:
    pool, forgetful = scan(*folders), scan(*folders, cache_bytes=0)
    assert pool.images["a.png"] is pool.images["a.png"]
    assert forgetful.images["a.png"] is not forgetful.images["a.png"]
    for name in pool.ids:
        np.testing.assert_array_equal(pool.images[name], forgetful.images[name])
    with pytest.raises(ValueError, match="read-only"):
        pool.images["a.png"][0, 0, 0] = 1


def test_the_cache_drops_the_least_recently_used_and_stays_in_its_budget() -> None:
    cache = ByteCache(100)
    for name in "abc":
        cache.put(("images", name), np.zeros(40, dtype=np.uint8))
        cache.get(("images", "a"))
        assert cache.used <= 100
    assert cache.get(("images", "a")) is not None
    assert cache.get(("images", "b")) is None
    cache.put(("images", "big"), np.zeros(101, dtype=np.uint8))
    assert cache.get(("images", "big")) is None
    assert cache.get(("images", "a")) is not None
    assert cache.used == 80


def test_several_threads_may_read_at_once(folders: tuple[Path, Path]) -> None:
    pool = scan(*folders, cache_bytes=2 * SIDE * (SIDE + 8) * 12)
    sums = {name: float(np.abs(pool.images[name]).sum()) for name in pool.ids}
    wrong: list[str] = []

    def read() -> None:
        for _ in range(20):
            wrong.extend(name for name in pool.ids if float(np.abs(pool.images[name]).sum()) != sums[name])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_pool_may_be_built_from_arrays() -> None:
    images = {name: np.zeros((SIDE, SIDE + 2, 3), dtype=np.float32) for name in ("a", "b")}
    pool = Pool(
        ids=("a", "b"),
        labelled=("a",),
        classes=2,
        images=images,
        labels={"a": np.ones((SIDE, SIDE + 2), dtype=np.uint8)},
    )
    assert pool.unlabelled == ("b",)
    assert pool.original_size("b") == (SIDE, SIDE + 2)
    pool.require_labels(1)


@pytest.mark.parametrize(
    ("dataset", "count", "classes"),
    [("dsb2018", 84, 2), ("usiigaci_t98g", 50, 2), ("bbbc010", 42, 2), ("axondeepseg_3class", 13, 3)],
)
def test_the_shared_data_sets_are_read_whole(
    shared_data: Path, dataset: str, count: int, classes: int
) -> None:
    pool = scan(shared_data / dataset / "images", shared_data / dataset / "masks", max_side=128)
    assert (len(pool.ids), len(pool.labelled), pool.classes, pool.problems) == (count, count, classes, ())
    for name in pool.labelled[:5]:
        assert pool.labels[name].shape == pool.images[name].shape[:2]
        assert pool.labels[name].max() == classes - 1
    pool.require_labels(count)


def test_a_replaced_image_has_another_digest(folders: tuple[Path, Path]) -> None:
    """Of its bytes, so that copying the folder changes nothing."""
    images, masks = folders
    before = scan(images, masks).digests
    assert before is not None
    (images / "a.png").touch()
    assert scan(images, masks).digests == before
    put_image(images, "e.png", seed=9)
    after = scan(images, masks).digests
    assert after is not None
    assert [name for name in before if after[name] != before[name]] == ["e.png"]
