"""Training a network from scratch on labelled images, the same way for f_L, for every f_k, and for every
rival."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from model.arrays import Image, Mask
from model.errors import DivergedError, TooFewLabelsError
from model.network.augmentation import CropSampler
from model.network.checkpoint import TrainedModel
from model.network.device import autocast, default_device, describe, wait_for
from model.network.folder import all_finite
from model.network.loss import segmentation_loss
from model.network.recipe import Recipe
from model.network.unet import build_network, memory_format

OnStep = Callable[[int, int], None]

WARM_UP = 0.15  # share of the steps in which the learning rate rises
GRADIENT_NORM = (
    1.0  # gradients are clipped to it; single images with odd contrast throw the first steps otherwise
)


def train(
    images: Sequence[Image],
    labels: Sequence[Mask],
    *,
    classes: int,
    recipe: Recipe,
    seed: int,
    steps: int | None = None,
    on_step: OnStep | None = None,
    device: torch.device | None = None,
) -> TrainedModel:
    """Train a network from scratch on float32 (H, W, 3) images and uint8 (H, W) class ids;
    sizes may differ between images.

    Minimises soft dice + cross-entropy (the latter also teaches where a mask has no foreground at all) with
    AdamW under a one-cycle schedule, for `steps` (default: the recipe's) steps.
    `on_step(step, steps)` is called after each step, and may raise to cancel; a GPU, which nothing waits for
    in between, may be some steps behind.
    On a CPU the result depends only on the arguments and the number of threads.
    """
    if not images or len(images) != len(labels):
        raise TooFewLabelsError(
            f"Found {len(images)} images and {len(labels)} masks to train on, expected one mask for each"
            " image and at least one: label an image first."
        )
    started = time.perf_counter()
    device = device or default_device()
    steps = steps or recipe.steps
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = build_network(
            recipe.encoder, classes, width=recipe.width, depth=recipe.depth, weights=recipe.pretrained
        )
    network = network.to(device).to(memory_format=memory_format(recipe.encoder, device)).train()
    record = {
        "seed": seed,
        "steps": steps,
        "images": len(images),
        "machine": describe(device, recipe.precision),
    }
    model = TrainedModel(network, classes, recipe, record)
    sampler = CropSampler(images, labels, recipe.crop, seed, device, memory_format(recipe.encoder, device))
    _optimise(model, sampler, steps, on_step)
    wait_for(device)
    if not all_finite(network.state_dict().values()):
        raise DivergedError(
            f"The training has come apart: its weights are no numbers after {steps} steps. Lower the"
            f" learning_rate, which is {recipe.learning_rate:g}; if it is the usual one, look at the images."
        )
    network.eval()
    record["seconds"] = round(time.perf_counter() - started, 2)
    return model


def _optimise(model: TrainedModel, sampler: CropSampler, steps: int, on_step: OnStep | None) -> None:
    network, recipe, device = model.network, model.recipe, model.device
    groups = _parameter_groups(network, recipe)
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=steps + 1, pct_start=WARM_UP)
    for step in range(1, steps + 1):
        crops, targets = sampler.sample(recipe.batch)
        with autocast(device, recipe.precision):
            logits = network(crops)
        loss = segmentation_loss(logits.float(), targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        if on_step is not None:
            on_step(step, steps)


def _parameter_groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """What is trained, each part at its rate. An encoder that learns more slowly keeps the statistics of its
    batch normalisation: those of a few crops would undo what it knows."""
    if recipe.encoder_rate == 1:
        return [{"params": list(network.parameters()), "lr": recipe.learning_rate}]
    encoder = network.get_submodule("encoder").eval()
    inner = list(encoder.parameters())
    outer = [each for name, each in network.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": outer, "lr": recipe.learning_rate}]
    if recipe.encoder_rate == 0:
        encoder.requires_grad_(False)
    else:
        groups.append({"params": inner, "lr": recipe.learning_rate * recipe.encoder_rate})
    return groups
