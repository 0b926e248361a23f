"""The state of a project as its administrator sees it; the same in JSON for programs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from backend.labelstudio.order.rounds import order_title
from backend.project.skipped_tasks import Skipped
from backend.store.learning_trend import LearningTrend
from model.reason import Measure, Reason, describe_reason, summarise_reason


@dataclass(frozen=True)
class Images:
    """How many there are; `all` is None before the first sync."""

    all: int | None = None
    labelled: int = 0


@dataclass(frozen=True)
class Defaults:
    """What a recompute does unless something else is requested."""

    budget: int
    strategy: str
    unmasked_share: float = 0.0  # of the images, shown without a mask


@dataclass(frozen=True)
class VersionInUse:
    """The model that draws the masks."""

    name: str
    labels: int = 0  # labelled tasks that it was trained on
    held_out_dice: float | None = None  # in [0, 1]
    created: str = ""  # ISO 8601, UTC
    reason: str = ""  # why it was put in use
    seconds: float = 0.0  # of its training
    kind: str = "unet"  # or "pixel"
    choice: str = (
        ""  # why it and not the other kind draws the masks, a sentence; empty where there is no other
    )


@dataclass(frozen=True)
class Labels:
    """What trainings have seen of the labels."""

    trained: int = 0
    waiting: int = 0
    changed: bool = False  # a training is wanted though no more tasks are labelled than at the last


@dataclass(frozen=True)
class RoundInForce:
    """Whose order annotators get; see backend.store.round_record."""

    name: str
    time: str = ""
    reason: str = ""
    strategy: str = ""
    budget: int = 0
    cold_start: bool = False
    message: str = ""
    tasks: int = 0
    version: str = ""
    seconds: float | None = None
    order_of: str | None = None  # the round whose order it is, after a rollback
    value: float | None = None  # expected dice once the batch is labelled; None where none is expected
    upper_bound: float | None = None  # proven: no batch of this size would reach more
    measure: Measure | None = None  # what both are about: the worst image, the worst fifth, or the mean

    @property
    def title(self) -> str:
        """What people call it."""
        return order_title(self.name)


@dataclass(frozen=True)
class NextTask:
    """One of the first tasks of the order that are neither labelled nor skipped by all."""

    task: int
    rank: int = 0
    score: float = 0.0  # its priority, in (0, 1)
    in_batch: bool = False
    reason: Reason | str = ""
    helps: tuple[int, ...] = ()
    served_to: int | None = None  # people who have not skipped it; None if nobody has
    name: str = ""  # of its image file
    helped: str = ""  # name of the image file that the reason names

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.name} (task {self.task})" if self.name else f"task {self.task}"

    @property
    def summary(self) -> str:
        """The reason in words, without figures."""
        return summarise_reason(self.reason, self._call)

    def _call(self, image: str) -> str:
        return self.helped or f"task {image}"

    def to_dict(self) -> dict[str, object]:
        """JSON-ready, the reason in words."""
        return {
            "task": self.task,
            "rank": self.rank,
            "score": self.score,
            "in_batch": self.in_batch,
            "name": self.name,
            "summary": self.summary,
            "reason": describe_reason(self.reason, self._call),
            "helps": list(self.helps),
            "served_to": self.served_to,
        }


@dataclass(frozen=True)
class Running:
    """The job to show, and how far it is."""

    job: str = ""
    kind: str = ""
    step: str | None = None  # of the steps of the job, in words
    done: int | None = None  # parts of the step
    total: int | None = None
    seconds_left: float | None = None  # in this step
    version: str | None = None  # that a rollback puts in use
    rows_done: int = 0  # networks of a round
    rows_total: int = 0
    round: str = ""

    def to_dict(self) -> dict[str, object]:
        """JSON-ready; a version is named by a rollback alone."""
        content = dataclasses.asdict(self)
        if self.version is None:
            del content["version"]
        return content


@dataclass(frozen=True)
class LastError:
    """Why the last job of a kind failed."""

    job: str = ""
    kind: str = ""
    message: str = ""
    time: float = 0.0  # seconds since 1970


@dataclass(frozen=True)
class ProjectStatus:
    """The state of a project; what nobody knows yet is None."""

    project: int
    title: str
    images: Images
    defaults: Defaults
    version: VersionInUse | None = None
    learning: LearningTrend | None = None  # whether the model is getting better
    labels: Labels = Labels()
    time_saved: str = ""  # a sentence; only where some images are shown without a mask
    held: bool = False  # a person cancelled
    live: bool = False  # each label renews masks and order, from the first one on
    training_seconds: float | None = None  # that a training takes here, as far as is known
    round: RoundInForce | None = None
    next_tasks: tuple[NextTask, ...] = ()
    undrawn: int = 0  # images of the order whose mask is drawn when there is time
    skipped: Skipped = field(default_factory=Skipped)
    running: Running | None = None
    waiting: tuple[str, ...] = ()  # kinds of job
    last_error: LastError | None = None
    stalled: bool = False  # programs that do the work are missing
    disconnected: bool = False  # a person has; what is told is of before
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """JSON-ready: what `status --json` and GET /projects/<id>/status give."""
        content = {each.name: _plain(getattr(self, each.name)) for each in dataclasses.fields(self)}
        return content | {
            "next_tasks": [each.to_dict() for each in self.next_tasks],
            "skipped": self.skipped.to_dict(),
            "running": self.running.to_dict() if self.running else None,
            "waiting": list(self.waiting),
            "warnings": list(self.warnings),
        }


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value
