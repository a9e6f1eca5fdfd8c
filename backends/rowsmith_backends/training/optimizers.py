"""The optimizer of models trained from scratch: Muon for matrices inside the blocks, AdamW for the rest.

Muon orthogonalises the momentum of a weight matrix (K. Jordan and others, 2024,
https://kellerjordan.github.io/posts/muon/); its updates are scaled to AdamW's size (J. Liu and others,
2025, arXiv:2502.16982), so that one learning rate schedule serves both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

__all__ = ["CosineSchedule", "JointOptimizer", "joint_optimizer"]


class JointOptimizer(torch.optim.Optimizer):
    """Several optimizers over disjoint parameters, stepped as one."""

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        self.optimizers = tuple(optimizers)
        super().__init__([{"params": group["params"]} for one in self.optimizers for group in one.param_groups], {})
        # The same dictionaries, not copies: a schedule that sets "lr" here reaches the optimizers.
        self.param_groups = [group for one in self.optimizers for group in one.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Step every optimizer."""
        loss = None if closure is None else closure()
        for one in self.optimizers:
            one.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of every optimizer."""
        for one in self.optimizers:
            one.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of the optimizers, in order."""
        return {"optimizers": [one.state_dict() for one in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the states of the optimizers."""
        for one, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            one.load_state_dict(state)
        self.param_groups = [group for one in self.optimizers for group in one.param_groups]


def joint_optimizer(model: nn.Module, *, lr: float, matrix_lr: float, weight_decay: float) -> JointOptimizer:
    """The optimizer of a causal language model.

    Args:
        model: The model; matrices whose name holds ``layers.`` are its blocks'.
        lr: Peak learning rate of AdamW.
        matrix_lr: Peak learning rate of Muon for the blocks' matrices, on AdamW's scale; 0 leaves them
            to AdamW.
        weight_decay: Decoupled weight decay.

    Returns:
        The optimizer.
    """
    named = [(weight.ndim == 2 and "layers." in name, weight) for name, weight in model.named_parameters()]
    matrices = [weight for is_matrix, weight in named if is_matrix and matrix_lr]
    rest = [weight for is_matrix, weight in named if not (is_matrix and matrix_lr)]
    muon = [
        torch.optim.Muon(
            matrices, lr=matrix_lr, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        )
        for _ in matrices[:1]
    ]
    adamw = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)
    return JointOptimizer([*muon, adamw])


class CosineSchedule:
    """Learning rate by step: a linear rise, then a cosine to ``floor``, which may be cut short.

    Calling it gives the factor of the peak rate. An object and not a closure, so that a scheduler saves
    its state.

    Args:
        warmup: Steps of the rise.
        total: The step at which the cosine ends.
        floor: The factor at the end; 1 keeps the rate constant after the rise.
    """

    def __init__(self, *, warmup: int, total: int, floor: float = 0.02) -> None:
        self.warmup = warmup
        self.total = total
        self.floor = floor
        self.cooled_at: int | None = None
        self.cooled_from = 1.0
        self.cooling = 0

    def __call__(self, step: int) -> float:
        """The factor at a step."""
        if self.cooled_at is not None and step >= self.cooled_at:
            left = max(0.0, 1 - (step - self.cooled_at) / self.cooling)
            return self.floor + (self.cooled_from - self.floor) * left
        return self._factor(step)

    def _factor(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))

    def cool_down(self, step: int, steps: int) -> None:
        """Fall in a straight line to ``floor`` over ``steps`` steps from ``step`` on; again, where there are fewer."""
        self.cooled_at, self.cooled_from, self.cooling = step, self(step), steps
