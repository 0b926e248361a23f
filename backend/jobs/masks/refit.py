"""Masks on show after a change of the labelling configuration:
those that no longer fit are changed where they are, or emptied."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing

from backend import stopping
from backend.errors import RegionError
from backend.jobs.masks.predict_masks import note_drawn
from backend.labelstudio.client import ID, IDS_A_PAGE, UNLABELLED
from backend.labelstudio.http.answers import Region, condition
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import fits, from_mask, to_mask
from backend.project.context import Context
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.store.round_record import RoundRecord
from backend.store.shown_masks import DrawnMasks
from model.data.images.header import MAX_PIXELS
from model.hashing import digest

log = logging.getLogger(__name__)

WORKERS = 4
"""Requests to Label Studio at a time."""


def drawn_for(config: LabelConfig) -> str:
    """A digest of what regions refer to: they fit any configuration of the same."""
    return digest(
        [
            config.image_name,
            [[control.name, control.kind.value, *control.labels] for control in config.controls],
        ]
    )


def refit_masks(context: Context, config: LabelConfig, record: RoundRecord, progress: Progress) -> int:
    """Have the masks of the order in force fit the configuration as it is now; returns how many were changed.

    In place, because a page that is open names its prediction, and the places stay.
    What is said by a control of another name or kind is drawn with those there are now;
    labels that the configuration does not have any more go. Looks only where it has changed.
    """
    now = f"{record.served_as} {drawn_for(config)}"
    before = ProjectInfo.load(context.redis, context.project_id).masks_fit or ""
    if before == now:
        return 0
    same_round = before.partition(" ")[0] == record.served_as
    # A record of an earlier edition does not say what its masks were drawn for: what the first sync finds.
    known = (
        before.partition(" ")[2]
        if same_round
        else (record.drawn_for if record.drawn_for is not None else drawn_for(config))
    )
    changed = 0 if known == drawn_for(config) else _refit(context, config, record, progress)
    ProjectInfo(masks_fit=now).save(context.redis, context.project_id)
    return changed


def _refit(context: Context, config: LabelConfig, record: RoundRecord, progress: Progress) -> int:
    round_name, served = record.round, record.served_as
    changed: dict[int, list[Region]] = {}
    showing: list[int] = []

    def change(task: int) -> None:
        for prediction, before in context.client.task_regions(task, served).items():
            regions = refitted(before, config)
            if regions:
                showing.append(task)
            if regions != before:
                changed[task] = regions  # before Label Studio answers, as the job may be stopped meanwhile
                if not context.client.update_prediction(prediction, result=regions):
                    del changed[task]

    masked = [*UNLABELLED, condition("predictions_results", "contains", '"original_width"', "String")]
    tasks = [int(task["id"]) for task in context.client.pages(context.project_id, masked, IDS_A_PAGE, ID)]
    try:
        with closing(stopping.in_threads(change, tasks, WORKERS, wait=True)) as fitted:
            for done, _ in enumerate(fitted, start=1):
                progress("Fitting the masks to the changed labels", done, len(tasks))
                progress.check()
    finally:  # what was changed until it was stopped is on show as well
        DrawnMasks(context.storage, context.folder).keep(round_name, str(record.version), dict(changed))
    context.redis.delete(
        context.keys.drawn(round_name)
    )  # what shows nothing under the other labels may show something now
    note_drawn(context, round_name, showing)
    emptied = sum(not regions for regions in changed.values())
    log.warning(
        "the labelling configuration has changed: %d masks of %s changed, %d of them emptied",
        len(changed),
        round_name,
        emptied,
    )
    return len(changed)


def refitted(regions: Sequence[Region], config: LabelConfig) -> list[Region]:
    """The regions of a pre-annotation as the configuration can show them; the same where they fit it."""
    known = [region for region in regions if config.class_id(_label(region)) is not None]
    if all(fits(region, config) for region in known):
        return known
    first = known[0]
    confidence = [0.0] * config.classes
    for region in known:
        confidence[config.class_id(_label(region)) or 0] = float(region.get("score") or 0.0)
    try:
        size = (
            int(first["original_height"]),
            int(first["original_width"]),
        )  # whatever somebody has changed it to
        if not 0 < size[0] * size[1] <= MAX_PIXELS:
            raise ValueError(f"it claims {size[1]} x {size[0]} pixels")
        mask = to_mask(
            [{**region, "to_name": config.image_name} for region in known],
            config,
            size,
            name="a pre-annotation",
        )
    except (RegionError, ValueError, KeyError, TypeError) as error:
        log.warning("a pre-annotation cannot be drawn under the new configuration and is emptied: %s", error)
        return []
    return from_mask(mask, config, confidence if any(confidence) else None)


def _label(region: Region) -> str:
    labels = (region.get("value") or {}).get(str(region.get("type"))) or [""]
    return str(labels[0])
