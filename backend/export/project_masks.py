"""All masks of a project into a folder, with their images and the model that draws them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.errors import BackendError, LabelStudioError, RegionError, TaskImageError, VersionError
from backend.export.sources import Source, Sources, draw_label
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.labelstudio.client import TASKS_A_PAGE
from backend.labelstudio.http.answers import Task
from backend.labelstudio.images import one_image
from backend.labelstudio.names import original_name
from backend.project.context import Context, Setup
from backend.project.task_data import DOWNLOADS
from backend.stopping import in_threads
from backend.store.round_record import expected_dice
from backend.store.versions import NO_VERSION
from model.arrays import Mask
from model.data.images.header import displayed_size
from model.data.images.reading import decode_raw
from model.errors import CheckpointError, ModelError, OutputError
from model.export.file_names import name_apart, safe_stem
from model.export.folder import ExportFolder
from model.export.formats import encode_image
from model.export.mask_format import MaskFormat
from model.export.objects import Objects
from model.network.checkpoint import TrainedModel

log = logging.getLogger(__name__)

CHUNK = 64
"""Tasks whose images are fetched together, ahead of their masks."""
MODEL, ONNX = "model", "model/model.onnx"
OnProgress = Callable[[str, int, int], None]


@dataclass
class Exported:
    """What came of an export."""

    images: int = 0
    """Of the project."""
    labels: int = 0
    predictions: int = 0
    version: str = ""
    """That drew the predictions; empty without a model."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with an image or a label, each naming its task."""
    renamed: list[str] = field(default_factory=list)
    """Names under which images are written whose own name another image has."""
    moved: list[str] = field(default_factory=list)
    """Files of an earlier export that this one has no more."""
    notes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """How many masks there are, in words."""
        labels = f"{self.labels} label{'' if self.labels == 1 else 's'}"
        predicted = f", {self.predictions} masks of {self.version}" if self.version else ""
        missing = self.images - self.labels - self.predictions
        return f"{labels}{predicted}{f', {missing} images without a mask' if missing > 0 else ''}"


