"""The losses."""

import pytest
import torch

from model.network.loss import soft_dice_loss


@pytest.mark.parametrize(("classes", "present"), [(2, 2), (4, 4), (4, 2), (3, 1)])
def test_value_and_gradient_are_those_of_the_library(classes: int, present: int) -> None:
    """Also where a mask has only some of the classes, or nothing but background."""
    from segmentation_models_pytorch.losses import DiceLoss  # takes seconds

    generator = torch.Generator().manual_seed(classes)
    targets = torch.randint(0, present, (3, 24, 32), generator=generator)
    ours = (5 * torch.randn(3, classes, 24, 32, generator=generator)).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    loss = soft_dice_loss(ours, targets)
    expected = DiceLoss("multiclass", classes=list(range(1, classes)), from_logits=True)(theirs, targets)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
