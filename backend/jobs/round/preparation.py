"""What a round leaves for the status page, beside its order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backend.errors import StoppedError
from backend.jobs.round.pictures import draw_pictures, keep_expected, keep_similarity
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.order.unmasked import Unmasked
from backend.project.context import Context
from backend.project.explanation import image_of
from backend.store.shown_masks import DrawnMasks
from model.reason import Reason
from model.strategies.base import Comparison

REASONS = 20
"""Places from the start of the order whose reasons are told with the picture of the image that they name."""
log = logging.getLogger(__name__)


def prepare(
    context: Context,
    round_name: str,
    version: str,
    config: LabelConfig,
    order: Sequence[int],
    regions: Mapping[int, Sequence[Region]],
    on_progress: Callable[[str, int, int], None],
    *,
    unmasked: Unmasked,
    reasons: Mapping[int, Reason | str],
    tasks: Mapping[int, Mapping[str, Any]] | None = None,
    comparison: Comparison | None = None,
    expected: Mapping[str, float] | None = None,
    labelled: Sequence[str] = (),
) -> None:
    """Keep the masks drawn on an order (`regions` by task id), pictures of its first tasks, and what it was
    decided from. Those of `unmasked` images are kept to be compared with the labels, and are not shown.
    `reasons` of the places, by task id. `expected` is the dice of each image where none were compared.

    To be called before the order is put in force. `tasks` are those at hand;
    others are asked of Label Studio.
    """
    folder = f"{context.folder}/rounds/{round_name}"
    try:
        hidden = unmasked.among(order)
        DrawnMasks(context.storage, context.folder).keep(round_name, version, regions, hidden)
        named = [image_of(reasons[task]) for task in order[:REASONS] if task in reasons]
        draw_pictures(
            context,
            folder,
            config,
            order,
            regions,
            tasks or {},
            on_progress,
            hidden=hidden,
            named=[task for task in named if task],
        )
        if comparison is not None:
            keep_similarity(context, folder, comparison, labelled)
        elif expected:
            keep_expected(context, folder, expected)
    except StoppedError:
        raise
    except Exception:  # annotators need the order, whatever becomes of the page
        log.exception("%s: the status page will lack pictures or figures of it", round_name)
