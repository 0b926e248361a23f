"""Samples that are kept on disk."""

import errno
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from model.arrays import Image
from model.pixels import FeatureExtractor, FeatureStore, PixelSample, draw_sample, feature_store, features
from model.pixels.feature_store import SHARE
from tests.model.pixels.conftest import noise, tiny_class

IMAGE = noise(40, 50)
MEGABYTE = 1_000_000


@pytest.fixture
def store(tmp_path: Path, filters: FeatureExtractor) -> FeatureStore:
    return FeatureStore(tmp_path / "features", filters)


def no_image() -> Image:
    raise AssertionError("the image was read although its sample is kept")


def files(store: FeatureStore) -> list[Path]:
    return sorted(path for path in store.folder.rglob("*") if path.is_file())


def assert_same(found: PixelSample, expected: PixelSample) -> None:
    assert found.size == expected.size
    for name in ("positions", "values", "mean", "deviation"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_kept_sample_is_the_drawn_one_and_needs_no_image(store: FeatureStore) -> None:
    expected = draw_sample(IMAGE, store.extractor)
    assert_same(store.sample("a", IMAGE), expected)
    assert_same(FeatureStore(store.folder, store.extractor).sample("a", no_image, size=(40, 50)), expected)
    assert len(files(store)) == 1


def test_the_vector_of_an_image_is_that_of_its_sample(store: FeatureStore) -> None:
    """Whether it is kept or not, cut off, or kept under that name of another image."""

    def vector_of(image: Image) -> np.ndarray:
        drawn = draw_sample(image, store.extractor)
        return np.concatenate([drawn.mean, drawn.deviation])

    for image in (IMAGE, noise(40, 50, seed=1)):
        np.testing.assert_array_equal(store.vector("a", image), vector_of(image))
        np.testing.assert_array_equal(store.vector("a", no_image, size=(40, 50)), vector_of(image))
    (path,) = files(store)
    path.write_bytes(path.read_bytes()[:1000])
    np.testing.assert_array_equal(store.vector("a", IMAGE), vector_of(IMAGE))
    assert_same(store.sample("a", no_image, size=(40, 50)), draw_sample(IMAGE, store.extractor))


def test_an_image_that_is_read_late_needs_its_size(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match="size is missing"):
        store.sample("a", lambda: IMAGE)


@pytest.mark.parametrize(
    ("name", "image"),
    [("same name", noise(40, 50, seed=1)), ("same name", noise(50, 40)), ("another", IMAGE[:20])],
)
def test_another_image_never_gets_the_sample_of_the_first(
    store: FeatureStore, name: str, image: Image
) -> None:
    """Not even under a digest that was used before, such as that of an address whose image has changed."""
    store.sample("same name", IMAGE)
    for _ in range(2):
        assert_same(store.sample(name, image), draw_sample(image, store.extractor))


def test_samples_in_memory_are_those_of_the_same_image(store: FeatureStore) -> None:
    """Read from the disk once, and never given for another image of that name."""
    with_memory = FeatureStore(store.folder, store.extractor, in_memory=2)
    for number, image in enumerate([IMAGE, noise(40, 50, seed=1), noise(30, 20)]):
        expected = draw_sample(image, store.extractor)
        assert_same(with_memory.sample("same name", image), expected)
        for path in files(store):
            path.unlink()
        assert with_memory.sample("same name", image) is with_memory.sample("same name", image), number
        assert not files(store)


def test_a_mask_whose_class_is_missed_has_a_sample_of_its_own(store: FeatureStore) -> None:
    mask = tiny_class()
    image = noise(*mask.shape)
    plain, with_mask = store.sample("a", image), store.sample("a", image, mask)
    assert plain.misses(mask)
    assert not with_mask.misses(mask)
    assert_same(store.sample("a", no_image, mask, size=(200, 200)), with_mask)
    assert_same(store.sample("a", no_image, np.zeros_like(mask), size=(200, 200)), plain)


def test_features_of_another_version_are_not_mixed_up(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sample("a", IMAGE)
    monkeypatch.setattr(features, "FORMAT", 1000)
    store.sample("a", IMAGE)
    assert len(files(store)) == 2


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_computed_again(store: FeatureStore, share: float) -> None:
    expected = store.sample("a", IMAGE)
    (path,) = files(store)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert_same(store.sample("a", IMAGE), expected)
    assert_same(store.sample("a", no_image, size=(40, 50)), expected)


def test_no_damaged_byte_does_harm(store: FeatureStore) -> None:
    """Whichever it is: the sample is the right one, or is computed again."""
    expected = store.sample("a", IMAGE)
    (path,) = files(store)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    places = [
        *range(0, 400, 7),
        *random.integers(0, len(content), 60),
        *range(len(content) - 500, len(content), 11),
    ]
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x5A]) + content[place + 1 :])
        assert_same(store.sample("a", IMAGE), expected)


