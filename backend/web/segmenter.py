"""The model as Label Studio's machine-learning package sees one:
a class with `predict` and `fit`, one object per project.

The package loads torch: only the process that predicts imports this."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import torch
from label_studio_ml.model import LabelStudioMLBase
from redis.exceptions import RedisError

from backend import logs
from backend.errors import BackendError, UnreachableError
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.labelstudio.http.answers import NewPrediction, Region
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.labelstudio.order.unmasked import Unmasked
from backend.metrics.counters import Drawn
from backend.project import missing_images
from backend.project.context import Context, open_context
from backend.project_settings import known_project_settings
from backend.queue import enqueue, pending_work
from backend.queue.pending_work import START_TRAINING, Work
from backend.queue.project_info import ProjectInfo
from backend.store.round_record import round_in_force
from backend.store.versions import NO_VERSION
from model.errors import ImageError, ModelError
from model.network.inference import Segmenter as Network

log = logging.getLogger(__name__)

UNRANKED_SCORE = 1.0
"""Score of a prediction for a task that is in no round: after all that are."""


@dataclass(frozen=True)
class _Loaded:
    version: str
    model: Network
    labels: tuple[str, ...]


class Models:
    """The networks in memory, one per project, loaded when first asked for and again when another version is
    in use. Not for threads."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[int, _Loaded] = OrderedDict()

    def get(self, context: Context, version: str) -> _Loaded:
        """The network of a project's version. Raises VersionError, CheckpointError."""
        loaded = self._loaded.get(context.project_id)
        if loaded is None or loaded.version != version:
            record = context.versions.record(version)
            loaded = _Loaded(version, context.versions.load(version), record.labels)
            log.info("%s loaded", version)
        self._loaded[context.project_id] = loaded
        self._loaded.move_to_end(context.project_id)
        while len(self._loaded) > context.settings.models_kept:
            self._loaded.popitem(last=False)
        return loaded


MODELS = Models()
NETWORK_THREAD = ThreadPoolExecutor(1, thread_name_prefix="network")
"""Networks work one at a time, as each uses all processor threads, and always in this thread:
in a new one, torch first makes its own."""


