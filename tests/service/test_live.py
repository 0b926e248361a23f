"""A live turn: what a label changes, seconds after it was submitted, and without a U-Net."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from redis import Redis
from rq import SimpleWorker
from typer.testing import CliRunner

from backend.cli import app
from backend.demo.server import LabelStudioServer
from backend.doctor.order import check_order
from backend.errors import LabelStudioError
from backend.jobs import due_work, entry_points, live_turn, pixel_training, promotion
from backend.jobs.round import features, finish, next_places
from backend.labelstudio.labels.config import EXAMPLE
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order import priorities
from backend.project import live_quality
from backend.project.context import Context, open_context
from backend.project.task_data import TaskImages
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import CONTROL, Keys, named
from backend.queue.pending_work import Event, Work
from backend.queue.project_info import ProjectInfo
from backend.run.redis_server import EmbeddedRedis
from backend.settings import get_settings
from backend.store.round_record import RoundRecord, round_in_force
from backend.store.version_record import Learner
from model.data.images import decode_image
from model.pixels import draw_sample
from tests.faulty_proxy import Kind, faulty_proxy
from tests.service.conftest import TINY, picture, trained_model, use_settings
from tests.states import list_versions, read_status

IMAGES = 8


@dataclasses.dataclass
class Lab:
    """A project of images of discs and what happens in it."""

    context: Context
    http: httpx.Client
    numbers: dict[int, int]  # task id to the number of its picture

    @property
    def project(self) -> int:
        return self.context.project_id

    @property
    def record(self) -> RoundRecord:
        """Of the order in force."""
        found = round_in_force(self.context.storage, self.project)
        assert found is not None
        return found

    def label(self, task: int | None = None) -> int:
        """Submit the true mask of a task, or of the next one; returns the task."""
        task = task or self.served()[0]
        mask = picture(self.numbers[task])[1]
        body = {"result": from_mask(mask, self.context.setup().config), "lead_time": 1}
        self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()
        pending_work.record(self.context.redis, self.project, Event(Work.TRAINING, 1, (task,)))
        return task

    def served(self) -> list[int]:
        """The open tasks in the order in which Label Studio serves them."""
        return [place.task_id for place in priorities.order(self.context.client, self.project)]

    def turn(self) -> dict[str, Any]:
        """Take a live turn."""
        return dict(entry_points.take_live_turn(self.project))

    def rows(self) -> dict[str, int]:
        """How many predictions of each round there are."""
        return self.context.client.versions(self.project)

    def shows(self, task: int) -> bool:
        """Whether a task shows a mask in the order in force."""
        found = self.context.client.task_predictions(task)
        return any(item.regions for item in found if item.model_version == self.record.served_as)

    def row(self, task: int) -> int:
        """The number of a task's prediction in the order in force."""
        found = self.context.client.task_predictions(task)
        return next(item.id for item in found if item.model_version == self.record.served_as)

    def train_unet(self, change: float) -> str:
        """A U-Net of the same labels comes, so much better on the held-out images; returns its name."""
        newest = self.context.versions.newest_record(Learner.PIXEL)
        assert newest is not None
        held_out = dict.fromkeys(newest.tasks, 0.5 + change)
        made = dataclasses.replace(
            newest,
            kind=Learner.UNET,
            held_out=held_out,
            recipe=trained_model(60, 2).recipe.to_dict(),
            job="unet",
        )
        with promotion.deciding(self.context) as fence:
            made = promotion.keep(self.context, trained_model(60, 2), made, measured=True, check=fence.check)
            promotion.put_in_use(self.context, made, check=fence.check)
        return made.name


