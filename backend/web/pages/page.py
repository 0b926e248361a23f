"""Everything that the page of a project shows, gathered from Redis and the storage;
asks Label Studio nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backend.errors import BackendError
from backend.export.archive import Archive, read_archive
from backend.project import live_quality, version_list
from backend.project.context import Context
from backend.project.explanation import image_of
from backend.project.forecast import Advice, Forecast, advise, forecast
from backend.project.live_quality import Agreement
from backend.project.next_masks import NextMasks
from backend.project.project_status import ProjectStatus
from backend.project.status import read_status
from backend.project.time_spent import TimeSpent, summarise_time
from backend.project.version_list import VersionList
from backend.queue.project_jobs import CANCELLED
from backend.queue.task_names import call_task
from backend.store.round_pictures import INDEX, SIMILARITY, Picture
from backend.store.round_record import round_in_force
from backend.store.version_history import HOLDS, ON_PAGE, ROLLBACK, Use
from backend.store.version_record import Learner
from backend.web.pages.charts import WINDOW, Chart, Value, best_so_far, chart, running_median
from backend.web.pages.good_enough import describe_good_enough
from backend.web.pages.next_images import NextImage, next_image
from backend.web.pages.words import STOPPED, Headline, headline, plural
from model.reason import describe_bound
from model.strategies import default_options, strategy_names

SUBMITS_SHOWN = 200
VERSIONS_SHOWN = 100
IN_USE, EARLIER, NOT_TAKEN, ROLLED_BACK, DAMAGED = "in use", "earlier", "not taken", "rolled back", "damaged"
"""States of a version."""


@dataclass(frozen=True)
class VersionLine:
    """A version in the list, in which state it is, and why."""

    name: str
    kind: str  # what it is, in words
    labels: int
    dice: float | None
    created: str
    state: str
    why: str
    action: str  # what its button says; empty where there is nothing to do


@dataclass
class Page:
    """What the template is given. Parts that cannot be read are missing, and `problems` says why."""

    project: int
    state: ProjectStatus
    headline: Headline
    next: list[NextImage] = field(default_factory=list)
    versions: list[VersionLine] = field(default_factory=list)  # newest first
    learning: Chart | None = None
    live: Chart | None = None
    agreements: list[Agreement] = field(default_factory=list)
    time_spent: TimeSpent | None = None
    forecast: Forecast | None = None
    forecast_chart: Chart | None = None
    advice: Advice | None = None
    similarity: str | None = None  # the round whose map is shown
    archive: Archive | None = None  # the last export
    left: int = 0  # images of the order that are neither labelled nor skipped by all
    problems: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)  # file names of the tasks that are told of

    def call(self, task: int) -> str:
        """What a task is called in a sentence."""
        return call_task(task, self.names)

    @property
    def compares(self) -> bool:
        """Whether the strategy of the order, or else the project's, compares images, and so can forecast."""
        order = self.state.round
        named = order.strategy if order and not order.cold_start else self.state.defaults.strategy
        return named in strategy_names() and "objective" in default_options(named)

    @property
    def bound(self) -> str:
        """How much better another batch could be at most; empty where that is not known."""
        round_ = self.state.round
        if round_ is None or self.forecast is None:
            return ""
        return describe_bound(round_.value, round_.upper_bound, self.forecast.measure)

    @property
    def warnings(self) -> list[str]:
        """What the first card warns of. That a person cancelled is told once, by its headline."""
        told = CANCELLED.partition("{")[0] if self.headline.title == STOPPED else None
        return [
            text for text in (*self.state.warnings, *self.problems) if not (told and text.startswith(told))
        ]

    @property
    def good_enough(self) -> str:
        """What the figures mean here."""
        version = self.state.version
        return describe_good_enough(version.held_out_dice if version else None, self.agreements)

    @property
    def live_median(self) -> float:
        """Median agreement of the last submits; there is at least one."""
        return statistics.median(agreement.dice for agreement in self.agreements[-WINDOW:])


def collect(context: Context) -> Page:
    """The page of a project that is known."""
    state = read_status(context.project_id)
    page = Page(project=context.project_id, state=state, headline=headline(state, context.settings))
    told_of = {image_of(place.reason) for place in state.next_tasks} | set(state.skipped.tasks)
    page.names = context.task_names({place.task for place in state.next_tasks} | told_of - {0})
    for part in (_add_order, _add_versions, _add_quality, _add_archive):
        try:
            part(context, page)
        except BackendError as error:
            if str(error) not in state.warnings:
                page.problems.append(str(error))
    page.advice = advise(
        page.forecast,
        [(line.labels, line.dice) for line in reversed(page.versions) if line.dice is not None],
        [each.dice for each in page.agreements if each.changed],
    )
    return page


