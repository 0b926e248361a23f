"""The records of written rounds, for those who only read them."""

from __future__ import annotations

from typing import Any

from backend.store.storage import Storage

RECORD = "record.json"


def number_of(name: str) -> int:
    """7 of "v3.r7"; 0 for anything else."""
    number = name.rpartition(".r")[2]
    return int(number) if ".r" in name and number.isdigit() else 0


def round_names(storage: Storage, project_id: int) -> list[str]:
    """All rounds of a project in the storage, oldest first."""
    return sorted((name for name in storage.names(f"projects/{project_id}/rounds") if number_of(name)), key=number_of)


def round_in_force(storage: Storage, project_id: int) -> dict[str, Any] | None:
    """The record of the round in force, None before the first."""
    folder = f"projects/{project_id}"
    pointer = storage.read_json(f"{folder}/current-round.json", fresh=True)
    return storage.read_json(f"{folder}/rounds/{pointer['round']}/{RECORD}") if pointer else None
