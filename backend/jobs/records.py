"""The records of written rounds, for those who only read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.jobs.context import Context

RECORD = "record.json"


def number_of(name: str) -> int:
    """7 of "v3.r7"; 0 for anything else."""
    number = name.rpartition(".r")[2]
    return int(number) if ".r" in name and number.isdigit() else 0


def round_names(context: Context) -> list[str]:
    """All rounds in the storage, oldest first."""
    return sorted((name for name in context.storage.names(f"{context.folder}/rounds") if number_of(name)), key=number_of)


def current_record(context: Context) -> dict[str, Any] | None:
    """The record of the round in force, None before the first."""
    pointer = context.storage.read_json(f"{context.folder}/current-round.json", fresh=True)
    return context.storage.read_json(f"{context.folder}/rounds/{pointer['round']}/{RECORD}") if pointer else None