def test_a_file_that_vanishes_is_computed_again(store: FeatureStore) -> None:
    expected = store.sample("a", IMAGE)
    files(store)[0].unlink()
    assert_same(store.sample("a", IMAGE), expected)


def test_a_full_disk_costs_speed_and_one_line(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def full(_: Path) -> Iterator[IO[bytes]]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(feature_store, "write_atomically", full)
        for name in "abc":
            assert_same(store.sample(name, IMAGE), draw_sample(IMAGE, store.extractor))
    (line,) = caplog.messages
    assert "No space left" in line
    assert "Make room" in line
    store.sample("a", IMAGE)
    assert len(files(store)) == 1, "room was made, and it is not used"


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, filters: FeatureExtractor) -> None:
    (tmp_path / "file").write_text("in the way")
    sample = FeatureStore(tmp_path / "file", filters).sample("a", IMAGE)
    assert_same(sample, draw_sample(IMAGE, filters))


def test_those_not_used_for_longest_go_first(store: FeatureStore) -> None:
    """With what a killed process left half-written; and never the one that was used last."""
    store.sample("0", IMAGE)
    (oldest,) = files(store)
    size = oldest.stat().st_size
    small = FeatureStore(store.folder, store.extractor, limit=5 * size)
    for number in range(1, 4):
        small.sample(str(number), IMAGE)
    half_written = oldest.with_name(f".{oldest.name}-half")
    half_written.write_bytes(bytes(size))
    for age, path in enumerate([half_written, oldest, *(set(files(store)) - {oldest, half_written})]):
        os.utime(path, (age, age))
    small.sample("0", no_image, size=(40, 50))
    small.sample("4", IMAGE)
    left = files(store)
    assert sum(path.stat().st_size for path in left) <= SHARE * 5 * size
    assert half_written not in left
    assert oldest in left
    small.sample("4", no_image, size=(40, 50))


def test_stores_that_share_a_folder_do_not_disturb_each_other(
    store: FeatureStore, filters: FeatureExtractor
) -> None:
    """Although the limit makes each remove what another has just written, or is reading."""
    images = [noise(40, 50, seed) for seed in range(8)]
    expected = [draw_sample(image, filters) for image in images]

    def read_all(seed: int) -> None:
        own = FeatureStore(store.folder, filters, limit=300_000)
        for k in np.random.default_rng(seed).permutation(np.repeat(np.arange(8), 4)):
            assert_same(own.sample(str(k), images[k]), expected[k])

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(read_all, range(4)))
    assert not [path for path in files(store) if path.name.startswith(".")]


def test_a_sample_takes_less_than_a_megabyte(tmp_path: Path) -> None:
    FeatureStore(tmp_path, FeatureExtractor()).sample("a", noise(256, 256))
    assert max(path.stat().st_size for path in tmp_path.rglob("*.npz")) <= MEGABYTE
