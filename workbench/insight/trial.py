"""What the original and the compressed network say of one picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.accuracy.examiner import task_of
from workbench.accuracy.reference import original
from workbench.cache import Cache
from workbench.errors import DataError, ModelError, reason
from workbench.network.encoded import EncodedModel
from workbench.tasks import Answers

if TYPE_CHECKING:
    from torch import nn

_modules: Cache[nn.Module] = Cache(ceiling=2**20)  # whose bytes are not counted; each goes with its network


@dataclass(frozen=True, eq=False)
class Said:
    """By one network of one picture. answer: as its task has it, [1, ...]. probabilities: of each class, [classes];
    None where the task asks for none."""

    answer: Answers
    probabilities: NDArray[np.float64] | None


def both(compressed: EncodedModel, inputs: NDArray[np.float32]) -> tuple[Said, Said]:
    """What the original says of `inputs`, [1, ...], and what the compressed network says.

    The modules that say it are made once for a network. Raises DataError where there is no original, and ModelError
    where a network cannot be run.
    """
    before = original(compressed)
    if before is None:
        raise DataError("There is no original to compare this network with.")
    return _said(before, before.model, inputs), _said(compressed, compressed, inputs)


def _said(network: EncodedModel, owner: object, inputs: NDArray[np.float32]) -> Said:
    """owner: what the module goes with; the original's forms are made anew each time, of a model that stays."""
    task, module = task_of(network.model), _modules.get("module", network.to_torch, owner)
    try:
        with torch.inference_mode(), _one_thread():
            outputs = module(network.model.entering(torch.from_numpy(inputs)))
    except Exception as error:  # a user's module may fail in any way
        raise ModelError(f"The network cannot run on this picture: {reason(error)}.") from error
    answer, sure = task.answers(outputs, 1), task.probabilities(outputs)
    return Said(answer, None if sure is None else np.nan_to_num(sure[0]))


@contextmanager
def _one_thread() -> Iterator[None]:
    """One picture is too little to be shared: threads that wait for each other take far longer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
