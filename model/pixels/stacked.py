"""Small networks on the features of pixels, many trained at once as stacked weights.

Each network sees only its own pixels, in an order drawn from its own seed, and its gradient is clipped by its
own norm, so that it becomes the same, to rounding, whether it is trained alone or with a thousand others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy, one_hot

HIDDEN = 48
STEPS = 200
BATCH = 512
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2
WARM_UP = 0.1  # share of the steps in which the learning rate rises
GRADIENT_NORM = 1.0
TOGETHER = 64  # networks trained at once; bounds the memory whatever their number, as do the next two
PIXELS_TOGETHER = 500_000  # that they learn from, 420 MB; more for a network that has more
HIDDEN_TOGETHER = 2**24  # hidden values of a product, 64 MB

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Pixels:
    """What one network learns from: standardised features, float32 (P, channels), and class ids, (P,)."""

    features: npt.NDArray[np.float32]
    classes: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Networks:
    """K networks of one hidden layer: stacked weights, float32.

    hidden: (K, channels, H). hidden_bias: (K, 1, H). output: (K, H, classes). output_bias: (K, 1, classes).
    """

    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor

    @property
    def count(self) -> int:
        """K."""
        return len(self.hidden)

    @property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        """All weights, the first axis of each is that of the networks."""
        return self.hidden, self.hidden_bias, self.output, self.output_bias

    def each(self) -> list[Networks]:
        """K networks of one each (K = 1 in their shapes), which share these weights."""
        return [
            Networks(*(tensor[place : place + 1] for tensor in self.parameters))
            for place in range(self.count)
        ]

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Of standardised features, float32 (K, P, channels) of each network's own pixels,
        or (P, channels) of the same pixels for all: float32 (K, P, classes)."""
        return torch.cat([self._logits(part) for part in features.split(self._rows, dim=-2)], dim=1)

    @property
    def _rows(self) -> int:
        count, _, width = self.hidden.shape
        return max(1, HIDDEN_TOGETHER // (count * width))

    def _logits(self, features: torch.Tensor) -> torch.Tensor:
        if features.ndim == 3:
            hidden = torch.baddbmm(self.hidden_bias, features, self.hidden)
        else:  # one large product; pixels come last, so that nothing is moved in memory
            count, channels, width = self.hidden.shape
            joined = self.hidden.transpose(1, 2).reshape(count * width, channels)
            product = torch.addmm(self.hidden_bias.reshape(-1, 1), joined, features.T).relu_()
            turned = product.reshape(count, width, len(features))
            return torch.baddbmm(
                self.output_bias.transpose(1, 2), self.output.transpose(1, 2), turned
            ).transpose(1, 2)
        return torch.baddbmm(self.output_bias, hidden.relu(), self.output)


def train_networks(
    pixels: Sequence[Pixels],
    seeds: Sequence[int],
    *,
    classes: int,
    hidden: int = HIDDEN,
    steps: int = STEPS,
    batch: int = BATCH,
    learning_rate: float = LEARNING_RATE,
    on_step: OnStep | None = None,
) -> Networks:
    """Train one network for each entry of `pixels` from scratch, each with its seed.

    Minimises soft dice + cross-entropy with AdamW under a one-cycle schedule, `batch` pixels a step.
    `on_step(done, total)` counts the steps of all blocks, and may raise to cancel.
    """
    if not pixels or len(pixels) != len(seeds):
        raise ValueError(f"{len(pixels)} sets of pixels for {len(seeds)} seeds")
    for each in pixels:
        if len(each.classes) == 0 or each.classes.max() >= classes:
            highest = max(each.classes, default="none")
            raise ValueError(
                f"found class {highest} among the pixels of a network, expected 0 to {classes - 1}"
            )
    settings = (classes, hidden, steps, batch, learning_rate)
    blocks = list(split_blocks([len(each.classes) for each in pixels], PIXELS_TOGETHER))
    trained = []
    for number, part in enumerate(blocks):

        def count(step: int, before: int = number * steps) -> None:
            if on_step is not None:
                on_step(before + step, steps * len(blocks))

        trained.append(_train_block(pixels[part], seeds[part], settings, count))
    stacked = zip(*(each.parameters for each in trained), strict=True)
    return Networks(*(torch.cat(tensors) for tensors in stacked))


def split_blocks(counts: Sequence[int], most: int) -> Iterator[slice]:
    """Neighbours that are trained together, by the number of pixels of each: at most TOGETHER networks, and
    `most` pixels unless a single one has more."""
    first = total = 0
    for index, count in enumerate(counts):
        if index > first and (index - first == TOGETHER or total + count > most):
            yield slice(first, index)
            first, total = index, 0
        total += count
    yield slice(first, len(counts))


def _train_block(
    pixels: Sequence[Pixels],
    seeds: Sequence[int],
    settings: tuple[int, int, int, int, float],
    on_step: Callable[[int], None],
) -> Networks:
    classes, hidden, steps, batch, learning_rate = settings
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    networks = _initialise(generators, pixels[0].features.shape[1], hidden, classes)
    features = torch.from_numpy(np.concatenate([each.features for each in pixels]))
    targets = torch.from_numpy(np.concatenate([each.classes for each in pixels])).long()
    counts = [len(each.classes) for each in pixels]
    first = np.cumsum([0, *counts[:-1]])
    drawn = torch.stack(
        [
            torch.randint(count, (steps, batch), generator=generator, dtype=torch.int32) + int(start)
            for generator, count, start in zip(generators, counts, first, strict=True)
        ],
        dim=1,
    )
    parameters = [tensor.requires_grad_() for tensor in networks.parameters]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=steps + 1, pct_start=WARM_UP
    )
    for step in range(steps):
        at = drawn[step].long()
        losses = segmentation_losses(networks.logits(features[at]), targets[at], classes)
        optimiser.zero_grad(set_to_none=True)
        losses.sum().backward()
        clip_gradients(parameters)
        optimiser.step()
        schedule.step()
        on_step(step + 1)
    return Networks(*(tensor.detach() for tensor in parameters))


