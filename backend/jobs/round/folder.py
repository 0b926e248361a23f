"""A round's folder in the storage: what the round is about, and what is finished of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import SupersededError
from backend.jobs.round.features import open_store
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.project.context import Context
from backend.project.task_data import TaskImages, load_masks
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.store.round_record import DRAFT, RoundRecord
from model.network.recipe import Recipe
from model.similarity.round import Round
from model.strategies import paper_options

SNAPSHOT = "snapshot.json"
LABELS = "labels.npz"


@dataclass(frozen=True)
class Snapshot:
    """What a round is about, fixed at its start. Task ids are text because JSON keys are."""

    round: str
    job: str  # the job that started it: a second run of it goes on with this round
    created: str  # ISO 8601, UTC
    reason: str
    version: str  # of the model, NO_VERSION before there is one
    strategy: str
    options: Mapping[str, object]
    budget: int
    seed: int
    recipe: Mapping[str, object]
    label_config: str
    tasks: list[Task]  # "id" and "data" of every task of U and L that takes part
    labelled: list[str]  # L
    further: list[str]  # unlabelled tasks that take no part: too many, or no usable image
    unreadable: dict[str, str]  # task id to what is wrong with its image
    begun: dict[str, int]  # what was wanted when it began (backend.queue.pending_work)
    cold_start: bool = False
    message: str = ""  # why it is a cold start, or what else people should know
    work: str = Work.ROUND  # which request it completes
    unusable: tuple[int, ...] = ()  # labelled tasks of which no label could be read
    teacher: str = ""  # the version that makes the pseudo-labels, if not the one that draws the masks
    learnt: str = ""  # the pixel classifier that has learnt these labels, in a live turn
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Height and width of the images whose features are kept and that are not read, by task id."""
    requested: bool = False  # a person asked for another budget, strategy or options than the project's
    asked: str = ""  # id of what was asked of this round alone (backend.queue.round_request)

    @property
    def config(self) -> LabelConfig:
        """The labelling configuration at its start."""
        return parse(self.label_config)

    @property
    def unlabelled(self) -> list[str]:
        """U, in the order of task ids."""
        known = set(self.labelled)
        return [str(task["id"]) for task in self.tasks if str(task["id"]) not in known]

    @property
    def batch_size(self) -> int:
        """How many images are asked for: the budget, or all that are left."""
        return min(self.budget, len(self.unlabelled))


class RoundFolder:
    """A round's folder in the storage."""

    def __init__(self, context: Context, name: str) -> None:
        self.context = context
        self.name = name
        self.folder = f"{context.folder}/rounds/{name}"

    @property
    def path(self) -> Path:
        """The local folder."""
        return self.context.storage.path(self.folder)

    def snapshot(self) -> Snapshot:
        """What the round is about. Raises SupersededError when it has been cleared away."""
        content = self.context.storage.read_json(f"{self.folder}/{SNAPSHOT}", fresh=True)
        if content is None:
            raise SupersededError(f"The round {self.name} is not in the storage any more.")
        content["options"] = {**paper_options(content["strategy"]), **content["options"]}
        return Snapshot(**content)

    def save(self, snapshot: Snapshot) -> None:
        """Keep what the round is about."""
        self.context.storage.write_json(f"{self.folder}/{SNAPSHOT}", dataclasses.asdict(snapshot))

    def record(self) -> RoundRecord | None:
        """What came out of it, None while it is not written."""
        return RoundRecord.load(self.context.storage, self.context.project_id, self.name)

    def draft(self) -> RoundRecord | None:
        """The record as it was when the order began to be put in force, None before."""
        return RoundRecord.load(self.context.storage, self.context.project_id, self.name, DRAFT)

    def save_draft(self, record: RoundRecord) -> None:
        """Keep what is about to be put in force: a run that goes on after the switch must write the same."""
        record.save(self.context.storage, self.context.project_id, DRAFT)

    def round(self, snapshot: Snapshot, images: TaskImages, progress: Progress) -> Round:
        """The round as the strategies see it."""
        storage = self.context.storage
        for name in (LABELS, "pseudo-labels.npz"):
            storage.get(f"{self.folder}/{name}")
        teacher = snapshot.teacher or snapshot.version
        model_folder = storage.get_folder(f"{self.context.folder}/versions/{teacher}")
        recipe = Recipe.from_saved(snapshot.recipe)
        masks = load_masks(self.path / LABELS)
        return Round(
            images,
            masks,
            snapshot.config.classes,
            recipe,
            snapshot.seed,
            self.path,
            model_folder,
            image_digests=images.digests,
            image_sizes={task: (height, width) for task, (height, width) in snapshot.sizes.items()},
            feature_store=open_store(self.context, recipe.precision),
            on_progress=progress,
        )

    def images(self, snapshot: Snapshot) -> TaskImages:
        """The images of the tasks that take part."""
        return TaskImages(
            self.context, snapshot.config, snapshot.tasks, Recipe.from_saved(snapshot.recipe).max_side
        )

    def keep(self) -> None:
        """Give what has been written here to the shared storage;
        also what an earlier run of the job could not."""
        self.context.storage.put_missing(self.folder)
