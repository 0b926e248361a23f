"""Which masks of the order in force are drawn by now, and why an image has none."""

from __future__ import annotations

from collections.abc import Collection

from redis import Redis

from backend.labelstudio.order.priorities import masks_wanted
from backend.project.missing_images import Lacks
from backend.queue.connection import Keys, as_text
from backend.store.round_pictures import Picture
from backend.store.round_record import RoundRecord
from backend.store.versions import NO_VERSION

ON_PURPOSE = "shown without a mask on purpose (unmasked_share)"
UNREADABLE = "no mask: its image cannot be read"
NOTHING_FOUND = "no mask: the model finds nothing in it"
NOT_YET = "no mask yet: it is drawn when the machine has time"
OF_BEFORE = "still with a mask of an earlier model, if any: a new one is drawn when the machine has time"
"""Why an image opens without a mask, or with an old one."""


class NextMasks:
    """Which masks of an order are drawn by now."""

    def __init__(self, redis: Redis, project_id: int, record: RoundRecord) -> None:
        keys = Keys(project_id)
        self._record = record
        self._drawn = {int(each) for each in redis.smembers(keys.drawn(record.round))}
        fields = (as_text(each).partition(":") for each in redis.hkeys(keys.missing))
        self._missing = {int(number) for what, _, number in fields if what == Lacks.MASK}

    def count_undrawn(self, left: Collection[int]) -> int:
        """How many of the tasks left get their mask only when there is time; 0 where it is not known."""
        if not self._is_known or self._record.over:
            return 0
        order = [task for task in self._record.order if task in left]
        return len(set(masks_wanted(order)) - self._drawn - self._missing)

    def explain(self, task: int, picture: Picture) -> str:
        """Why a task has no mask; empty where it has one, or nothing is known."""
        if picture.get("hidden"):
            return ON_PURPOSE
        if self._record.version == NO_VERSION:
            return ""
        unread = task in self._drawn and bool(picture["name"]) and not picture["picture"]
        if task in self._missing or str(task) in self._record.unreadable or unread:
            return UNREADABLE
        if not picture.get("mask", True):
            return NOTHING_FOUND
        if task in self._drawn or not self._is_known:
            return ""
        return OF_BEFORE if self._record.over else NOT_YET

    @property
    def _is_known(self) -> bool:
        return bool(self._drawn)  # after a week it is forgotten
