"""Versions of a model, and when a new one takes the place of the current one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import FenceLostError, StorageError, VersionError
from backend.store.storage import Storage
from backend.store.version_comparison import FEWER, assign_folds, compare, decide
from backend.store.version_history import KEPT, ROLLBACK, TRAINING, Use
from backend.store.version_record import Learner, VersionRecord
from backend.store.versions import RECENT, Versions, now
from tests.backend.store.records import network, record


def test_a_version_appears_whole_and_the_pointer_moves_last(tmp_path: Path) -> None:
    """Saved is not published; a job that lost its fence moves nothing."""
    versions = Versions(Storage(tmp_path), 7)
    assert (versions.current(), versions.next_name(), versions.names()) == (None, "v1", [])
    versions.save(network(), record("v1"))
    assert (versions.current(), versions.names(), versions.next_name()) == (None, ["v1"], "v2")

    def lost() -> None:
        raise FenceLostError("lost")

    with pytest.raises(FenceLostError):
        versions.make_current("v1", by="test", confirm=lost)
    assert versions.current() is None
    versions.make_current("v1", by="test")
    assert versions.current() == "v1"
    assert versions.load("v1").classes == 2
    found = versions.of_job("job-v1")
    assert found is not None
    assert found.name == "v1"
    assert versions.of_job("another") is None


def test_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """v10 comes after v9; what is half-written or strange is not seen."""
    versions = Versions(Storage(tmp_path), 7)
    for number in (9, 10):
        versions.save(network(), record(f"v{number}"))
    for name in (".v11-x", "value", "v"):
        (tmp_path / "projects/7/versions" / name).mkdir()
    assert versions.names() == ["v9", "v10"]
    assert versions.next_name() == "v11"


def test_an_old_damaged_version_stops_nothing(versions: Versions) -> None:
    """Each training asks for its own version and the newest of its kind;
    what was damaged years ago, or is half-written, is told by the list of versions only."""
    saved(versions, *(record(f"v{number}") for number in range(1, 6)))
    for number in (2, 4, 5):
        versions.storage.path(f"projects/7/versions/v{number}/model.json").write_text("{")
    versions.storage.path("projects/7/versions/v6").mkdir()
    for found in (versions.newest_record(Learner.UNET), versions.of_job("job-v3")):
        assert found is not None
        assert found.name == "v3"
    assert versions.newest_record(Learner.PIXEL) is versions.of_job("job-v5") is None
    with pytest.raises(VersionError, match="damaged"):
        versions.record("v2")


def test_a_training_reads_only_the_newest_versions(tmp_path: Path) -> None:
    """A live turn after each label makes thousands: what one costs must not grow with all before it."""
    content = {"record": record("v1", kind=Learner.PIXEL).to_dict()}
    for number in range(1, 2 * RECENT):
        Storage(tmp_path).write_json(f"projects/7/versions/v{number}/model.json", content)
    other = Versions(Storage(tmp_path / "machine", f"file://{tmp_path}"), 7)
    assert other.of_job("job-of-a-first-run") is None
    assert other.newest_record(Learner.PIXEL) is not None
    fetched = list((tmp_path / "machine").rglob("model.json"))
    assert len(fetched) == RECENT


def test_a_version_that_is_not_there(tmp_path: Path) -> None:
    """The message names those that are."""
    versions = Versions(Storage(tmp_path), 7)
    versions.save(network(), record("v1"))
    for call in (versions.load, versions.record, lambda name: versions.make_current(name, by="test")):
        with pytest.raises(VersionError, match="'v9'; there are: v1"):
            call("v9")
    versions.make_current("v1", by="test")
    with pytest.raises(VersionError, match="in use"):
        versions.remove("v1")


def test_another_machine_finds_them(tmp_path: Path) -> None:
    """Through the shared storage alone."""
    url = f"file://{tmp_path}/shared"
    one, two = (Versions(Storage(tmp_path / machine, url), 7) for machine in "ab")
    one.save(network(), record("v1"))
    one.make_current("v1", by="test")
    assert two.current() == "v1"
    assert two.load("v1").record["name"] == "v1"
    one.save(network(), record("v2"))
    one.make_current("v2", by="test")
    assert two.current() == "v2"


def test_a_training_outlives_a_storage_that_is_away(tmp_path: Path) -> None:
    """Kept on its machine, it is saved by a later job that would train the same;
    a name that had a part of a version is not used again."""
    shared = tmp_path / "shared"
    one, two = (Versions(Storage(tmp_path / machine, f"file://{shared}"), 7) for machine in "ab")
    made = record("v1", {"1": 0.5}, folds={"1": 0})
    shared.write_text("in the way")
    with pytest.raises(StorageError, match="Shared storage"):
        one.save(network(), made)
    shared.unlink()
    assert one.names() == two.names() == []
    assert one.unfinished(record("v1", {"1": 0.5}, folds={"1": 0}, tasks={"1": "another label"})) is None
    assert two.unfinished(made) is None
    two.storage.path("projects/7/versions/v1").mkdir(parents=True)
    two.storage.path("projects/7/versions/v1/weights.safetensors").write_bytes(b"half")
    two.storage.put("projects/7/versions/v1")

    assert one.next_name() == "v2"
    wanted = record("v2", {"1": 0.5}, folds={"1": 0}, job="another job", held_out={})
    found = one.unfinished(wanted)
    assert found is not None
    one.save(*found)
    assert one.names() == two.names() == ["v2"]
    assert (two.record("v2").job, two.record("v2").held_out, two.load("v2").record["name"]) == (
        "another job",
        {"1": 0.5},
        "v2",
    )
    assert one.unfinished(wanted) is None


@given(
    st.integers(0, 40),
    st.integers(0, 6),
    st.dictionaries(st.integers(0, 60).map(str), st.integers(0, 5), max_size=40),
)
def test_folds_hold_every_task_once_and_none_is_empty(
    count: int, folds: int, previous: dict[str, int]
) -> None:
    """Whatever the folds were before."""
    tasks = [str(number) for number in range(count)]
    found = assign_folds(tasks, folds, previous)
    if min(folds, count) < 2:
        assert found == {}
    else:
        assert list(found) == tasks
        assert set(found.values()) == set(range(min(folds, count)))


def test_tasks_stay_in_their_fold() -> None:
    """Otherwise two versions would not be measured on the same networks' blind spots."""
    before = assign_folds([str(number) for number in range(9)], 3, {})
    after = assign_folds([str(number) for number in range(-3, 12)], 3, before)
    assert all(after[task] == fold for task, fold in before.items())
    assert np.bincount(list(after.values())).tolist() == [5, 5, 5]