def _add_order(context: Context, page: Page) -> None:
    record = round_in_force(context.storage, context.project_id)
    if record is None:
        return
    answered = {int(task) for task in context.redis.smembers(context.keys.labelled)}
    page.left = len(set(record.order) - answered - page.state.skipped.done)
    masks = NextMasks(context.redis, context.project_id, record)
    page.forecast = forecast(record) if page.state.next_tasks else None
    if page.forecast:
        page.names |= context.task_names(task for task, _ in page.forecast.steps)
        page.forecast_chart = _forecast_chart(page.forecast, page.call)
    rounds = f"{context.folder}/rounds"
    origin = record.origin  # a rollback takes over the order of an earlier round
    if context.storage.get(f"{rounds}/{origin}/{SIMILARITY}").exists():
        page.similarity = origin
    pictures: Mapping[str, Picture] = {}
    try:
        pictures = (context.storage.read_json(f"{rounds}/{record.round}/{INDEX}") or {}).get("tasks", {})
    finally:
        page.next += [next_image(place, page.names, pictures, masks) for place in page.state.next_tasks]


def _add_versions(context: Context, page: Page) -> None:
    page.versions = version_lines(version_list.list_versions(context.project_id))[::-1][:VERSIONS_SHOWN]
    measured = [line for line in reversed(page.versions) if line.dice is not None]
    if measured:
        page.learning = chart(
            [
                Value(
                    line.labels,
                    line.dice or 0.0,
                    _told(line),
                    line.state.replace(" ", "-"),
                    joined=line.state in (IN_USE, EARLIER),
                )
                for line in measured
            ],
            line=best_so_far,
        )


def version_lines(found: VersionList) -> list[VersionLine]:
    """The versions as people see them, oldest first."""
    uses = found.uses
    current = uses[-1].version if uses else None
    used = {use.version for use in uses}
    ended = {use.before: use for use in uses}  # how each came out of use the last time
    lines = []
    for version in found.versions:
        state, why = EARLIER, version.reason
        if version.damaged:
            state, why = DAMAGED, version.damaged
        elif version.current:
            state = IN_USE
            if uses[-1].by == ROLLBACK:
                how = "in place of" if uses[-1].forward else "by a rollback from"
                why = f"put in use{_by(uses[-1])} {how} {uses[-1].before}; {HOLDS}"
        elif (
            (use := ended.get(version.name))
            and use.by == ROLLBACK
            and _number(use.version) < _number(version.name)
        ):
            state, why = (
                ROLLED_BACK,
                (
                    f"{use.version} was put in its place{_by(use)} on {use.time[:10]}"
                    + ("" if use.reason == ON_PAGE else f": {use.reason or 'no reason given'}")
                ),
            )
        elif version.name not in used:
            state = NOT_TAKEN
        older = current is None or _number(version.name) < _number(current)
        action = "" if state in (IN_USE, DAMAGED) else "Roll back" if older else "Go forward"
        figures = (version.labels or 0, version.held_out_dice, version.created or "")
        kind = Learner(version.kind).noun if version.kind else ""
        lines.append(VersionLine(version.name, kind, *figures, state, why, action))
    return lines


def _number(name: str) -> int:
    return int(name[1:])


def _by(use: Use) -> str:
    return f" by {use.person}" if use.person else ""


def _told(line: VersionLine) -> str:
    return (
        f"{line.name}, {line.state}: held-out dice {line.dice:.3f} with {line.labels}"
        f" {plural(line.labels, 'label')}. {line.why}"
    )


def _add_quality(context: Context, page: Page) -> None:
    submits = live_quality.read(context.storage, context.folder)
    page.agreements = [each for each in submits if each.shown]
    page.time_spent = summarise_time(submits, page.state.defaults.unmasked_share)
    shown = page.agreements[-SUBMITS_SHOWN:]
    if not shown:
        return
    first = len(page.agreements) - len(shown) + 1
    page.names |= context.task_names(each.task for each in shown)
    values = [
        Value(
            first + place,
            each.dice,
            f"{page.call(each.task)}, {each.time[:10]}: dice {each.dice:.2f} with the mask of {each.version}",
        )
        for place, each in enumerate(shown)
    ]
    changes = [
        (first + place, each.version)
        for place, each in enumerate(shown)
        if place == 0 or each.version != shown[place - 1].version
    ]
    page.live = chart(values, line=running_median, bounds=changes)


def _add_archive(context: Context, page: Page) -> None:
    page.archive = read_archive(context)


def _forecast_chart(expected: Forecast, call: Callable[[int], str]) -> Chart:
    values = [Value(0, expected.before, f"now: {expected.before:.2f}", "now")]
    for number, (task, dice) in enumerate(expected.steps, start=1):
        kind = "batch" if number <= expected.batch else "beyond"
        values.append(
            Value(
                number, dice, f"with {number} more {plural(number, 'label')}, {call(task)}: {dice:.2f}", kind
            )
        )
    return chart(values)