class Segmenter(LabelStudioMLBase):
    """Segmentation of a project's images by the version in use.

    Written to the signature of label-studio-ml's 2.x (`project_id`, `label_config`, `predict(tasks,
    context)`, `fit(event, data)`), which
    1.0.9's base class accepts as well.
    """

    def __init__(
        self, project_id: str | int | None = None, label_config: str | None = None, **keywords: Any
    ) -> None:
        """`project_id` as Label Studio sends it ("2.1795346628") or as a number;
        `context` may be handed over, for a shared one."""
        self.context: Context = keywords.pop("context", None) or open_context(
            int(str(project_id).split(".")[0])
        )
        # The base class keeps the configuration only for helpers that are not used here;
        # its parser fails on some that ours explains.
        super().__init__(project_id=str(self.context.project_id), label_config=None, **keywords)
        self.label_config = label_config
        self.outcomes: Counter[Drawn] = Counter()
        """How tasks were answered."""

    @property
    def version(self) -> str:
        """The version in use, which /setup tells and /predict answers: NO_VERSION before the first."""
        return self.context.version

    def predict(
        self, tasks: Sequence[Mapping[str, Any]], context: Mapping[str, Any] | None = None, **keywords: Any
    ) -> list[NewPrediction]:
        """One item for each task, in order: {"result", "score", "model_version"}.
        A task that cannot be read gets an empty result.

        `context` (of interactive labelling: what the annotator has drawn) changes nothing:
        the network sees only the image. `score` is the task's place in the round, as in the priorities;
        the confidence is in each region.
        """
        del context, keywords
        return list(self.predict_each(tasks))

    def predict_each(self, tasks: Sequence[Mapping[str, Any]]) -> Iterator[NewPrediction]:
        """The same, one item after the other, so that they need not be held together."""
        version = self.version
        with logs.bound(project=self.context.project_id, version=version):
            yield from self._predict(version, tasks)

    def fit(self, event: str, data: Mapping[str, Any], **keywords: Any) -> dict[str, str]:
        """Note an event of Label Studio; trains nothing here.
        START_TRAINING starts a training and then a round at once."""
        del keywords
        if event == START_TRAINING:
            return {"job": enqueue.start_training(self.context.project_id)}
        noted = pending_work.read_event(event, data)
        if noted is not None:
            pending_work.record(self.context.redis, self.context.project_id, noted)
        return {}

    def _predict(self, version: str, tasks: Sequence[Mapping[str, Any]]) -> Iterator[NewPrediction]:
        config = parse(self.label_config or "")
        if version == NO_VERSION:
            log.info("no model yet, %d empty predictions", len(tasks))
            self.outcomes[Drawn.NO_MODEL] += len(tasks)
            for _ in tasks:
                yield {"result": [], "score": 0.0, "model_version": version}
            return
        scores, away, unmasked = self._scores(), False, self._unmasked()
        lacking: dict[int, Exception] = {}
        for task in tasks:
            result: list[Region] = []
            drawn = Drawn.FAILED
            try:
                if not away and int(task["id"]) not in unmasked:
                    result = self._regions(version, config, dict(task))
                if not away:
                    drawn = Drawn.MASK if result else Drawn.BLANK
            except (
                UnreachableError
            ) as error:  # each further try would last as long, and Label Studio waits 100 s in all
                away = True
                log.error("no further predictions: %s", error)
            except (BackendError, ModelError) as error:
                log.warning("task %s: no prediction: %s", task["id"], error)
                if isinstance(error, ImageError):
                    lacking[int(task["id"])] = error
            self.outcomes[drawn] += 1
            score = scores.get(int(task["id"]), UNRANKED_SCORE)
            yield {"result": result, "score": score, "model_version": version}
        try:
            missing_images.note_without_mask(self.context, lacking)
        except RedisError as error:  # the predictions are there all the same
            log.warning("images without a mask are not noted: %s", error)

    def _regions(self, version: str, config: LabelConfig, task: Mapping[str, Any]) -> list[Region]:
        data = self.context.image(task, config)
        drawing = NETWORK_THREAD.submit(copy_context().run, self._draw, version, config, data, task["id"])
        regions, outdated = drawing.result()
        if outdated:
            self._tell_outdated(outdated)
        return regions

    def _draw(self, version: str, config: LabelConfig, data: bytes, task_id: int) -> tuple[list[Region], str]:
        torch.set_num_threads(self.context.settings.torch_threads)
        loaded = MODELS.get(self.context, version)
        annotator = PreAnnotator(loaded.model, loaded.labels, config)
        with self.context.work_on(task_id, data):
            return annotator.regions(data, f"task {task_id}"), annotator.outdated

    def _tell_outdated(self, text: str) -> None:
        log.warning("%s", text)
        self.context.note("config_changed", text)
        if not pending_work.pending(self.context.redis, self.context.project_id, Work.SYNC).outstanding:
            pending_work.request(
                self.context.redis, self.context.project_id, Work.SYNC
            )  # which wants a training if there are labels

    def _unmasked(self) -> Unmasked:
        extra = ProjectInfo.load(self.context.redis, self.context.project_id).extra_params
        options = known_project_settings(extra, self.context.settings.project_defaults)
        return Unmasked(self.context.project_id, options.unmasked_share)

    def _scores(self) -> dict[int, float]:
        try:
            record = round_in_force(self.context.storage, self.context.project_id)
        except BackendError as error:
            log.warning("scores unknown: %s", error)
            return {}
        order = record.order if record else []
        return {int(task): rank / (len(order) + 1) for rank, task in enumerate(order, start=1)}
