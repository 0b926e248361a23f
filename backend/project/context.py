"""What every job needs: settings, connections and storage, opened once per process;
and the project it works for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import SettingsError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.images import Failures, fetch, one_image, require_size
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.labelstudio.order.unmasked import Unmasked
from backend.labelstudio.project import Project
from backend.labelstudio.task_list import TaskList, read_tasks
from backend.project.connection import own_service, read_instance
from backend.project_settings import ProjectSettings, parse_project_settings
from backend.queue import pending_work
from backend.queue.connection import Keys, connection
from backend.queue.in_hand import InHand
from backend.queue.project_info import ProjectInfo
from backend.queue.task_names import read_names
from backend.settings import Settings, get_settings
from backend.store.storage import Storage
from backend.store.versions import NO_VERSION, Versions
from model.network.recipe import Recipe


@dataclass
class Context:
    """One project seen from one job. `client`, `redis` and `storage` are shared by the process."""

    project_id: int
    settings: Settings
    redis: Redis
    client: LabelStudio
    storage: Storage
    job_id: str = ""
    """The rq job that works on it; empty in the web server."""

    @cached_property
    def keys(self) -> Keys:
        """The project's Redis keys."""
        return Keys(self.project_id)

    @cached_property
    def versions(self) -> Versions:
        """The project's model versions."""
        return Versions(self.storage, self.project_id)

    @property
    def version(self) -> str:
        """The version in use, as Label Studio is told: NO_VERSION before the first."""
        hint = ProjectInfo.load(self.redis, self.project_id).version
        if hint is not None:
            return hint or NO_VERSION
        return self.versions.current() or NO_VERSION

    @cached_property
    def folder(self) -> str:
        """Name of the project's folder in the storage."""
        return f"projects/{self.project_id}"

    @cached_property
    def image_cache(self) -> Path:
        """Folder of this machine that keeps downloaded images."""
        folder = self.settings.model_dir.resolve() / "cache" / f"project-{self.project_id}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def feature_folder(self) -> Path:
        """Where this machine keeps the features of images, of all projects."""
        return self.storage.path("features")

    @cached_property
    def failures(self) -> Failures:
        """Images that did not come while this context is used, by one job or request."""
        return Failures()

    @cached_property
    def unreadable(self) -> dict[int, Exception]:
        """What is wrong with images, by task id, that are not tried while this context is used."""
        return {}

    @cached_property
    def in_hand(self) -> InHand:
        """The images that are worked on."""
        return InHand(self.redis, self.project_id, self.job_id)

    @contextmanager
    def work_on(self, task_id: int | str, content: bytes) -> Iterator[None]:
        """Work on the image of a task:
        whatever goes wrong within is that image's fault, and the others go on. Raises TaskImageError."""
        with one_image(task_id), self.in_hand.work(task_id, content):
            yield

    def image(self, task: Mapping[str, Any], config: LabelConfig) -> bytes:
        """The image file of a task, which is no larger than can be worked on here.
        Raises TaskImageError and ImageError, naming the task.

        Raises UnreachableError and ApiKeyError when no image could be fetched at all.
        """
        number = task["id"]
        if known := self.unreadable.get(int(number)):
            raise known.with_traceback(None)  # or each call adds its frames, and what is in them
        self.in_hand.require_harmless(number)
        with one_image(number):
            content = fetch(
                self.client,
                dict(task),
                config,
                self.image_cache,
                failures=self.failures,
                guard=lambda content: self._small_enough(number, content),
            )
            require_size(content, number, self.settings.most_pixels)
        return content

    @contextmanager
    def _small_enough(self, task_id: int | str, content: bytes) -> Iterator[None]:
        require_size(content, task_id, self.settings.most_pixels)
        with self.in_hand.work(task_id, content):
            yield

    def list_tasks(self, *, whole: bool = False) -> TaskList:
        """The project's tasks as they are now; `whole`: all are listed, as for a round that a person asks
        for."""
        return read_tasks(self.client, self.project_id, self.image_cache, whole=whole)

    def setup(self) -> Setup:
        """The project as it is in Label Studio now.
        Raises UnknownProjectError, ConfigError, SettingsError."""
        project = self.client.project(self.project_id)
        return Setup(project, parse(project.label_config), self.project_settings(), self.settings)

    def project_settings(self) -> ProjectSettings:
        """The extra params of the project's connection to this service, over the service's defaults:
        as its last call of /setup told them, so that Label Studio is seldom asked."""
        told = self._told()
        return parse_project_settings(self._asked() if told is None else told, self.settings.project_defaults)

    def _told(self) -> str | None:
        """None where Redis does not know, or not that a single connection tells them."""
        try:
            info = ProjectInfo.load(self.redis, self.project_id)
        except RedisError:
            return None
        return info.extra_params if info.connections == 1 else None

    def _asked(self) -> str | dict[str, Any] | None:
        """Of the connection that holds. Label Studio writes each one that it lists back as it has read it:
        a change that somebody saves in that moment is lost."""
        backends = self.client.ml_backends(self.project_id)
        own = own_service(self.settings, read_instance(self.redis)).of_these(backends)
        chosen = own[0] if own else (backends[0] if len(backends) == 1 else {})
        return chosen.get("extra_params")

    def task_names(self, tasks: Iterable[int]) -> dict[int, str]:
        """The file names of tasks, as far as they are known."""
        return read_names(self.redis, self.project_id, tasks)

    def note(self, subject: str, text: str) -> None:
        """Keep a warning for the status, in place of an earlier one on the subject;
        an empty text removes it."""
        if text:
            self.redis.hset(self.keys.notes, subject, text)
        else:
            self.redis.hdel(self.keys.notes, subject)

    def note_error(self, kind: str, job_id: str, message: str) -> None:
        """Keep the last error of a kind of job for the status; an empty message removes it."""
        pending_work.note_error(self.redis, self.project_id, kind, job_id, message)


@dataclass(frozen=True)
class Setup:
    """A project's configuration and settings at one moment."""

    project: Project
    config: LabelConfig
    options: ProjectSettings
    settings: Settings = field(repr=False)

    @property
    def unmasked(self) -> Unmasked:
        """The images that are shown without a mask."""
        return Unmasked(self.project.id, self.options.unmasked_share)

    @cached_property
    def recipe(self) -> Recipe:
        """How this project's networks are built and trained:
        its own settings, over the service's, over the device's."""
        # Here, as it loads torch: only jobs ask for the recipe, and the web server has no use for it.
        from model.network.device import default_device, default_width

        width = {"width": default_width(default_device())}
        try:
            return Recipe.from_dict({**width, **self.settings.recipe, **self.options.recipe})
        except Exception as error:
            raise SettingsError(f"RECIPE: {error}") from error


@lru_cache(maxsize=1)
def _client(url: str, key: str, public_url: str | None, image_hosts: tuple[str, ...]) -> LabelStudio:
    return LabelStudio(url, key, public_url=public_url, image_hosts=image_hosts)


def open_context(project_id: int, settings: Settings | None = None) -> Context:
    """The context of a job in this process. Raises SettingsError."""
    settings = settings or get_settings()
    client = _client(
        settings.label_studio_url,
        settings.api_key,
        settings.label_studio_public_url,
        settings.allowed_image_hosts,
    )
    return Context(project_id, settings, connection(settings), client, Storage.of(settings))