def _initialise(generators: Sequence[torch.Generator], channels: int, hidden: int, classes: int) -> Networks:
    """He initialisation (normal), each network from its own generator; biases 0."""
    first = torch.stack([torch.randn(channels, hidden, generator=own) for own in generators])
    second = torch.stack([torch.randn(hidden, classes, generator=own) for own in generators])
    count = len(generators)
    return Networks(
        first * (2 / channels) ** 0.5,
        torch.zeros(count, 1, hidden),
        second * (1 / hidden) ** 0.5,
        torch.zeros(count, 1, classes),
    )


def segmentation_losses(logits: torch.Tensor, targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Soft dice over the foreground classes that occur + cross-entropy, of float32 (K, P, classes) logits and
    int64 (K, P) class ids: float32 (K,)."""
    probabilities = logits.softmax(dim=2)
    truth = one_hot(targets, classes).to(probabilities)
    overlap = (probabilities * truth).sum(dim=1)[:, 1:]
    total = (probabilities.sum(dim=1) + truth.sum(dim=1))[:, 1:]
    occurs = (truth.sum(dim=1)[:, 1:] > 0).to(probabilities)
    dice_losses = ((1 - 2 * overlap / total.clamp(min=1e-6)) * occurs).sum(dim=1) / max(1, classes - 1)
    entropies = cross_entropy(logits.permute(0, 2, 1), targets, reduction="none").mean(dim=1)
    return dice_losses + entropies


def clip_gradients(parameters: Sequence[torch.Tensor]) -> None:
    """Scale the gradient of each network to at most GRADIENT_NORM."""
    gradients = [tensor.grad for tensor in parameters if tensor.grad is not None]
    norms = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients]).sum(dim=0).sqrt()
    factors = (GRADIENT_NORM / norms.clamp(min=1e-12)).clamp(max=1.0)[:, None, None]
    for gradient in gradients:
        gradient.mul_(factors)
