"""The loss that a network is trained to minimise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from segmentation_models_pytorch.losses import DiceLoss
from torch.nn.functional import cross_entropy


def segmentation_loss(classes: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Soft dice over the foreground, and cross-entropy, which also teaches where a mask has no foreground at
    all.

    Float32 logits (B, classes, H, W) and int64 class ids (B, H, W) -> a scalar.
    """
    soft_dice = DiceLoss("multiclass", classes=list(range(1, classes)), from_logits=True)
    return lambda logits, targets: soft_dice(logits, targets) + cross_entropy(logits, targets)
