"""The loss of a batch: of its labels, and of what another network answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.method import Teaching
from workbench.models.exits import exits
from workbench.tasks import Task


def joint_loss(
    module: nn.Module,
    images: Tensor,
    truth: Tensor,
    task: type[Task],
    smoothing: float = 0.0,
    teaching: Teaching | None = None,
) -> Tensor:
    """Of the answers, and of those at every side exit (Teerapittayanon et al. 2016, section III-A, all weights 1).

    teaching: who teaches all of them. Raises DataError where the task has no answers that could be taught.
    """
    answers = [module(images)]
    for side in exits(module).values():
        assert side.early is not None
        answers.append(side.early)
        side.early = None
    losses = [task.loss(one.float(), truth, smoothing) for one in answers]
    if teaching is not None and teaching.alpha:
        with torch.no_grad():
            known = teaching.teacher(images).float()
        soft = [task.soft_loss(one.float(), known, teaching.temperature) for one in answers]
        losses = [
            (1 - teaching.alpha) * hard + teaching.alpha * other for hard, other in zip(losses, soft, strict=True)
        ]
    return torch.stack(losses).sum()
