"""First labels that are unlike the pool: all from one group of index.json."""

import codecs
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model.errors import BudgetError, PoolError, ProtocolError
from model.experiment.evaluation.report import report
from model.experiment.groups import group_of, read_groups
from model.experiment.protocol import MUST_AGREE, Protocol
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL
from tests.model.experiment.small_runs import make, protocol_of


@pytest.fixture
def grouped(data: Path, tmp_path: Path) -> Path:
    """The fourteen images in two groups, a and b by turns; four of each in the pool."""
    folder = tmp_path / "grouped"
    shutil.copytree(data, folder)
    write(folder, [{"file": f"{i:02}.png", "group": "ab"[i % 2], "h": 48} for i in range(14)])
    return folder


def write(folder: Path, content: object) -> None:
    (folder / "index.json").write_text(json.dumps(content))


def from_one_group(data: Path, **changes: object) -> Protocol:
    return protocol_of(data, **{"initial_from": "one-group", "experiments": 4} | changes)


def test_each_experiment_starts_in_one_group_of_its_pool_the_next_in_another(grouped: Path) -> None:
    protocol = from_one_group(grouped)
    sets = [protocol.initial_set(e) for e in range(4)]
    assert ["".join(sorted({"ab"[int(name[:2]) % 2] for name in each})) for each in sets] == list("abab")
    assert all(len(each) == 2 and {*each} <= {*protocol.split_of(0).pool} for each in sets)
    assert sets[0] != sets[2]
    assert protocol.to_dict()["groups"] == {"a": 4, "b": 4}


@pytest.mark.parametrize(("groups", "folds"), [(2, 2), (6, 3), (4, 6), (3, 2), (5, 1)])
def test_each_fold_meets_each_group(groups: int, folds: int) -> None:
    """Else a group would always be tested on the same images."""
    names = [f"g{i}" for i in range(groups)]
    met = [(group_of(e, names, folds), e % folds) for e in range(groups * folds)]
    assert len(set(met)) == groups * folds
    assert [group_of(e, names, folds) for e in range(groups)][: min(groups, 2)] == names[:2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: (data / "index.json").unlink(), r"found no .*index.json, expected a JSON list of \{"),
        (lambda data: (data / "index.json").write_text("[{"), r"index.json cannot be read \("),
        (lambda data: write(data, {"file": "a"}), r"index.json cannot be read \(.*valid array"),
        (
            lambda data: write(data, [{"file": "x", "group": "a"}, {"file": "x", "group": "b"}]),
            "has x in two groups, a and b; expected one",
        ),
        (
            lambda data: write(data, [{"file": "00.png"}]),
            "tells no group of 8 of 8 images, the first is 00.png",
        ),
        (
            lambda data: write(data, [{"file": f"{i:02}.png", "group": "a"} for i in range(7)]),
            "tells no group of 1 of 8 images, the first is 07.png",
        ),
        (
            lambda data: write(data, [{"file": f"{i:02}.png", "group": 3} for i in range(14)]),
            "all images in one group, 3; expected two or more",
        ),
        (
            lambda data: write(data, [{"file": f"{i:02}.png", "group": i // 7} for i in range(14)]),
            "Group 1 of .*index.json: found 1 images to choose from, expected at least the 2 that",
        ),
    ],
)
def test_groups_that_do_not_serve_are_refused(
    grouped: Path, change: Callable[[Path], object], message: str
) -> None:
    """Before any work: what was found and what was expected."""
    change(grouped)
    with pytest.raises(PoolError, match=message):
        from_one_group(grouped).to_dict()
    assert "groups" not in protocol_of(grouped).to_dict()  # who starts from the pool needs no groups


def test_names_are_compared_as_people_read_them(tmp_path: Path) -> None:
    """An umlaut of one character, and of two; a group that is a number."""
    write(tmp_path, [{"file": "zelle\u0308.png", "group": 1}, {"file": "x.png", "group": 2}])
    assert read_groups(tmp_path, {"zell\u00eb.png", "x.png"}) == {"1": ("zell\u00eb.png",), "2": ("x.png",)}


def test_a_file_of_notepad_is_read(tmp_path: Path) -> None:
    """Which puts a mark before the first character."""
    write(tmp_path, [{"file": "x.png", "group": "a"}, {"file": "y.png", "group": "b"}])
    path = tmp_path / "index.json"
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert read_groups(tmp_path, {"x.png", "y.png"}) == {"a": ("x.png",), "b": ("y.png",)}


def test_another_start_is_another_experiment(grouped: Path, tmp_path: Path) -> None:
    """Yesterday's results tell no start: they began in the whole pool, and go on there alone."""
    protocol, path = protocol_of(grouped), tmp_path / "results.json"
    Results(protocol.to_dict()).save(path)
    assert "initial_from" not in protocol.to_dict()
    Results.resume(path, protocol.to_dict(), MUST_AGREE)
    with pytest.raises(ProtocolError) as caught:
        Results.resume(path, from_one_group(grouped).to_dict(), MUST_AGREE)
    assert caught.value.different["initial_from"] == (None, "one-group")
    with pytest.raises(BudgetError, match="'two', expected pool or one-group"):
        from_one_group(grouped, initial_from="two")


def test_the_report_tells_the_groups() -> None:
    text = report(
        Results({"initial_from": "one-group", "groups": {"a": 4, "b": 4}}, [make(0, INITIAL, 3, 0.5)])
    )
    assert "unlike the pool" in text
    assert "in turn a, b." in text
    assert "unlike the pool" not in report(Results({}, [make(0, INITIAL, 3, 0.5)]))
