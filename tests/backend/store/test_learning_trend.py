"""Whether the model is getting better, told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.store.learning_trend import Trend, judge_trend
from backend.store.version_history import ROLLBACK
from backend.store.versions import Versions
from tests.backend.store.records import network, record

IMAGES = [str(number) for number in range(10)]


def use(versions: Versions, name: str, dice: float | None, *, spread: float = 0.0, **changes: object) -> None:
    """A version in use whose held-out dice is `dice` on the mean of ten images."""
    held_out = (
        {} if dice is None else {task: dice + (spread if int(task) % 2 else -spread) for task in IMAGES}
    )
    versions.save(network(), record(name, held_out, **changes))
    versions.make_current(name, by="training")


def test_two_that_are_worse_are_told_with_the_way_back(versions: Versions) -> None:
    """.852, .820 and .808 were once each taken into use without a word."""
    use(versions, "v1", 0.7)
    use(versions, "v4", 0.852)
    use(versions, "v5", 0.82)
    once = judge_trend(versions)
    assert once is not None
    assert (once.trend, once.back_to) == (Trend.WORSE, "v4")
    use(versions, "v6", 0.808)
    twice = judge_trend(versions)
    assert twice is not None
    assert (twice.trend, twice.back_to) == (Trend.FALLING, "v4")
    assert "v6 is worse than v4" in twice.text
    assert "(.81 against .85)" in twice.text


@pytest.mark.parametrize(
    ("before", "after", "spread", "trend"),
    [
        (0.7, 0.75, 0.0, Trend.BETTER),
        (0.7, 0.705, 0.0, Trend.LEVEL),
        (0.7, 0.695, 0.0, Trend.LEVEL),
        (0.7, 0.68, 0.0, Trend.WORSE),
        (0.7, 0.68, 0.2, Trend.LEVEL),  # the images differ by more than the versions
    ],
)
def test_two_versions(versions: Versions, before: float, after: float, spread: float, trend: Trend) -> None:
    use(versions, "v1", before)
    use(versions, "v2", after, spread=spread)
    found = judge_trend(versions)
    assert found is not None
    assert found.trend == trend
    assert "v1" in found.text


def test_better_is_said_against_where_it_began(versions: Versions) -> None:
    for name, dice in (("v1", 0.6), ("v2", 0.7), ("v3", 0.71)):
        use(versions, name, dice)
    found = judge_trend(versions)
    assert found is not None
    assert (found.trend, found.text) == (
        Trend.BETTER,
        "v3 is better than v1 on the same 10 images: .71 against .60.",
    )


def test_where_it_began_stays_the_same_however_many_come(versions: Versions) -> None:
    """The first version that it was told against slid along, a label at a time."""
    for number in range(1, 18):
        use(versions, f"v{number}", 0.6 + number / 100)
    found = judge_trend(versions)
    assert found is not None
    assert "than v1 on" in found.text


def test_the_labels_that_may_have_spoilt_it_are_named(versions: Versions) -> None:
    """Of those that came since, or were changed, the ones that the others contradict, the least first."""
    images = dict.fromkeys(IMAGES, 0.8)
    versions.save(network(), record("v1", images, tasks=dict.fromkeys(IMAGES, "a")))
    versions.make_current("v1", by="training")
    learnt = dict.fromkeys([*IMAGES, "11", "12", "13"], "a") | {"3": "drawn anew"}
    dices = dict.fromkeys(IMAGES, 0.7) | {"3": 0.2, "4": 0.1, "11": 0.3, "12": 0.68, "13": 0.0}
    versions.save(network(), record("v2", dices, tasks=learnt, undecisive=("13",)))
    versions.make_current("v2", by="training")
    found = judge_trend(versions)
    assert found is not None
    assert found.trend == Trend.WORSE
    assert [(each.task, each.dice) for each in found.suspects] == [(3, 0.2), (11, 0.3)]


def test_a_label_that_spoils_a_model_is_named_though_the_model_is_kept_back(versions: Versions) -> None:
    """Nothing of it is in use; without a word, an admin would wait for the labels to count."""
    use(versions, "v1", 0.8, tasks=dict.fromkeys(IMAGES, "a"))
    learnt = dict.fromkeys([*IMAGES, "11"], "a")
    dices = dict.fromkeys(IMAGES, 0.5) | {"11": 0.05}
    versions.save(network(), record("v2", dices, tasks=learnt, published=False))
    found = judge_trend(versions)
    assert found is not None
    assert (found.trend, found.back_to) == (Trend.KEPT_BACK, None)
    assert [each.task for each in found.suspects] == [11]
    assert "v2" in found.text
    versions.save(network(), record("v3", dict.fromkeys(IMAGES, 0.5), tasks=dict.fromkeys(IMAGES, "a")))
    found = judge_trend(versions)
    assert found is not None
    assert found.trend == Trend.EARLY  # it has learnt nothing more: nobody waits for it


def test_after_a_rollback_the_version_in_use_is_judged(versions: Versions) -> None:
    use(versions, "v1", 0.8)
    use(versions, "v2", 0.7)
    versions.make_current("v1", by="rollback")
    found = judge_trend(versions)
    assert found is not None
    assert (found.trend, found.back_to) == (Trend.BETTER, None)


def test_what_a_person_chose_is_not_put_down_to_chance(versions: Versions) -> None:
    """A worse version is in use because they chose it, however many came between."""
    for name, dice in (("v1", 0.7), ("v2", 0.8), ("v3", 0.79)):
        use(versions, name, dice)
    versions.make_current("v1", by=ROLLBACK)
    found = judge_trend(versions)
    assert found is not None
    assert (found.trend, found.back_to, found.suspects) == (Trend.WORSE, "v2", ())
    assert "a person chose it" in found.text
    assert "chance" not in found.text


def test_nothing_to_compare(versions: Versions) -> None:
    """No version; one alone; other classes; too few images in common; a damaged record of an earlier one."""
    assert judge_trend(versions) is None
    use(versions, "v1", 0.8)
    for name, changes in (("v2", {"labels": ("Cell",)}), ("v3", {"tasks": dict.fromkeys(IMAGES, "changed")})):
        found = judge_trend(versions)
        assert found is not None
        assert found.trend == Trend.EARLY
        use(versions, name, 0.7, **changes)
    Path(versions.storage.path("projects/7/versions/v1/model.json")).write_text("{")
    found = judge_trend(versions)
    assert found is not None
    assert found.trend == Trend.EARLY
