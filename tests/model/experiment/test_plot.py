"""The budget curve as a picture: whole, readable and without state left behind."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from model.errors import ResultsError
from model.experiment.evaluation.plot import curve_figure, draw_curve, whole_pool_score
from model.experiment.evaluation.style import SPARE_STYLES, STYLES
from model.experiment.record.run import INITIAL, WHOLE, Run
from model.strategies import strategy_names
from tests.model.experiment.small_runs import make


def curve(names: tuple[str, ...] = ("s",), experiments: int = 2, draws: int = 3) -> list[Run]:
    rng = np.random.default_rng(0)
    runs = []
    for e in range(experiments):
        runs.append(make(e, INITIAL, 3, 0.6 + 0.02 * rng.random()))
        for name in (*names, "random"):
            for d in range(draws if name == "random" else 1):
                runs += [make(e, name, size, 0.6 + size / 60 + 0.02 * rng.random(), d) for size in (5, 7, 12)]
                runs.append(make(e, name, 16, 0.87, d, chosen="pool"))
    return runs


def test_the_picture_is_a_png_of_readme_width(tmp_path: Path) -> None:
    """curve.png is 1200 pixels wide and nothing else lies beside it."""
    path = tmp_path / "out" / "curve.png"
    draw_curve(curve(), path, "Axons")
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    assert width == 1200
    assert 750 < height < 1000  # the labels saved by one strategy stand above the curve
    assert list(path.parent.iterdir()) == [path]


def test_the_same_runs_give_the_same_picture(tmp_path: Path) -> None:
    """A picture depends on its runs only."""
    draw_curve(curve(), tmp_path / "a.png", "a folder called $1_$2")
    draw_curve(curve(), tmp_path / "b.png", "a folder called $1_$2")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_each_strategy_has_its_colour_in_the_picture(tmp_path: Path) -> None:
    """The paper's three have the colours of its figure 1, whatever else is drawn."""
    draw_curve(curve(("ensemble", "task_dependent", "a")), tmp_path / "curve.png")
    pixels = np.round(imread(tmp_path / "curve.png")[..., :3] * 255).astype(int)
    for colour in ("#0072B2", "#000000", "#D55E00"):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.all(pixels == wanted, axis=-1).sum() > 100, colour


def test_styles_differ_in_colour_marker_and_dash() -> None:
    """Any one of the three tells the strategies apart, so print and colour-blind readers can follow."""
    styles = (*STYLES.values(), *SPARE_STYLES)
    assert (
        len({s.colour for s in styles})
        == len({s.marker for s in styles})
        == len({s.dash for s in styles})
        == len(styles)
    )


def test_every_strategy_has_a_style_of_its_own() -> None:
    assert set(STYLES) == set(strategy_names())


def test_each_strategy_is_drawn_in_its_style_and_the_legend_hides_no_mark() -> None:
    figure = curve_figure(curve(strategy_names(), 3, 8), "Axons", sizes=(5, 7, 12, 16))
    figure.draw_without_rendering()
    axes, legend = figure.axes[0], figure.legends[0]
    drawn = {
        str(line.get_label()).split(" (")[0]: (line.get_color(), line.get_marker()) for line in axes.lines
    }
    for name, style in STYLES.items():
        assert drawn[name] == (style.colour, style.marker)
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    assert figure.bbox.x0 <= legend.get_window_extent().x0
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_the_labels_saved_lead_the_picture() -> None:
    """A sentence, then a panel for each size but random's last; the best strategy on top, with its figure."""
    runs = []
    for e in range(5):
        runs.append(make(e, INITIAL, 3, 0.5))
        for name, scores in (("random", (0.6, 0.7, 0.8)), ("a", (0.55, 0.7, 0.8)), ("b", (0.65, 0.9, 0.9))):
            runs += [make(e, name, size, score) for size, score in zip((5, 9, 13), scores, strict=True)]
    figure = curve_figure(runs)
    gain, saved = figure.get_suptitle().split("\n")
    assert "b has 0.050 more dice" in gain
    assert "about 7 " in saved
    five, nine = figure.axes[1:]
    assert [label.get_text() for label in five.get_yticklabels()] == ["b", "a"]
    assert [text.get_text() for text in five.texts] == ["6.7", "3.9"]
    assert [text.get_text() for text in nine.texts] == ["> 13", "9.0"]


def test_no_strategy_is_praised_without_a_win() -> None:
    """Neither with too few experiments, nor without a difference."""
    assert curve_figure(curve()).get_suptitle().startswith("Too few")
    assert curve_figure(curve(experiments=8)).get_suptitle().startswith("No strategy")


def test_unfinished_results_are_drawn(tmp_path: Path) -> None:
    """The initial sets alone, one arm alone, or more strategies than styles give a picture, too."""
    runs = curve()
    for name, part in (
        ("initial", [r for r in runs if r.strategy == INITIAL]),
        ("one", [r for r in runs if r.strategy == "s" and r.size == 5]),
        ("many", curve(tuple(f"s{i}" for i in range(9)), 1, 1)),
    ):
        draw_curve(part, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").exists()


def test_no_runs_are_an_error(tmp_path: Path) -> None:
    """An empty picture is never written."""
    with pytest.raises(ResultsError, match="run the experiment first"):
        draw_curve([], tmp_path / "curve.png")
    assert not list(tmp_path.iterdir())


def test_the_whole_pool_is_found_where_all_arms_hold_the_same_images() -> None:
    """The reference is the largest size if every arm has the same set there, or a run of its own."""
    runs = curve()
    assert whole_pool_score(runs) == (16, pytest.approx(0.87))
    rest = [r for r in runs if r.size < 16]
    assert whole_pool_score(rest) is None
    assert whole_pool_score([*rest, make(0, WHOLE, 16, 0.9)]) == (16, pytest.approx(0.9))
    assert whole_pool_score([]) is None


def test_a_shared_whole_pool_ends_the_lines_only_where_planned(tmp_path: Path) -> None:
    """A whole pool far beyond the last size is a dotted line and does not stretch the picture."""
    runs = [r for r in curve() if r.size < 16] + [make(e, WHOLE, 60, 0.9) for e in range(2)]
    draw_curve(runs, tmp_path / "reference.png", sizes=(5, 7, 12))
    draw_curve(runs, tmp_path / "default.png")
    draw_curve(runs, tmp_path / "planned.png", sizes=(5, 7, 12, 60))
    reference, default, planned = (
        (tmp_path / f"{name}.png").read_bytes() for name in ("reference", "default", "planned")
    )
    assert reference == default != planned


def test_pyplot_is_not_loaded() -> None:
    """Drawing in a server thread needs no global state of matplotlib."""
    code = "import sys, model.experiment.evaluation.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
