"""Rows of the similarity d:
how well a network trained on one pseudo-labelled image predicts every other (Eq. 2)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.arrays import Mask
from model.files import write_bytes
from model.hashing import digest
from model.network.dice import dice

if TYPE_CHECKING:
    from model.similarity.round import Round


def train_row(round_: Round, k: str, labels: Mapping[str, Mask] | None = None) -> dict[str, float]:
    """Row k of d:
    f_k trained from scratch on (x_k, y_k) alone (step 3), then d(x_k, x_i) = dice(f_k(x_i), y_i) for all i
    (Eq. 2, step 4).

    `labels` are the masks to use as y, default the pseudo-labels. Returns dice in [0, 1] by image id;
    d(x_k, x_k) = 1 by definition.
    """
    labels = round_.pseudo_labels if labels is None else labels
    masks = zip(round_.ids, predictions_of(round_, k, labels[k]), strict=True)
    return {identity: dice(mask, labels[identity], round_.classes) for identity, mask in masks} | {k: 1.0}


def predictions_of(round_: Round, k: str, label: Mask) -> Iterator[Mask]:
    """f_k(x_i) of every image, in the order of ids:
    uint8 (H, W) class ids, of f_k trained on (x_k, label) alone."""
    from model.network.inference import predict_masks

    network = round_.train(
        f"Training on {k} alone", (k,), row_seed(round_.seed, k), {k: label}, round_.recipe.row_steps
    )
    return predict_masks(network, (round_.images[identity] for identity in round_.ids))


def row_seed(seed: int, k: str) -> int:
    """The seed of f_k: its own for each image, the same in every run of the round."""
    return int(digest(seed, k)[:7], 16)


class RowStore:
    """The finished rows of one round, a file each, so that an interrupted round goes on where it was."""

    def __init__(self, folder: Path, fingerprint: str, ids: Sequence[str]) -> None:
        """Rows of all `ids`; `fingerprint` identifies what they are computed from:
        rows of another one are not seen."""
        self.folder = folder
        self.ids = ids
        self.fingerprint = fingerprint

    def get(self, k: str) -> dict[str, float] | None:
        """Row k by image id, or None when it is not there, not whole, or computed from something else."""
        try:
            content = json.loads(self._path(k).read_text())
            if content["fingerprint"] != self.fingerprint or content["image"] != k:
                return None
            return {identity: float(content["row"][identity]) for identity in self.ids}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, k: str, row: Mapping[str, float]) -> None:
        """Keep row k; it appears whole or not at all."""
        content = {
            "fingerprint": self.fingerprint,
            "image": k,
            "row": {identity: round(value, 6) for identity, value in row.items()},
        }
        write_bytes(self._path(k), json.dumps(content).encode())

    def _path(self, k: str) -> Path:
        return self.folder / self.file_of(k)

    @staticmethod
    def file_of(k: str) -> str:
        """The name of the file of row k; ids may hold any character."""
        return f"{digest(k)}.json"
