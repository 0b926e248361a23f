"""What is in the channels and palettes of files is never taken for something else without a word."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from model.arrays import Array
from model.data.images.reading import read_raw
from model.data.masks.coding import MaskOptions, Meaning
from model.data.masks.files import read_stored
from model.data.pool import scan
from model.errors import ImageError, MaskError
from tests.model.data.lab_files import (
    VARYING,
    Content,
    Numbers,
    bytes_of,
    folder,
    foreground_agrees,
    palette,
    save,
    scattered,
)
from tests.model.data.noise import noise

BLACK, WHITE, RED, GREEN, YELLOW = [0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [255, 255, 0]
TWO_CLASSES = [scattered(seed, 3) for seed in range(4)]


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"},
        {"photometric": "minisblack", "planarconfig": "separate"},
    ],
)
@pytest.mark.parametrize("count", [2, 4])
def test_channels_of_a_mask_that_are_no_transparency_are_refused(
    tmp_path: Path, options: dict[str, object], count: int
) -> None:
    """A class for each channel, for one: none of them is dropped as if it were transparency."""
    classes = np.stack([(VARYING[1] == number + 1) * 255 for number in range(count)]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", classes, **options)  # type: ignore[arg-type]
    with pytest.raises(MaskError, match=f"{count} channels"):
        read_stored(tmp_path / "a.tif")


def test_transparency_that_says_so_and_a_channel_that_holds_nothing_go(tmp_path: Path) -> None:
    mask = (VARYING[0] > 0).astype(np.uint8) * 255
    opaque = np.full_like(mask, 255)
    Image.fromarray(np.dstack([mask, noise(*mask.shape)]), "LA").save(tmp_path / "a.png")
    Image.fromarray(np.dstack([mask, mask, mask, noise(*mask.shape)]), "RGBA").save(tmp_path / "b.png")
    rgba = np.dstack([mask, mask, mask, noise(*mask.shape)])
    tifffile.imwrite(tmp_path / "c.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "d.tif", np.dstack([mask, opaque]), photometric="minisblack")
    for name in ("a.png", "b.png", "c.tif", "d.tif"):
        np.testing.assert_array_equal(read_stored(tmp_path / name).values, mask)


@pytest.mark.parametrize("planar", ["separate", "contig"])
def test_two_channels_of_an_image_are_both_kept(tmp_path: Path, planar: str) -> None:
    first, second = noise(40, 50), noise(50, 40).T.copy()
    array = np.stack([first, second], axis=0 if planar == "separate" else 2)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig=planar)
    raw = read_raw(tmp_path / "a.tif")
    np.testing.assert_array_equal(raw[..., :2], np.dstack([first, second]))


def test_a_further_channel_that_holds_nothing_is_dropped(tmp_path: Path) -> None:
    array = noise(40, 50)
    tifffile.imwrite(
        tmp_path / "a.tif", np.dstack([array, np.full_like(array, 255)]), photometric="minisblack"
    )
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), array)


def test_four_planes_written_by_python_are_refused(tmp_path: Path) -> None:
    """They call themselves colours with transparency."""
    tifffile.imwrite(tmp_path / "a.tif", noise(4, 40, 50))
    with pytest.raises(ImageError, match="4 channels"):
        read_raw(tmp_path / "a.tif")


def in_colours(mask: Numbers, colours: list[list[int]]) -> Content:
    """A mask whose numbers 0, 1, ... have these colours, in a palette that its program has sorted anew."""
    rgb = np.array(colours, np.uint8)[mask]
    return Image.fromarray(rgb).quantize(len(colours))


def test_a_palette_that_gives_a_class_another_number_is_refused(tmp_path: Path) -> None:
    """The masks of most go on; and both readings of the odd one can be had."""
    usual = BLACK + RED + GREEN
    other = BLACK + GREEN + RED
    files: list[tuple[str, Content]] = [(".png", palette(mask, usual)) for mask in TWO_CLASSES[:3]]
    exchanged = np.array([0, 2, 1])[TWO_CLASSES[3]]
    files.append((".png", palette(exchanged, other)))  # looks the same
    folders = folder(tmp_path, TWO_CLASSES, files)
    pool = scan(*folders)
    assert (pool.classes, pool.labelled) == (3, ("c0.png", "c1.png", "c2.png"))
    assert "#00ff00" in dict(pool.problems)["c3.png"]
    assert np.array_equal(pool.labels["c0.png"], TWO_CLASSES[0])
    stated = scan(*folders, mask_options=MaskOptions(Meaning.CLASSES))
    assert np.array_equal(stated.labels["c3.png"], exchanged)
    assert scan(*folders, mask_options=MaskOptions(Meaning.OBJECTS)).classes == 2


def test_one_colour_on_black_is_the_foreground_whatever_the_palettes(tmp_path: Path) -> None:
    masks = [np.where(mask > 0, 1, 0) for mask in VARYING]
    files = [
        (".png", palette(mask, BLACK + colour))
        for mask, colour in zip(masks, (RED, GREEN, YELLOW, RED), strict=True)
    ]
    pool = scan(*folder(tmp_path, VARYING, files))
    assert (pool.classes, len(pool.labelled)) == (2, 4)
    assert foreground_agrees(pool, VARYING)


@pytest.mark.parametrize(
    ("second", "said"), [(RED, "in colours:"), (GREEN, "in 2 colours, one in each mask")]
)
def test_masks_of_one_colour_each_are_told_how_many_colours_there_are(
    tmp_path: Path, second: list[int], said: str
) -> None:
    """Red may be one class, and green another."""
    shown = [np.array([BLACK, RED], np.uint8), np.array([BLACK, second], np.uint8)]
    files = [(".png", shown[number % 2][(mask > 0).astype(int)]) for number, mask in enumerate(VARYING)]
    pool = scan(*folder(tmp_path, VARYING, files))
    assert (pool.classes, len(pool.labelled)) == (2, 4)
    assert said in pool.notes[0]
    assert foreground_agrees(pool, VARYING)


def test_a_palette_that_differs_a_little_is_the_same(tmp_path: Path) -> None:
    """As programs that save fewer colours leave it."""
    files = [(".png", palette(mask, BLACK + RED + GREEN)) for mask in TWO_CLASSES[:3]]
    files.append((".png", palette(TWO_CLASSES[3], [1, 0, 2, 250, 4, 0, 0, 255, 6])))
    pool = scan(*folder(tmp_path, TWO_CLASSES, files))
    assert (pool.classes, len(pool.labelled), pool.problems) == (3, 4, ())


@pytest.mark.parametrize("colours", [WHITE + RED + GREEN, WHITE + BLACK + RED])
def test_white_that_comes_first_is_the_background(tmp_path: Path, colours: list[int]) -> None:
    """Of palettes that show more than black and white."""
    pool = scan(*folder(tmp_path, TWO_CLASSES, [(".png", palette(mask, colours)) for mask in TWO_CLASSES]))
    assert (pool.classes, pool.problems) == (3, ())
    assert np.array_equal(pool.labels["c0.png"], TWO_CLASSES[0])


def test_black_and_white_of_sixteen_colours_is_black_and_white(tmp_path: Path) -> None:
    """As drawing programs save it: white is the last of them."""
    sixteen = [*BLACK, *np.random.default_rng(0).integers(1, 255, 42).tolist(), *WHITE]
    files = [(".png", palette(np.where(mask > 0, 15, 0), sixteen)) for mask in VARYING]
    pool = scan(*folder(tmp_path, VARYING, files))
    assert (pool.classes, len(pool.labelled), pool.notes) == (2, 4, ())
    assert foreground_agrees(pool, VARYING)


def test_the_number_of_classes_that_is_stated_holds(tmp_path: Path) -> None:
    """Also of masks of one number each in palettes of their own."""
    masks = [np.where(mask > 0, 1 + number % 2, 0) for number, mask in enumerate(VARYING)]
    files = [
        (".png", palette(mask, [*BLACK, 200 + 15 * number, 0, 0, *GREEN]))
        for number, mask in enumerate(masks)
    ]
    pool = scan(*folder(tmp_path, masks, files), classes=3)
    assert (pool.classes, len(pool.labelled)) == (3, 4)
    assert np.array_equal(pool.labels["c1.png"], masks[1])


def test_masks_of_dense_spots_are_no_photographs(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:96, :96]
    spots = np.where((rows % 4 < 2) & (columns % 4 < 2), rows // 4 * 24 + columns // 4 + 1, 0)
    pool = scan(*folder(tmp_path, [spots], [(".tif", spots.astype(np.uint16))]))
    assert (pool.classes, pool.problems) == (2, ())


def test_black_is_the_background_wherever_it_stands_in_a_palette(tmp_path: Path) -> None:
    masks = [np.where(mask > 0, 1, 0) for mask in VARYING]
    for name, colours in {"sorted": [BLACK, YELLOW], "by hand": [YELLOW, BLACK]}.items():
        files = [
            (
                ".png",
                in_colours(mask, colours) if name == "sorted" else palette(1 - mask, YELLOW + BLACK),
            )
            for mask in masks
        ]
        pool = scan(*folder(tmp_path / name, VARYING, files))
        assert (pool.classes, len(pool.labelled)) == (2, 4)
        assert foreground_agrees(pool, VARYING)


def test_white_of_a_palette_with_more_colours_is_a_class(tmp_path: Path) -> None:
    """Also in a file that has no other."""
    masks = [*TWO_CLASSES[:3], np.where(TWO_CLASSES[3] == 1, 1, 0)]
    files = [(".png", palette(mask, BLACK + WHITE + RED)) for mask in masks]
    pool = scan(*folder(tmp_path, masks, files))
    assert (pool.classes, pool.problems) == (3, ())
    for number, mask in enumerate(masks):
        assert np.array_equal(pool.labels[f"c{number}.png"], mask)


def test_an_image_among_the_masks_changes_nothing_of_the_others(tmp_path: Path) -> None:
    for name, image in {"8 bits": noise(96, 96), "16 bits": noise(96, 96, top=65536, dtype="uint16")}.items():
        files: list[tuple[str, Content]] = [(".png", mask.astype(np.uint8)) for mask in VARYING[:3]]
        pool = scan(*folder(tmp_path / name, VARYING, [*files, (".tif", image)]))
        assert (pool.classes, pool.labelled) == (2, ("c0.png", "c1.png", "c2.png"))
        assert "threshold" in dict(pool.problems)["c3.tif"]
        assert foreground_agrees(pool, VARYING[:3])


def cut(mask: Numbers) -> Numbers:
    """With a line through the middle, which parts some objects."""
    return np.where(np.arange(len(mask))[:, None] // 2 == len(mask) // 4, 0, mask)


@pytest.mark.parametrize(
    "masks",
    [
        [cut(mask) for mask in VARYING],
        [np.where(mask == 1, number + 1, 0) for number, mask in enumerate(VARYING)],
    ],
    ids=["cut in two", "numbered over the stack, one in each"],
)
def test_numbers_that_may_be_objects_are_asked_about(tmp_path: Path, masks: list[Array]) -> None:
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert any("--mask-numbers objects" in note for note in pool.notes)


def as_tiff(mask: Array, colours: list[int], depth: int = 257) -> bytes:
    """A palette TIFF of a mask, whose colours of 8 bits are stored times `depth`."""
    table = np.zeros((3, 256), np.uint16)
    table[:, : len(colours) // 3] = np.reshape(colours, (-1, 3)).T * depth
    return bytes_of(mask.astype(np.uint8), photometric="palette", colormap=table)


@pytest.mark.parametrize("depth", [1, 256, 257])
def test_the_palette_of_a_tiff_is_looked_at_as_that_of_a_png(tmp_path: Path, depth: int) -> None:
    """Exchanged colours are refused, and white or black is found wherever it stands; some programs write
    colours of 8 bits."""
    exchanged = np.array([0, 2, 1])[TWO_CLASSES[3]]
    files = [(".tif", as_tiff(mask, BLACK + RED + GREEN, depth)) for mask in TWO_CLASSES[:3]]
    files.append((".tif", as_tiff(exchanged, BLACK + GREEN + RED, depth)))
    pool = scan(*folder(tmp_path / "exchanged", TWO_CLASSES, files))
    assert (pool.classes, pool.labelled) == (3, ("c0.png", "c1.png", "c2.png"))
    assert "#00ff00" in dict(pool.problems)["c3.tif"]
    middle = [np.array([1, 0, 2])[mask] for mask in TWO_CLASSES]
    files = [(".tif", as_tiff(mask, RED + BLACK + GREEN, depth)) for mask in middle]
    pool = scan(*folder(tmp_path / "middle", TWO_CLASSES, files))
    assert "found 2 colours" in dict(pool.problems)["c0.tif"]
    for name, first in {"white": WHITE, "yellow": YELLOW}.items():
        files = [(".tif", as_tiff(mask == 0, first + BLACK, depth)) for mask in VARYING]
        pool = scan(*folder(tmp_path / name, VARYING, files))
        assert (pool.classes, len(pool.labelled)) == (2, 4)
        assert foreground_agrees(pool, VARYING)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("order", [1, -1], ids=["gray", "inverted"])
def test_gray_and_inverted_gray_are_no_palettes(tmp_path: Path, suffix: str, order: int) -> None:
    """ImageJ stores what is marked as 255 and shows it black: the number counts, not the display."""
    colours = np.repeat(np.arange(256), 3)[::order].tolist()
    made = as_tiff if suffix == ".tif" else palette
    pool = scan(*folder(tmp_path, VARYING, [(suffix, made((mask > 0) * 255, colours)) for mask in VARYING]))
    assert (pool.classes, len(pool.labelled)) == (2, 4)
    assert foreground_agrees(pool, VARYING)


def test_a_palette_tiff_of_one_bit_is_what_its_colours_say(tmp_path: Path) -> None:
    """As a mask and as an image; made of a gray one with a palette, which calls itself gray until then."""
    mask = VARYING[1] > 0
    table = (320, "H", 6, (65535, 0, 65535, 0, 0, 0), True)  # red of both, green, blue: yellow, black
    data = bytearray(bytes_of(mask, photometric="minisblack", extratags=[table]))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        data[tiff.pages.first.tags["PhotometricInterpretation"].valueoffset] = 3
    save(tmp_path / "a.tif", bytes(data))
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif")[..., 0], np.where(mask, 0, 65535))
    np.testing.assert_array_equal(read_stored(tmp_path / "a.tif").values > 0, ~mask)