def test_the_first_version_is_published() -> None:
    """There is nothing to compare with."""
    assert compare(record("v1"), None) == (True, "the first version")


@pytest.mark.parametrize(
    ("before", "after", "published"),
    [
        ([0.8, 0.8, 0.8], [0.9, 0.8, 0.8], True),
        ([0.8, 0.8, 0.8], [0.76, 0.76, 0.76], True),  # lower, but within the tolerance
        ([0.8, 0.8, 0.8], [0.7, 0.7, 0.7], False),
        (
            [0.8, 0.8, 0.8],
            [1.0, 1.0, 0.1],
            True,
        ),  # a mean drop of 0.1, but the tasks disagree: it may be chance
        ([0.8], [0.7], False),
    ],
)
def test_clearly_worse(before: list[float], after: list[float], published: bool) -> None:
    """Lower by more than max(0.05, the standard error of the differences) on the tasks that both know."""
    old = record("v1", {str(task): value for task, value in enumerate(before)})
    new = record(
        "v2", {str(task): value for task, value in enumerate(after)} | {"99": 0.0}
    )  # a hard new task does not count
    assert compare(new, old)[0] is published


def test_only_the_same_labels_are_compared() -> None:
    """A task that was drawn anew, or another configuration, tells nothing about which network is better."""
    old = record("v1", {"1": 0.9})
    assert compare(record("v2", {"1": 0.1}, tasks={"1": "drawn anew"}), old)[0]
    assert "the labels have changed" in compare(record("v2", {"1": 0.1}, labels=("Axon", "Soma")), old)[1]
    assert not compare(record("v2", {"1": 0.1}), old)[0]


