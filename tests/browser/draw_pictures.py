"""The pictures of README and docs, from a demo that runs on this machine:

make demo
.venv/bin/python -m tests.browser.draw_pictures
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from backend.demo import demo, state
from backend.demo.pictures import Pictures
from backend.demo.server import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from tests.browser import pictures
from tests.browser.chromium import Browser, chromium, wait
from tests.browser.labelling_page import IMAGE, REGION, LabellingPage, Mask
from tests.browser.test_recompute_action import open_actions

WIDTH = 900
"""Pixels of the moving picture; its pages are wider, and shrunk."""
PAGE = (1200, 760)
LOADED = "return [...document.images].every(image => image.complete)"
DIALOG = ".lsf-dialog-content"
CAPTION = 44
"""Pixels of the line below it that says what happens."""
STEPS = 8
"""Pictures of a movement of the pointer."""
STEP_MS = 70
MISSED = 3
"""Objects that are painted."""
POINTS = 9
"""Of the line by which each is painted."""
STRAIGHT = 0.2
"""Deviation across an object, as a share of that along it, up to which it has no branches."""
RIGHT = 0.1
"""Share of an image's objects that a mask may miss, for it to be submitted as it is."""
ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (13, 12))
"""The pointer, which a page without a screen does not show."""
Point = tuple[float, float]


