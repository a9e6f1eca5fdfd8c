"""The optimizer of models trained from scratch: Muon for matrices inside the blocks, AdamW for the rest.

Muon orthogonalises the momentum of a weight matrix (K. Jordan and others, 2024,
https://kellerjordan.github.io/posts/muon/); its updates are scaled to AdamW's size (J. Liu and others,
2025, arXiv:2502.16982), so that one learning rate schedule serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["JointOptimizer", "cosine_schedule", "joint_optimizer"]


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
        lr: Peak learning rate of embeddings, output layer and norms.
        matrix_lr: Peak learning rate of the blocks' matrices, on AdamW's scale.
        weight_decay: Decoupled weight decay.

    Returns:
        The optimizer.
    """
    if not matrix_lr:
        return JointOptimizer(
            [torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)]
        )
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "layers." in name]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    return JointOptimizer(
        [
            torch.optim.Muon(
                matrices, lr=matrix_lr, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True),
        ]
    )


def cosine_schedule(optimizer: torch.optim.Optimizer, *, warmup: int, total: int, floor: float = 0.02) -> LambdaLR:
    """Linear warm-up, then a cosine down to ``floor`` of the peak at step ``total``."""
    import math

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, total - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, factor)
