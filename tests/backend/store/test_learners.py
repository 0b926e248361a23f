"""Which of pixel classifier and U-Net draws the masks: the better one on the same held-out images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from backend.store.storage import Storage
from backend.store.version_comparison import compare, describe_choice, find_better
from backend.store.version_history import ROLLBACK
from backend.store.version_record import Learner, VersionRecord
from backend.store.versions import Versions
from tests.backend.store.records import network, record

PIXEL = Learner.PIXEL


def pixels(name: str, dice: dict[str, float], **changes: object) -> VersionRecord:
    return record(name, dice, kind=PIXEL, **changes)


def use(versions: Versions, made: VersionRecord, *, by: str = "training") -> None:
    versions.save(network(), made)
    versions.make_current(made.name, by=by)


def test_the_better_one_takes_over() -> None:
    """However little better it is; a version of the same kind need only not be clearly worse."""
    current = pixels("v1", {"1": 0.8, "2": 0.7, "3": 0.6})
    for change, taken in ((0.01, True), (-0.01, False), (0.0, False)):
        rival = record("v2", {task: dice + change for task, dice in current.held_out.items()})
        assert compare(rival, current)[0] is taken
        assert compare(dataclasses.replace(rival, kind=PIXEL), current)[0]
    taken, reason = compare(record("v2", {"1": 0.9, "2": 0.8, "3": 0.7}), current)
    assert taken
    assert ".80 against .70" in reason


def test_only_images_that_both_were_measured_on_count() -> None:
    """The pixel classifier knows a label more by the time that the U-Net is trained."""
    current = pixels("v2", {"1": 0.8, "2": 0.8, "3": 0.1})
    assert not compare(record("v1", {"1": 0.7, "2": 0.7}), current)[0]
    assert compare(record("v1", {"1": 0.9, "2": 0.9}), current)[0]


def test_unmeasured_takes_over_only_with_more_labels() -> None:
    """One label cannot be held out; what draws already goes on."""
    one = pixels("v1", {}, tasks={"1": "a"})
    unet = record("v2", {}, tasks={"1": "a"})
    assert not compare(unet, one)[0]
    assert compare(record("v3", {}, tasks={"1": "a", "2": "b"}), one)[0]
    assert compare(unet, one, measured=False)[0]  # folds 0: every version is put in use


def test_another_configuration_is_followed_at_once() -> None:
    """A label that came into it is known by the newer one alone."""
    current = record("v1", {"1": 0.9})
    assert compare(pixels("v2", {"1": 0.2}, labels=("Axon", "Cell")), current)[0]


def test_a_worse_successor_gives_way_to_the_other_kind(versions: Versions) -> None:
    """Not clearly worse than the one before it, and yet below the U-Net's."""
    use(versions, record("v1", {"1": 0.75, "2": 0.75}))
    use(versions, pixels("v2", {"1": 0.76, "2": 0.76}))
    worse = pixels("v3", {"1": 0.74, "2": 0.74})
    assert compare(worse, versions.current_record())[0]
    better = find_better(worse, versions)
    assert better is not None
    assert better.name == "v1"
    assert find_better(pixels("v3", {"1": 0.76, "2": 0.76}), versions) is None


def test_the_choice_is_told_in_a_sentence(versions: Versions) -> None:
    """For the status, the page and the doctor."""
    assert describe_choice(versions) == ""
    use(versions, pixels("v1", {"1": 0.8, "2": 0.82}))
    assert "no U-Net" in describe_choice(versions)
    versions.save(network(), record("v2", {"1": 0.7, "2": 0.78}))
    assert describe_choice(versions) == (
        "The pixel classifier draws the masks: .81 against .74 of the U-Net on the same 2 images."
    )
    versions.make_current("v2", by=ROLLBACK, who="Ada")
    assert describe_choice(versions) == "The U-Net draws the masks: Ada chose v2."


def test_a_project_of_u_nets_alone_hears_nothing_of_it(versions: Versions) -> None:
    """Without live updates everything reads as before."""
    use(versions, record("v1", {"1": 0.8}))
    assert describe_choice(versions) == ""


def test_records_of_before_are_those_of_u_nets() -> None:
    """They do not say what they are."""
    content = record("v1").to_dict()
    del content["kind"]
    assert VersionRecord.from_dict(content).kind is Learner.UNET
    assert VersionRecord.from_dict(pixels("v1", {}).to_dict()).kind is PIXEL


def test_both_kinds_may_wait_for_the_storage_at_once(tmp_path: Path) -> None:
    """A training of minutes that could not be given away is not lost by the next label."""
    versions = Versions(Storage(tmp_path), 7)
    unet, pixel = record("v1", {"1": 0.5}), pixels("v1", {"1": 0.5})
    versions.set_aside(network(), unet)
    versions.set_aside(network(), pixel)
    found = versions.unfinished(unet)
    assert found is not None
    assert found[1].kind is Learner.UNET