@dataclass
class Film:
    """Pictures of a window, each with a pointer and a caption, and how long it stays."""

    browser: Browser
    frames: list[Image.Image] = field(default_factory=list)
    stays: list[int] = field(default_factory=list)
    pointer: Point = (PAGE[0] * 0.6, PAGE[1] * 0.7)
    caption: str = ""

    def show(self, milliseconds: int) -> None:
        """The window as it is now."""
        self._add(pictures.seen(self.browser), milliseconds)

    def move(self, to: Point) -> None:
        """The pointer goes somewhere."""
        window, start = pictures.seen(self.browser), self.pointer
        for step in range(1, STEPS + 1):
            share = step / STEPS
            share = share * share * (3 - 2 * share)
            self.pointer = (
                start[0] + (to[0] - start[0]) * share,
                start[1] + (to[1] - start[1]) * share,
            )
            self._add(window, STEP_MS)

    def click(self, element: WebElement) -> None:
        """The pointer goes to an element and presses it."""
        self.move(middle(element))
        self.show(250)
        element.click()

    def save(self, path: Path) -> None:
        """One GIF of all, in the colours that all have in common."""
        several = self.frames[:: max(1, len(self.frames) // 6)]
        mosaic = Image.new("RGB", (several[0].width, several[0].height * len(several)))
        for place, frame in enumerate(several):
            mosaic.paste(frame, (0, place * frame.height))
        palette = mosaic.quantize(255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=self.stays, loop=0)

    def _add(self, window: Image.Image, milliseconds: int) -> None:
        drawn = window.copy()
        x, y = self.pointer
        outline = [(x + dx * 1.3, y + dy * 1.3) for dx, dy in ARROW]
        ImageDraw.Draw(drawn).polygon(outline, fill="white", outline="black", width=2)
        scale = WIDTH / drawn.width
        drawn = drawn.resize((WIDTH, round(drawn.height * scale)), Image.Resampling.LANCZOS)
        frame = Image.new("RGB", (WIDTH, drawn.height + CAPTION), "#17373a")
        frame.paste(drawn, (0, 0))
        font = ImageFont.load_default(size=20)
        ImageDraw.Draw(frame).text(
            (WIDTH / 2, drawn.height + CAPTION / 2), self.caption, fill="white", anchor="mm", font=font
        )
        if self.frames and frame.tobytes() == self.frames[-1].tobytes():
            self.stays[-1] += milliseconds
        else:
            self.frames.append(frame)
            self.stays.append(milliseconds)


def middle(element: WebElement) -> Point:
    """The middle of an element, in pixels of the window."""
    box = element.rect
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def film_the_loop(film: Film, page: LabellingPage, shown: Pictures) -> None:
    """Open, see the mask, correct it, submit, and the next one; twice."""
    browser = page.browser
    browser.get(f"{page.server.url}/projects/{page.project}/data")
    button = "//button[normalize-space()='Label All Tasks']"
    wait(browser, lambda found: found.find_element(By.XPATH, button), "the button 'Label All Tasks'")
    loaded = "return [...document.images].filter(image => image.naturalWidth > 100).length >= 8"
    wait(browser, lambda found: found.execute_script(loaded), "the images")
    film.caption = "Annotators click Label All Tasks."
    film.show(1400)
    film.click(browser.find_element(By.XPATH, button))
    browser.execute_script("window.shownErrors = new Set()")
    task = page.wait_for_task()
    wait(browser, lambda _: page.regions, "the mask")
    film.caption = "The image to label next opens, with the mask that the model has drawn."
    while True:
        wait(browser, lambda _: page.regions, "the mask")
        film.show(2200)
        lines, right = missed(page, shown, task)
        if not right:
            break
        film.caption = "This one is right: submit it. The model learns from it within seconds."
        task = submit(film, page, task)
        film.caption = "An image of another kind: here the model is wrong."
    film.caption = "Correct it: select the mask ..."
    film.click(browser.find_elements(By.CSS_SELECTOR, REGION)[0])
    film.show(500)
    film.caption = "... and paint what the model has missed."
    film.click(browser.find_element(By.CSS_SELECTOR, "[aria-label='brush-tool']"))
    for line in lines:
        paint(film, browser, line)
    film.show(900)
    film.caption = "Submit. The next masks are drawn by what has been learnt."
    submit(film, page, task)
    wait(browser, lambda _: page.regions, "its mask")
    film.caption = "The next image opens, with its mask."
    film.show(2600)


def submit(film: Film, page: LabellingPage, task: int) -> int:
    """Press Submit; returns the next task."""
    film.click(page.browser.find_element(By.CSS_SELECTOR, "button[aria-label='Submit current annotation']"))
    return page.wait_for_task(wait(page.browser, lambda _: page.task != task and page.task, "the next task"))


def missed(page: LabellingPage, shown: Pictures, task: int) -> tuple[list[list[Point]], bool]:
    """Lines through the largest objects that the mask on show has missed, in pixels of the image, and whether
    it is as good as right."""
    client = LabelStudio(page.server.url, page.server.token)
    data = next(each["data"] for each in client.tasks(page.project, "unlabelled") if each["id"] == task)
    name = next(name for name, path in shown.files.items() if quote(path.name) in str(data["image"]))
    truth = np.asarray(shown.pool.labels[name]) > 0
    drawn: Mask = page.drawn(truth.shape)
    lacking = truth & ~ndimage.binary_dilation(drawn, iterations=2)
    objects, count = ndimage.label(lacking, np.ones((3, 3)))
    sizes = np.bincount(objects.ravel(), minlength=count + 1)[1:]
    largest: npt.NDArray[np.intp] | list[int] = np.argsort(-sizes)[: 4 * MISSED] + 1 if count else []
    lines = (along(objects == number) for number in largest)
    return [line for line in lines if line][:MISSED], lacking.sum() < RIGHT * truth.sum()


def along(marked: Mask) -> list[Point]:
    """A line through a long object, from its one end to the other, in pixels (x, y); empty for one that
    branches."""
    points = np.argwhere(marked)[:, ::-1].astype(float)
    if len(points) < POINTS:
        return []
    _, (length, width), (direction, _) = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    if width > STRAIGHT * length:
        return []
    place = (points - points.mean(axis=0)) @ direction
    bounds = np.linspace(place.min(), place.max() + 1e-6, POINTS + 1)
    pieces = np.digitize(place, bounds)
    means = (points[pieces == piece].mean(axis=0) for piece in np.unique(pieces))
    return [(float(x), float(y)) for x, y in means]


def paint(film: Film, browser: Browser, line: Sequence[Point]) -> None:
    """Move the pointer along a line of the image with the button pressed, and see it drawn."""
    image = browser.find_element(By.CSS_SELECTOR, IMAGE)
    scale = image.rect["width"] / float(browser.execute_script("return arguments[0].naturalWidth", image))
    corner = image.rect["x"], image.rect["y"]
    film.move((corner[0] + line[0][0] * scale, corner[1] + line[0][1] * scale))

    def offset(point: Point) -> tuple[int, int]:
        return (
            round(point[0] * scale - image.rect["width"] / 2),
            round(point[1] * scale - image.rect["height"] / 2),
        )

    ActionChains(browser, duration=20).move_to_element_with_offset(
        image, *offset(line[0])
    ).click_and_hold().perform()
    for point in line[1:]:
        ActionChains(browser, duration=20).move_to_element_with_offset(image, *offset(point)).perform()
        film.pointer = (corner[0] + point[0] * scale, corner[1] + point[1] * scale)
        film.show(110)
    ActionChains(browser).release().perform()
    film.show(200)


def draw_status_page(browser: Browser, address: str, login: tuple[str, str]) -> None:
    """The status page at its top, and further down."""
    browser.begin_anew()
    pages, _, project = address.rpartition("/")
    browser.get(f"{pages.replace('//', f'//{login[0]}:{quote(login[1])}@')}")
    for name, place, height in (
        ("status-page.png", "heading", 1450),
        ("status-page-below.png", "learning", 1500),
    ):
        pictures.enlarge(browser, width=1280, height=height)
        browser.get(f"{pages}/{project}")
        wait(browser, lambda page: page.find_element(By.CSS_SELECTOR, "#next .image img"), "the pictures")
        browser.execute_script(
            "document.documentElement.style.scrollbarWidth = 'none';"
            "document.querySelectorAll('img').forEach(image => image.loading = 'eager')"
        )
        wait(browser, lambda page: page.execute_script(LOADED), "all pictures")
        # The top of the page has no part above it.
        browser.execute_script(
            f"if ('{place}' !== 'heading') document.getElementById('{place}').scrollIntoView()"
        )
        pictures.keep(browser, name)


def draw_recompute_dialog(page: LabellingPage) -> None:
    """The question that "Recompute queries" asks in Label Studio's own menu."""
    page.browser.get(f"{page.server.url}/projects/{page.project}/data")
    open_actions(page.browser).click()
    filled = ".lsf-counter__input"
    wait(
        page.browser,
        lambda found: found.find_element(By.CSS_SELECTOR, filled).get_attribute("value"),
        "its values",
    )
    wait(page.browser, lambda found: found.find_element(By.CSS_SELECTOR, DIALOG).text, "its words")
    pictures.enlarge(page.browser, height=760)
    pictures.keep(page.browser, "recompute-action.png")


def main(
    folder: Annotated[Path, typer.Option("--demo", help="Folder of the running demo.")] = demo.FOLDER,
    only: Annotated[str, typer.Option(help="loop, recompute or status; all if left out.")] = "",
) -> None:
    """Make the pictures anew."""
    known = state.load(folder.resolve())
    shown = demo.read_pictures(demo.Options(folder), folder.resolve() / "label-studio" / "files")
    server = LabelStudioServer(folder.resolve() / "label-studio", known.admin, port=known.label_studio_port)
    server.url = f"http://127.0.0.1:{known.label_studio_port}"  # whose port is taken, by the demo itself
    project = known.projects[shown.source]
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        page = LabellingPage(browser, server, known.admin, project)
        if only in ("", "loop", "recompute"):
            page.sign_in()
        if only in ("", "loop"):
            pictures.enlarge(browser, width=PAGE[0], height=PAGE[1])
            film = Film(browser)
            film_the_loop(film, page, shown)
            film.save(pictures.FOLDER / "loop.gif")
        if only in ("", "recompute"):
            draw_recompute_dialog(page)
        if only in ("", "status"):
            address = f"http://127.0.0.1:{known.backend_port}/projects/{project}"
            draw_status_page(browser, address, ("label-studio", known.backend_password))


if __name__ == "__main__":
    typer.run(main)