def export_masks(
    context: Context,
    out: Path,
    *,
    mask_format: MaskFormat = MaskFormat.PNG,
    force: bool = False,
    onnx: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> Exported:
    """Write the best mask of each image into `masks/` (labels) and `predicted/`, the images into `images/`,
    the model into `model/`, and `index.csv`, which says of each mask where it comes from.

    An unfinished export of the same project goes on, with the version of the model that it began with.
    One damaged image or label stops nothing.
    Raises OutputError for a folder that cannot be used, BackendError where nothing can be exported,
    UnreachableError when Label Studio goes away meanwhile.
    """
    setup = context.setup()
    tasks: list[Task] = []
    for task in context.client.pages(context.project_id, [], TASKS_A_PAGE):
        tasks.append(task)
        if len(tasks) % TASKS_A_PAGE == 0:
            on_progress("Reading the project", len(tasks), max(len(tasks), setup.project.tasks))
    version = context.versions.current() or NO_VERSION
    if version == NO_VERSION and not context.client.count(context.project_id, "labelled"):
        raise BackendError(
            f"Project {context.project_id} has no mask to export yet: none of its {len(tasks)} images is"
            " labelled, and there is no model. Label an image, and submit it."
        )
    project = context.project_id
    about = {"what": f"project {project} of {context.client.url}", "project": project}
    done = Exported(images=len(tasks))
    with ExportFolder(
        out, about, setup.config.labels, mask_format, force=force, chosen={"version": version}
    ) as folder:
        version = _still_there(context, folder.chosen("version"), version)
        done.version = "" if version == NO_VERSION else version
        names = _names(setup, tasks, folder.stems, done)
        _Export(context, setup, folder, names, done, mask_format).write(tasks, on_progress)
        extra = _write_model(context, version, folder.path, onnx, done) if done.version else []
        done.moved = folder.finish(extra)
    return done


def _still_there(context: Context, begun_with: str, now: str) -> str:
    return begun_with if begun_with in (NO_VERSION, *context.versions.names()) else now


def _names(setup: Setup, tasks: list[Task], known: Mapping[str, str], done: Exported) -> dict[str, str]:
    """The stem under which each task's image is written, by task id; those `known` stay."""
    wanted = [
        (str(task["id"]), safe_stem(original_name(task, setup.config), f"task-{task['id']}"))
        for task in tasks
    ]
    names, second = name_apart(wanted, known)
    done.renamed += [names[key] for key in second]
    return names


class _Export:
    """One run over the tasks of a project."""

    def __init__(
        self,
        context: Context,
        setup: Setup,
        folder: ExportFolder,
        names: dict[str, str],
        done: Exported,
        mask_format: MaskFormat,
    ) -> None:
        self.context = context
        self.setup = setup
        self.folder = folder
        self.names = names
        self.done = done
        self.objects = mask_format.of_objects
        self.annotator = self._annotator()
        created = context.versions.record(done.version).created if done.version else ""
        self.sources = Sources(
            done.version if self.annotator else NO_VERSION,
            created,
            _people(context),
            expected_dice(context.storage, context.project_id),
        )

    def _annotator(self) -> PreAnnotator | None:
        """What draws the masks; None without a model, or where all of its labels are gone."""
        if not self.done.version:
            return None
        try:
            labels = self.context.versions.record(self.done.version).labels
            annotator = PreAnnotator(self.context.versions.load(self.done.version), labels, self.setup.config)
        except (VersionError, CheckpointError) as error:
            self.done.notes.append(f"No mask is predicted: {error}")
            return None
        if annotator.outdated:
            self.done.notes.append(annotator.outdated)
        return annotator if self.setup.config.has_any(labels) else None

    def write(self, tasks: list[Task], on_progress: OnProgress) -> None:
        """Write what is not written yet."""
        before, number = self.folder.resumed, 0
        stream = iter(self.context.client.tasks(self.context.project_id))
        while chunk := [self.sources.of(task) for task in islice(stream, CHUNK)]:
            for source in self._fetched(chunk):
                if source is not None:
                    self._write(source)
                number += 1
                self.done.images = max(self.done.images, number)
                if number >= before or number == len(tasks):
                    on_progress("Writing masks", min(number, len(tasks)), len(tasks))

    def _fetched(self, chunk: list[Source]) -> Iterator[Source | None]:
        """Those that are to be written, with their images in the cache; None for each that is done."""
        due = [source for source in chunk if not self._is_done(source)]
        wanted = {id(source) for source in due}
        with closing(in_threads(self._fetch, due, DOWNLOADS)) as fetched:
            for source in chunk:
                yield next(fetched) if id(source) in wanted else None

    def _is_done(self, source: Source) -> bool:
        if not self.folder.is_done(str(source.task["id"]), source.fingerprint, source.row):
            return False
        self._count(source)
        return True

    def _count(self, source: Source) -> None:
        self.done.labels += source.annotation is not None
        self.done.predictions += source.annotation is None and self.annotator is not None

    def _fetch(self, source: Source) -> Source:
        with suppress(TaskImageError, ModelError):  # told when it is its turn
            self.context.image(source.task, self.setup.config)
        return source

    def _write(self, source: Source) -> None:
        key, name = str(source.task["id"]), original_name(source.task, self.setup.config)
        if key not in self.names:  # imported since the export began
            self.names = _names(self.setup, [source.task], self.names, self.done)
        content, size = self._image(source)
        try:
            with one_image(key):
                mask, objects = self._mask(source, content, size)
                image = encode_image(content, name or f"task {key}") if content is not None else None
                self.folder.add(
                    key,
                    self.names[key],
                    mask,
                    # Without its image it is not done: the image may come back.
                    fingerprint=source.fingerprint if image else "",
                    folder=source.folder,
                    row=source.row,
                    image=image,
                    objects=objects,
                )
        except OutputError:
            raise
        except (TaskImageError, RegionError, ModelError) as error:
            self.done.problems.append(str(error))
            return
        self._count(source)

    def _image(self, source: Source) -> tuple[bytes | None, tuple[int, int] | None]:
        """The image file of a task and its size; of a damaged one the size alone, if it tells that."""
        key, size = source.task["id"], None
        try:
            content = self.context.image(source.task, self.setup.config)
            size = displayed_size(content, f"task {key}")
            if source.annotation is not None:  # what is predicted is decoded for it
                with self.context.work_on(key, content):
                    decode_raw(content, f"task {key}")
            return content, size
        except (TaskImageError, ModelError) as error:
            rest = " Its label is exported without it." if source.annotation is not None else ""
            self.done.problems.append(f"{error}{rest}")
            return None, size

    def _mask(
        self, source: Source, content: bytes | None, size: tuple[int, int] | None
    ) -> tuple[Mask | None, Objects | None]:
        name = f"task {source.task['id']}"
        if source.annotation is not None:
            where = f"{name}, annotation {source.annotation.get('id')}"
            return draw_label(source.annotation, self.setup.config, size, name=where, objects=self.objects)
        if content is None or self.annotator is None:
            return None, None
        with self.context.work_on(source.task["id"], content):
            return self.annotator.predict(content, name)[0], None


def _people(context: Context) -> dict[int, str]:
    """E-mail addresses by user, as far as the key may see them."""
    try:
        return context.client.users()
    except LabelStudioError as error:
        if error.passing:
            raise
        log.warning("annotators are named by their numbers: %s", error)
        return {}


def _write_model(context: Context, version: str, out: Path, onnx: bool, done: Exported) -> list[str]:
    """The folder that `python -m model predict` reads; returns the files."""
    try:
        model = context.versions.load(version)
        # File by file: a folder that is saved takes the place of whatever lies there.
        with TemporaryDirectory(prefix=".model-", dir=out) as beside:
            model.save(Path(beside) / MODEL)
            (out / MODEL).mkdir(exist_ok=True)
            written = []
            for path in sorted((Path(beside) / MODEL).iterdir()):
                path.replace(out / MODEL / path.name)
                written.append(f"{MODEL}/{path.name}")
        if onnx and isinstance(model, TrainedModel):
            from model.network.onnx_file import write_onnx

            write_onnx(model, out / ONNX, context.versions.record(version).labels)
            written.append(ONNX)
        elif onnx:
            done.notes.append(
                f"No ONNX file: the model in use, {version}, is a pixel classifier, which ONNX cannot hold;"
                f" {out / MODEL} works with python -m model predict."
            )
        return written
    except (VersionError, CheckpointError) as error:
        done.notes.append(f"The model is not exported whole: {error}")
        return []
    except OSError as error:
        raise OutputError(
            f"{out / MODEL} cannot be written ({error.strerror or error}); check that the disk has room. The"
            " same command goes on from there."
        ) from error
