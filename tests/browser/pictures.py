"""What a window shows, for tests and for the pictures of the docs."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from tests.browser.chromium import WINDOW, Browser

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE = (1400, 1000)
"""Of the page in pixels, for pictures that a README can show."""


def seen(browser: Browser) -> Image.Image:
    """What the window shows now, RGB."""
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def enlarge(browser: Browser, *, width: int = SIZE[0], height: int = SIZE[1]) -> None:
    """Give the page itself that size, for a picture."""
    inner = browser.execute_script("return [window.innerWidth, window.innerHeight]")
    outer = browser.get_window_size()
    browser.set_window_size(width + outer["width"] - inner[0], height + outer["height"] - inner[1])


def keep(browser: Browser, name: str, *, rows: tuple[int, int] | None = None) -> None:
    """Keep a picture of the window as docs/images/`name`, and give the window its usual size back;
    256 colours are enough and small.

    `rows`: only what is between these two heights, in pixels.
    """
    FOLDER.mkdir(exist_ok=True)
    shown = seen(browser)
    top, bottom = rows or (0, shown.height)
    shown = shown.crop((0, top, shown.width, bottom))
    shown.quantize(256, Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE).save(
        FOLDER / name, optimize=True
    )
    browser.set_window_size(*WINDOW)
