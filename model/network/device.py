"""Where networks run: the device, its number format, and how wide a network it can afford."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

CPU_WIDTH = 16  # channels at full resolution; 1.9 M parameters: about 0.1 s for a 512x512 image on two cores
GPU_WIDTH = 64  # the classical width; 31 M parameters


def default_device() -> torch.device:
    """The first GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_width(device: torch.device) -> int:
    """Channels at full resolution that a device of this kind can train in minutes."""
    return GPU_WIDTH if device.type == "cuda" else CPU_WIDTH


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there (on a CPU without the instructions it is emulated, and
    slower)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(
        getattr(torch.cpu, probe, lambda: False)()
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


def number_format(device: torch.device, precision: str) -> str:
    """What a recipe's precision means there:
    "bfloat16" where it is asked for, or "auto" and the hardware has it; else "float32"."""
    return (
        "bfloat16" if precision == "bfloat16" or (precision == "auto" and has_bfloat16(device)) else "float32"
    )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """The context in which forward passes run, in the format of `number_format`."""
    return torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=number_format(device, precision) == "bfloat16"
    )


def wait_for(device: torch.device) -> None:
    """Until it has done what it was given; a GPU is steps behind the program that asks for them."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe(device: torch.device, precision: str) -> dict[str, str | int]:
    """What the speed of a network, and the last digits of its results, depend on beside its recipe:
    JSON-ready."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads(), "precision": number_format(device, precision)}
