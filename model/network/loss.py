"""The loss that a network is trained to minimise."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, one_hot

SMALLEST = 1e-7
"""What a class is divided by at least, of which neither mask nor prediction has anything."""


def segmentation_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Soft dice over the foreground, and cross-entropy, which also teaches where a mask has no foreground at
    all.

    Float32 logits (B, classes, H, W) and int64 class ids (B, H, W) -> a scalar.
    """
    return soft_dice_loss(logits, targets) + cross_entropy(logits, targets)


def soft_dice_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One minus the dice of probabilities and mask over all pixels of the batch: the mean over all classes
    but the background, in which one that no mask has counts 0.

    Dice is undefined without pixels. The figures are those of segmentation_models_pytorch to the last digit:
    a seed gives the network that it gave.
    """
    probabilities = logits.log_softmax(dim=1).exp().flatten(start_dim=2)
    masks = one_hot(targets.flatten(start_dim=1), logits.size(1)).permute(0, 2, 1).type_as(probabilities)
    predicted, true = probabilities.sum(dim=(0, 2)), masks.sum(dim=(0, 2))
    common = (predicted + true - torch.linalg.vector_norm(probabilities - masks, ord=1, dim=(0, 2))) / 2
    wrong, missed = predicted - common, true - common
    loss = 1 - common / (common + 0.5 * wrong + 0.5 * missed).clamp_min(SMALLEST)
    return (loss * (true > 0))[1:].mean()