def test_labels_that_tell_nothing_do_not_decide() -> None:
    """A model of empty labels meets them exactly;
    no real one after it is clearly worse, whether its record says so or is an early one."""
    idle = {"1": 1.0, "2": 1.0, "3": 1.0}
    early = record("v1", idle)
    later = record("v1", idle, present={task: [0] for task in idle}, undecisive=tuple(idle))
    present = {task: [0] for task in idle} | {"4": [0, 1], "5": [0, 1]}
    new = record(
        "v2", {"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.7, "5": 0.7}, present=present, undecisive=tuple(idle)
    )
    alone = record("v2", {}, tasks={"4": "digest"}, present={"4": [0, 1]})
    for before in (early, later):
        published, reason = compare(new, before)
        assert published
        assert "in common with v1" in reason
        assert compare(alone, before)[
            0
        ]  # the empty ones were deleted: three labels that tell nothing are no more than one that does
    kept = record("v3", {"1": 1.0, "4": 0.2, "5": 0.2}, present=present, undecisive=("1",))
    assert not compare(kept, new)[0]  # the others decide as ever


def test_a_class_that_one_of_them_has_never_seen_does_not_decide() -> None:
    """Who has never seen a label of a class does well wherever it is not, and would keep the place for
    ever."""
    before = record("v1", {"1": 0.9, "2": 0.9}, labels=("Axon", "Myelin"), present={"1": [0, 1], "2": [0, 1]})
    seen = {"1": [0, 1], "2": [0, 1], "3": [0, 1, 2]}
    new = record("v2", {"1": 0.45, "2": 0.45, "3": 0.6}, labels=("Axon", "Myelin"), present=seen)
    for old in (before, dataclasses.replace(before, present={})):
        published, reason = compare(new, old)
        assert published
        assert "of Myelin" in reason
    assert not compare(dataclasses.replace(new, name="v3", held_out={"1": 0.2, "2": 0.2, "3": 0.2}), new)[0]


def test_fewer_labels_do_not_take_over_without_a_word() -> None:
    """Where nothing can be compared, as after a label was renamed; from as many labels on they do.
    Without folds people are told."""
    before = record("v1", {"1": 0.8, "2": 0.8, "3": 0.8, "4": 0.8})
    alone = record("v2", {}, labels=("Neurite",), tasks={"5": "e"})
    published, reason = compare(alone, before)
    assert not published
    for part in ("1 in place of 4", "from Axon to Neurite", "v1 stays in use", "4 labels", "roll back to v2"):
        assert part in reason
    published, reason = compare(alone, before, measured=False)
    assert published
    assert reason.startswith(FEWER)
    as_many = record("v5", {}, labels=("Neurite",), tasks={str(task): "e" for task in range(5, 9)})
    assert compare(as_many, before)[0]


def saved(versions: Versions, *records: VersionRecord) -> None:
    """Keep versions whose networks do not matter."""
    for each in records:
        versions.save(network(), each)


def test_it_is_remembered_what_was_in_use(tmp_path: Path) -> None:
    """Who put which version in use, why, and in whose place; doing it twice changes nothing;
    a file of an earlier edition is read."""
    storage = Storage(tmp_path)
    versions = Versions(storage, 7)
    saved(versions, record("v1"), record("v2"))
    storage.write_json(
        "projects/7/current.json", {"version": "v1", "by": "training", "time": "2026-01-01T00:00:00+00:00"}
    )
    assert versions.current() == "v1"
    versions.make_current("v2", by=TRAINING, reason="better")
    versions.make_current("v1", by=ROLLBACK, who="ada", reason="not better")
    versions.make_current("v1", by=ROLLBACK, who="ada", reason="not better")
    uses = versions.uses.all()
    assert [(use.version, use.by, use.before) for use in uses] == [
        ("v1", TRAINING, None),
        ("v2", TRAINING, "v1"),
        ("v1", ROLLBACK, "v2"),
    ]
    assert (uses[2].who, uses[2].reason) == ("ada", "not better")


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    """The newest stay, and the first, against which it is told how far the model has come."""
    versions = Versions(Storage(tmp_path), 7)
    earlier = [Use(f"v{number}", now(), TRAINING).to_dict() for number in range(KEPT - 1)]
    versions.storage.write_json(
        "projects/7/current.json", Use(f"v{KEPT - 1}", now(), TRAINING).to_dict() | {"earlier": earlier}
    )
    for number in range(KEPT, KEPT + 5):
        versions.uses.add(Use(f"v{number}", now(), TRAINING))
    kept = [use.version for use in versions.uses.all()]
    assert (len(kept), kept[0], kept[-1]) == (KEPT, "v0", f"v{KEPT + 4}")


def test_a_training_without_new_labels_does_not_undo_a_rollback(tmp_path: Path) -> None:
    """It would come out as the version that was passed over; new labels or settings count as ever."""
    versions = Versions(Storage(tmp_path), 7)
    saved(versions, record("v1", {"1": 0.8}), record("v2", {"1": 0.8, "2": 0.8}))
    versions.make_current("v1", by=TRAINING)
    versions.make_current("v2", by=TRAINING)
    again = record("v3", {"1": 0.8, "2": 0.8})
    assert decide(again, versions)[0]  # nobody has rolled back
    versions.make_current("v1", by=ROLLBACK)
    published, reason = decide(again, versions)
    assert not published
    assert "same labels as v2" in reason
    assert "v1 stays in use" in reason
    saved(versions, again)
    assert not decide(record("v4", {"1": 0.8, "2": 0.8}), versions)[0]
    assert decide(record("v4", {"1": 0.8, "2": 0.8, "3": 0.8}), versions)[0]
    assert decide(record("v4", {"1": 0.8, "2": 0.8}, recipe={"width": 4}), versions)[0]
    assert not decide(record("v4", {"1": 0.5, "2": 0.8, "3": 0.8}), versions)[
        0
    ]  # clearly worse than v1, which is in use
    versions.make_current("v3", by=ROLLBACK)
    assert decide(record("v4", {"1": 0.8, "2": 0.8}), versions)[0]  # nothing was passed over


def test_a_rollback_holds_until_a_version_is_not_worse(tmp_path: Path) -> None:
    """Not only until the next label: that one learns from the label that spoilt the model, too."""
    versions = Versions(Storage(tmp_path), 7)
    saved(versions, record("v1", {"1": 0.8, "2": 0.8, "3": 0.8}), record("v2", {"1": 0.7}))
    versions.make_current("v1", by=TRAINING)
    lower = record("v3", {"1": 0.77, "2": 0.77, "3": 0.77, "4": 0.5})
    assert decide(lower, versions)[0]  # within the tolerance
    versions.make_current("v2", by=TRAINING)
    versions.make_current("v1", by=ROLLBACK, who="ada")
    published, reason = decide(lower, versions)
    assert not published
    assert "v1, which a person chose, stays in use" in reason
    assert decide(record("v3", {"1": 0.795, "2": 0.795, "3": 0.795}), versions)[0]
    assert decide(record("v3", {"1": 0.9, "2": 0.9, "3": 0.5}), versions)[0]  # by chance, as far as is known
