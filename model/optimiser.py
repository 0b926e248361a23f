"""AdamW under a one-cycle schedule:
what torch.optim's `AdamW(fused=True)` and `OneCycleLR` do, number for number.

At their first step those load torch's compiler, which nothing here uses:
two seconds of processor time and 150 MB in each process that trains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

SECOND_MOMENT = 0.999
EPSILON = 1e-8
FIRST_MOMENT = (0.95, 0.85)
"""At the first and last step, and at the highest rate."""
RISE = 25.0
"""By so much the highest learning rate is above the first one ..."""
FALL = 1e4
"""... and the first one above the last one."""


@dataclass(frozen=True)
class Group:
    """Parameters that are trained at one rate, its highest."""

    parameters: Sequence[torch.Tensor]
    rate: float


class OneCycleAdamW:
    """The optimiser of one training of a known number of steps.

    The rate rises for a share `warm_up` of them to that of the group, and falls to almost nothing, by half
    cosines. Parameters that have no gradient stay as they are.
    """

    def __init__(self, groups: Sequence[Group], *, steps: int, warm_up: float, weight_decay: float) -> None:
        self._states = [(group.rate, [_State(each) for each in group.parameters]) for group in groups]
        self._decay = weight_decay
        self._last = steps  # the number of the step that would follow the last one
        self._top = warm_up * (steps + 1) - 1
        self._step = 0

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters against their gradients."""
        rising = self._step <= self._top
        share = self._share(rising)
        momentum = _between(*(FIRST_MOMENT if rising else FIRST_MOMENT[::-1]), share)
        for highest, states in self._states:
            first = highest / RISE
            rate = _between(first, highest, share) if rising else _between(highest, first / FALL, share)
            due = [state for state in states if state.parameter.grad is not None]
            if due:
                self._move(due, rate, momentum)
        self._step += 1

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for _, states in self._states:
            for state in states:
                state.parameter.grad = None

    def _share(self, rising: bool) -> float:
        """Of the rise or the fall that is behind."""
        if rising:
            return self._step / self._top if self._top else 1.0
        return (self._step - self._top) / (self._last - self._top)

    def _move(self, due: Sequence[_State], rate: float, momentum: float) -> None:
        counts = [state.count for state in due]
        torch._foreach_add_(counts, 1)
        torch._fused_adamw_(
            [state.parameter for state in due],
            [state.parameter.grad for state in due if state.parameter.grad is not None],
            [state.mean for state in due],
            [state.square for state in due],
            [],
            counts,
            lr=rate,
            beta1=momentum,
            beta2=SECOND_MOMENT,
            weight_decay=self._decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


class _State:
    """A parameter, the running means of its gradient and of the gradient's square, and the steps so far."""

    def __init__(self, parameter: torch.Tensor) -> None:
        self.parameter = parameter
        self.mean = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        self.square = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        self.count = torch.zeros((), dtype=torch.float32, device=parameter.device)


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from one value to another."""
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)