@pytest.fixture
def lab(
    redis: Redis,
    redis_server: EmbeddedRedis,
    label_studio: LabelStudioServer,
    image_url: Callable[[int], str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lab]:
    """A project without labels that has its first order; no worker runs.
    The image of one of its tasks is none."""
    del redis
    use_settings(
        monkeypatch,
        redis_url=redis_server.address,
        model_dir=tmp_path_factory.mktemp("models"),
        recipe=TINY,
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.token,
        project_defaults={"live": True, "budget": 2, "folds": 2},
    )
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http:
        body = {"title": "Live", "label_config": EXAMPLE}
        project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
        pictures = [*range(IMAGES - 1), 500]
        tasks = [{"data": {"image": image_url(number)}} for number in pictures]
        http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
        context = open_context(project)
        pending_work.register(context.redis, project)
        entry_points.write_first_order(project)
        numbers = dict(zip(sorted(context.client.task_ids(project)), pictures, strict=True))
        yield Lab(context, http, numbers)


def test_first_label_brings_masks_and_an_order(lab: Lab) -> None:
    """Without a U-Net; a task whose image is none is named, comes last and stops nothing.
    Another turn finds all as it is, and writes nothing."""
    before, broken = lab.record, max(lab.numbers)
    task = lab.label()
    result = lab.turn()
    record = lab.record
    assert (result["version"], result["round"], record.version) == ("v1", record.round, "v1")
    assert (record.cold_start, record.strategy, record.learnt) == (False, "task_dependent", "v1")
    assert lab.context.versions.record("v1").kind is Learner.PIXEL
    served = lab.served()
    assert served == record.order
    assert set(served) == set(lab.numbers) - {task}
    assert served[-1] == broken
    assert str(broken) in record.unreadable
    assert all(lab.shows(each) for each in served[:-1])
    assert lab.rows()[before.round] == IMAGES  # somebody may have one of them open
    status = read_status(lab.project)
    assert "no U-Net is trained yet" in status["version"]["choice"]
    assert list_versions(lab.project)["versions"][0]["kind"] == "pixel"

    rows = lab.rows()
    pending_work.request(lab.context.redis, lab.project, Work.LIVE)
    assert lab.turn()["round"] == ""
    assert (lab.rows(), lab.record) == (rows, record)
    assert lab.context.versions.names() == ["v1"]


def test_a_label_during_a_turn_means_exactly_one_more(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is learnt from there."""
    first = lab.label()
    train = pixel_training.train_on_pixels
    during: list[int] = []

    def train_meanwhile(*arguments: Any, **keywords: Any) -> Any:
        if not during:  # the labels are read by now
            during.append(lab.label())
        return train(*arguments, **keywords)

    monkeypatch.setattr("backend.jobs.live_turn.train_on_pixels", train_meanwhile)
    lab.turn()
    assert set(lab.context.versions.record("v1").tasks) == {str(first)}
    pending = pending_work.pending(lab.context.redis, lab.project, Work.LIVE)
    assert pending.outstanding
    lab.turn()
    assert set(lab.context.versions.record("v2").tasks) == {str(first), str(during[0])}
    assert not pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
    assert not set(lab.served()) & {first, during[0]}


def test_a_better_u_net_takes_over_the_masks(lab: Lab) -> None:
    """In the same order, at once; status and versions tell why. A person may choose the other one,
    and a turn without a new label leaves it so."""
    for _ in range(2):
        lab.label()
    lab.turn()
    order = lab.served()
    worse = lab.train_unet(-0.5)
    assert lab.turn()["round"] == ""
    assert lab.context.versions.current() == "v1"
    better = lab.train_unet(0.5)
    result = lab.turn()
    assert (lab.record.version, lab.record.round) == (better, result["round"])
    assert lab.served() == order
    assert lab.shows(order[0])
    assert "The U-Net draws the masks: 1.00 against" in read_status(lab.project)["version"]["choice"]

    entry_points.roll_back(lab.project, "v1", "I like it better", "Ada")
    assert (lab.record.version, lab.served()) == ("v1", order)
    assert lab.turn()["round"] == ""
    assert lab.context.versions.current() == "v1"
    assert "Ada chose v1" in read_status(lab.project)["version"]["choice"]
    entry_points.roll_back(lab.project, worse)
    assert (lab.record.version, lab.context.versions.current()) == (worse, worse)


def test_a_turn_that_is_cancelled_or_cut_off_loses_no_label(
    lab: Lab, label_studio: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a person in the shell, or by a Label Studio that goes away while the order is written;
    the order in force stays, and the next turn learns all."""
    before, train = lab.record, pixel_training.train_on_pixels
    redis, tasks = lab.context.redis, [lab.label()]

    def cancel_meanwhile(*arguments: Any, **keywords: Any) -> Any:
        told = CliRunner().invoke(app, ["cancel", "--project", str(lab.project), "--yes"])
        assert (told.exit_code, "jobs end within seconds" in told.output) == (0, True), told.output
        return train(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr("backend.jobs.live_turn.train_on_pixels", cancel_meanwhile)
        job = enqueue.enqueue_live_turn(lab.project)
        SimpleWorker([named(CONTROL, redis)], connection=redis).work(burst=True)
    ended = project_jobs.fetch(redis, job)
    assert ended is not None
    assert "stopped" in (ended.return_value() or {})
    assert (lab.record, lab.served()) == (before, [task for task in before.order if task not in tasks])
    assert not pending_work.pending(redis, lab.project, Work.LIVE).outstanding
    assert "Cancelled by a person" in " ".join(read_status(lab.project)["warnings"])

    tasks.append(lab.label())
    with faulty_proxy(label_studio.url) as proxy:
        monkeypatch.setenv("LABEL_STUDIO_URL", proxy.url)
        get_settings.cache_clear()
        proxy.add(Kind.RESET, "import/predictions")
        with pytest.raises(LabelStudioError):
            lab.turn()
        assert (lab.record, lab.served()) == (before, [task for task in before.order if task not in tasks])
        assert pending_work.pending(redis, lab.project, Work.LIVE).outstanding
        versions = lab.context.versions.names()
        proxy.heal()
        lab.turn()
    assert lab.context.versions.names() == versions
    assert set(lab.context.versions.record(lab.record.learnt).tasks) == {str(task) for task in tasks}
    assert lab.served() == lab.record.order
    assert not pending_work.pending(redis, lab.project, Work.LIVE).outstanding


def test_a_turn_that_was_killed_is_done_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever: a second run of the same job goes on from there."""
    for part in ("rounds.begin_round", "finish.end_round"):
        lab.label()
        versions = len(lab.context.versions.names())
        with monkeypatch.context() as patch:
            patch.setattr(f"backend.jobs.live_turn.{part}", _killed)
            with pytest.raises(_Killed):
                _take_turn(lab, f"live-{part}")
        assert pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
        result = _take_turn(lab, f"live-{part}")
        assert len(lab.context.versions.names()) == versions + 1
        assert (lab.record.round, lab.record.learnt) == (result["round"], result["version"])
        assert lab.served() == lab.record.order


class _Killed(BaseException):
    """What stands for the end of a process."""


def _killed(*_: object, **__: object) -> None:
    raise _Killed


def _take_turn(lab: Lab, job_id: str) -> dict[str, Any]:
    from backend.jobs.job import hold_fence

    with hold_fence(lab.context, "round", job_id, Work.LIVE) as progress:
        assert progress is not None
        return dict(live_turn.take_turn(lab.context, progress, job_id=job_id))


def test_in_a_large_project_the_next_tasks_come_first(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the predictions that are there: none is written for the other tasks, whose places and masks stay.
    A page that shows one is submitted and compared with what it showed; a better U-Net draws there as well,
    and what was killed half-way is done again."""
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"live": true, "strategy": "herding", "budget": 1, "folds": 2}')
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    monkeypatch.setattr(next_places, "WHOLE", 2)
    monkeypatch.setattr(next_places, "NEXT", 3)
    monkeypatch.setattr(finish, "LIVE_MASKS", 2)
    base, before, rows = lab.record.round, lab.served(), lab.rows()
    lab.label()
    lab.turn()
    first = lab.record
    assert (first.served_as, first.version, first.learnt, lab.rows()) == (base, "v1", "v1", rows)
    assert lab.context.client.project(lab.project).model_version == base
    served = lab.served()
    assert served[:3] == first.order[:3]
    assert served[3:] == [task for task in before if task in served[3:]]
    assert [lab.shows(task) for task in served[:3]] == [True, True, False]
    entry_points.look(lab.project)  # which draws the others
    assert lab.served() == served
    assert all(lab.shows(task) for task in served if task != max(lab.numbers))

    shown = lab.context.client.task_regions(served[0], base)
    (prediction,) = shown
    body = {"result": shown[prediction], "parent_prediction": prediction, "lead_time": 0}
    lab.http.post(f"/api/tasks/{served[0]}/annotations/", json=body).raise_for_status()
    with monkeypatch.context() as patch:
        patch.setattr(finish, "put_in_force", _killed)
        with pytest.raises(_Killed):
            _take_turn(lab, "live-killed")
    assert lab.record == first
    lab.http.patch(f"/api/predictions/{lab.row(before[-2])}/", json={"score": 1e-9}).raise_for_status()
    assert [each.severity for each in check_order(lab.context.settings, lab.project)] == ["warning"]
    entry_points.look(lab.project)
    assert lab.served()[:2] == [task for task in first.first if task != served[0]]
    assert [each.severity for each in check_order(lab.context.settings, lab.project)] == ["ok"]
    _take_turn(lab, "live-killed")
    assert (lab.record.served_as, lab.record.version, lab.rows()) == (base, "v2", rows)
    assert lab.served()[:3] == lab.record.order[:3]
    agreement = live_quality.read(lab.context.storage, lab.context.folder)[-1]
    assert (agreement.task, agreement.version, agreement.same) == (served[0], "v1", True)

    order, computed = lab.served(), lab.record.origin
    better = lab.train_unet(0.5)
    lab.turn()
    assert (lab.record.served_as, lab.record.version, lab.record.origin) == (base, better, computed)
    assert (lab.served(), lab.rows()) == (order, rows)
    assert not [each for each in check_order(lab.context.settings, lab.project) if each.severity != "ok"]


def test_an_order_by_looks_follows_each_label_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no network, and is told with its reasons."""
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"strategy": "herding", "budget": 2, "folds": 2}')
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    task = lab.label()
    lab.turn()
    record = lab.record
    assert (record.strategy, record.cold_start, record.learnt) == ("herding", False, "v1")
    assert task not in record.order
    assert "looks" in str(record.queries[record.order[0]].reason)


def test_other_strategies_get_their_masks_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order comes with the batch, as it takes U-Nets."""
    monkeypatch.setenv(
        "PROJECT_DEFAULTS", '{"strategy": "coverage", "budget": 2, "folds": 2, "similarity": "unet"}'
    )
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    before = lab.record
    task = lab.label()
    lab.turn()
    assert (lab.record.version, lab.record.order_of, lab.record.cold_start) == ("v1", before.round, True)
    assert lab.served() == [each for each in before.order if each != task]
    assert lab.shows(lab.served()[0])


def test_features_of_many_images_come_by_and_by(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all are there, a label renews the masks alone; the order follows without another label, by the
    project's strategy."""
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"live": true, "budget": 2, "folds": 2, "strategy": "coverage"}')
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    redis, keys = lab.context.redis, lab.context.keys
    monkeypatch.setattr(features, "FEW", 0)
    monkeypatch.setattr(features, "SECONDS_A_SYNC", 0.0)
    for key in redis.scan_iter(keys.features("*")):
        redis.delete(key)
    before, task = lab.record, lab.label()
    lab.turn()
    assert (lab.record.version, lab.record.order_of) == ("v1", before.round)
    assert lab.served() == [each for each in before.order if each != task]
    for _ in range(2 * IMAGES):
        if _all_features(lab):
            break
        assert pending_work.pending(redis, lab.project, Work.SYNC).outstanding
        entry_points.look(lab.project)
    assert _all_features(lab)
    assert pending_work.pending(redis, lab.project, Work.LIVE).outstanding
    assert lab.turn()["round"] == lab.record.round
    assert (lab.record.strategy, lab.record.cold_start) == ("coverage", False)
    assert read_status(lab.project)["round"]["measure"] == "mean"


def test_a_turn_reads_no_image_whose_features_are_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for its label and the masks of the next ones; nor does another machine with the same storage, which
    computes no features again. Those of the time before there was a shared storage are given to it."""
    settings = {"storage_url": f"file://{lab.context.settings.model_dir}-shared"}
    defaults = {"live": True, "strategy": "herding", "budget": 2, "folds": 2}
    use_settings(monkeypatch, **_settings(lab), **settings, project_defaults=defaults)
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    for name in ("current-round.json", "rounds"):
        lab.context.storage.put(f"{lab.context.folder}/{name}")
    entry_points.look(lab.project)
    decoded: list[str] = []
    computed: list[object] = []

    def decode(content: bytes, name: str, **keywords: Any) -> Any:
        decoded.append(name)
        return decode_image(content, name, **keywords)

    def draw(*arguments: Any, **keywords: Any) -> Any:
        computed.append(arguments)
        return draw_sample(*arguments, **keywords)

    monkeypatch.setattr("backend.project.task_data.decode_image", decode)
    monkeypatch.setattr("model.pixels.feature_store.draw_sample", draw)
    lab.label()
    lab.turn()
    assert (lab.record.strategy, lab.record.learnt) == ("herding", "v1")
    assert set(lab.record.unreadable) == {str(max(lab.numbers))}
    assert not decoded

    elsewhere = {"model_dir": lab.context.settings.model_dir.with_name("other-machine")}
    use_settings(monkeypatch, **{**_settings(lab), **elsewhere}, **settings, project_defaults=defaults)
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    lab.label()
    lab.turn()
    assert (lab.record.learnt, lab.record.cold_start) == ("v2", False)
    assert lab.served() == lab.record.order
    assert not computed
    assert not decoded


def test_a_batch_that_a_person_asked_for_holds_until_it_is_labelled_or_skipped(lab: Lab) -> None:
    """An image that everybody has skipped is not waited for."""
    lab.label()
    lab.turn()
    kept, *others = lab.served()
    asked = dataclasses.replace(lab.record, requested=True, batch=[kept])
    asked.save(lab.context.storage, lab.project)
    lab.label(others[0])
    lab.turn()
    assert lab.record.batch == [kept]
    skip = {"result": [], "was_cancelled": True}
    lab.http.post(f"/api/tasks/{kept}/annotations/", json=skip).raise_for_status()
    lab.label(others[1])
    lab.turn()
    assert not lab.record.requested
    assert kept not in lab.record.batch or len(lab.record.batch) > 1


def test_an_image_replaced_by_one_of_another_size_is_found_by_the_next_round(lab: Lab) -> None:
    """A live turn asks for its features by its size."""
    lab.label()
    lab.turn()
    context = lab.context
    setup, redis = context.setup(), context.redis
    images = TaskImages(context, setup.config, context.list_tasks().all.values(), setup.recipe.max_side)
    sizes = features.find_sizes(context, setup, images)
    task = next(identity for identity in sizes if int(identity) in lab.served())
    for key in redis.scan_iter(context.keys.features("*")):
        redis.hset(key, task, f"{images.digests[task]} 7 7")
    assert features.find_sizes(context, setup, images)[task] == (7, 7)
    other = dict(context.list_tasks().all)
    other[int(task)] = {"id": int(task), "data": {**other[int(task)]["data"], "note": "another"}}
    changed = TaskImages(context, setup.config, other.values(), setup.recipe.max_side)
    assert features.find_missing(context, setup, images) == []
    assert features.find_missing(context, setup, changed) == [task], "its data has changed"
    training = pending_work.standing(redis, lab.project, Work.TRAINING)
    pending_work.finish(redis, lab.project, Work.TRAINING, training)
    assert due_work.describe_changes(lab.project), "no round comes at night, which would see it"
    entry_points.start_round(lab.project, "test")
    assert features.find_sizes(context, setup, images) == sizes


def _all_features(lab: Lab) -> bool:
    keys = lab.context.redis.scan_iter(lab.context.keys.features("*"))
    return any(lab.context.redis.hexists(key, features.DONE) for key in keys)


def _settings(lab: Lab) -> dict[str, Any]:
    names = ("redis_url", "model_dir", "recipe", "label_studio_url")
    found = {name: getattr(lab.context.settings, name) for name in names}
    return {**found, "label_studio_api_key": lab.context.settings.api_key}


def test_switched_off_it_does_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is made, a sync is not disturbed, and rounds compare by U-Nets as before."""
    before = lab.record
    ProjectInfo(extra_params='{"live": false}').save(lab.context.redis, lab.project)
    lab.label()
    assert all("live" not in job for job in due_work.dispatch(lab.context.redis, get_settings()))
    assert not pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"live": false}')
    get_settings.cache_clear()
    assert "switched off" in lab.turn()["reason"]
    assert (lab.record, lab.context.versions.names()) == (before, [])
    assert open_context(lab.project).project_settings().strategy_options["similarity"] == "unet"


def test_a_label_makes_one_job_before_all_others(lab: Lab) -> None:
    """However many labels; a sync that waits or runs ends for it, and a cancel takes it back."""
    redis = lab.context.redis
    pending_work.request(redis, lab.project, Work.SYNC)
    sync = enqueue.enqueue_sync(lab.project)
    for task in lab.served()[:3]:
        pending_work.record(redis, lab.project, Event(Work.TRAINING, 1, (task,)))
    (job,) = (job for job in due_work.dispatch(redis, get_settings()) if job.startswith("live-"))
    assert redis.sismember(Keys(lab.project).cancelled, sync)
    assert not any(job.startswith("live-") for job in due_work.dispatch(redis, get_settings()))
    waiting = project_jobs.waiting(redis, lab.project)
    assert Work.LIVE in waiting
    assert Work.SYNC not in waiting
    assert job in project_jobs.cancel(lab.project)
    assert not pending_work.pending(redis, lab.project, Work.LIVE).outstanding
