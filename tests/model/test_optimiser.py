"""The optimiser of all trainings."""

import pytest
import torch

from model.optimiser import Group, OneCycleAdamW


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_it_is_torch_s_own_number_for_number(steps: int) -> None:
    """AdamW under a one-cycle schedule, in two groups; what has no gradient stays as it is."""
    ours, theirs = ([torch.nn.Linear(5, 3), torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)] for _ in "ab")
    for own, other in zip(ours, theirs, strict=True):
        other.load_state_dict(own.state_dict())
    rates = [1e-2, 2e-3]
    optimiser = OneCycleAdamW(
        [
            Group([*ours[0].parameters(), *ours[2].parameters()], rates[0]),
            Group([*ours[1].parameters()], rates[1]),
        ],
        steps=steps,
        warm_up=0.15,
        weight_decay=1e-2,
    )
    torch_s = torch.optim.AdamW(
        [
            {"params": [*theirs[0].parameters(), *theirs[2].parameters()]},
            {"params": [*theirs[1].parameters()]},
        ],
        weight_decay=1e-2,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(torch_s, rates, total_steps=steps + 1, pct_start=0.15)
    random = torch.Generator().manual_seed(0)
    for _ in range(steps):
        inputs = torch.randn(4, 5, generator=random)
        for layers in (ours, theirs):
            layers[1](layers[0](inputs)).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        torch_s.step()
        torch_s.zero_grad()
        schedule.step()
    for own, other in zip(ours, theirs, strict=True):
        for name, value in own.state_dict().items():
            torch.testing.assert_close(value, other.state_dict()[name], rtol=0, atol=0, msg=name)
