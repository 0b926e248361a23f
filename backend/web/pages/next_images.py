"""The next images of a project as its page shows them: picture, reason, and what is said of the mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.project.explanation import call_image, image_of
from backend.project.next_masks import NextMasks
from backend.project.project_status import NextTask
from backend.store.round_pictures import NO_PICTURE, Picture
from model.reason import describe_reason, summarise_reason, summary_parts


@dataclass(frozen=True)
class NextImage:
    """One of the next tasks. The reason is in three parts, so that the image that it names can be a link."""

    task: int
    in_batch: bool
    reason: str  # in short, up to the image that is named
    named: int  # the task of that image, 0 where none is named
    rest: str
    figures: str  # the same with its figures; empty where there are none
    name: str
    picture: bool
    named_picture: bool  # whether there is one of the image that is named
    hidden: bool  # shown without its mask
    mask: str  # why it has no mask, in words; empty where it has one, or nothing is known
    served_to: int | None  # people who are still served it, where some have skipped it


def next_image(
    place: NextTask, names: Mapping[int, str], pictures: Mapping[str, Picture], masks: NextMasks
) -> NextImage:
    """One of the next tasks; `names` of files by task, `pictures` of the round by task id."""
    known = pictures.get(str(place.task), NO_PICTURE)
    before, _, rest = summary_parts(place.reason)
    named = image_of(place.reason)
    figures = describe_reason(place.reason, lambda image: call_image(image, names))
    short = summarise_reason(place.reason, lambda image: call_image(image, names))
    return NextImage(
        place.task,
        place.in_batch,
        before,
        named,
        rest,
        "" if figures == short else figures,
        str(known.get("name", "")) or place.name,
        bool(known.get("picture")),
        bool(pictures.get(str(named), NO_PICTURE).get("picture")),
        bool(known.get("hidden")),
        masks.explain(place.task, known),
        place.served_to,
    )
