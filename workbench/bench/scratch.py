"""The live engine beside what a user would write today: everything from scratch for each move, exact on both sides.

From scratch: `torch.nn.utils.prune`, torch's fake-quantisation, `FlopCounterMode`, and the whole test set through a
`DataLoader`. "tuned" is the same with the test set as one tensor, cut into the batches that the engine takes.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from workbench.assessment import costs
from workbench.compressed import compress
from workbench.evaluate.order import BATCH
from workbench.examiner import Examiner, selected_images
from workbench.model import Model, load
from workbench.models import zoo
from workbench.recipe import Recipe

USUAL_BATCH = 256
MOVES = 5
_BASE = (0.5, 6)  # sparsity and bits of the other layers while one layer is moved


@dataclass(frozen=True)
class Row:
    """Median seconds of one move, to the exact accuracy on all test images. layers: that were moved, one at a time."""

    model: str
    move: str
    layers: tuple[str, ...]
    engine: float
    scratch: float
    tuned: float

    def to_dict(self) -> dict[str, Any]:
        ratios = {"ratio": self.scratch / self.engine, "ratio_tuned": self.tuned / self.engine}
        return {**vars(self), "layers": list(self.layers), **ratios}


def rows(
    models: Sequence[str] | None = None,
    moves: int = MOVES,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Row]:
    """For each network a global move of sparsity and bits, and moves of single layers in its last third."""
    found = []
    for name in models or zoo.names():
        progress(name)
        model = load(name)
        examiner = Examiner()
        _engine(examiner, model, Recipe())  # the original's answers are known before the first move
        found.append(_global(examiner, model, moves))
        found.append(_single(examiner, model, moves))
    return found


def from_scratch(model: Model, sparsity: float, bits: int, layer: str | None = None, tuned: bool = False) -> float:
    """Accuracy on all test images after a cut of all layers together, or `_BASE` for all and another cut of one."""
    module = copy.deepcopy(model.module)
    targets = {one.name: cast(Any, module.get_submodule(one.name)) for one in model.layers}
    alone = None if layer is None else targets[layer]
    together = [(one, "weight") for one in targets.values() if one is not alone]
    amount, width = (sparsity, bits) if layer is None else _BASE
    prune.global_unstructured(together, pruning_method=prune.L1Unstructured, amount=amount)
    if alone is not None:
        prune.l1_unstructured(alone, "weight", amount=sparsity)
    for one in targets.values():
        prune.remove(one, "weight")
        with torch.no_grad():
            one.weight.copy_(_quantised(one.weight, bits if one is alone else width))
    images = selected_images(model)
    inputs, labels = images.inputs(), torch.tensor(images.labels)
    with FlopCounterMode(display=False):
        module(inputs[:1])
    batches: Iterable[Any] = DataLoader(TensorDataset(inputs, labels), batch_size=USUAL_BATCH)
    if tuned:
        batches = zip(inputs.split(BATCH), labels.split(BATCH), strict=True)
    return _hits(module, batches) / len(labels)


def _quantised(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Symmetric, per output channel, as `quantize.uniform` is by default."""
    top = 2 ** (bits - 1) - 1
    scale = weight.abs().flatten(1).amax(1).clamp_min(torch.finfo(torch.float32).tiny) / top
    zero = torch.zeros(len(scale), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -top, top)


def _hits(module: nn.Module, batches: Iterable[Any]) -> int:
    with torch.inference_mode():
        return sum(int((module(images).argmax(1) == labels).sum()) for images, labels in batches)


def _engine(examiner: Examiner, model: Model, recipe: Recipe) -> float:
    """What a session does for a move. Returns the exact accuracy."""
    compressed = compress(model, recipe)
    costs(compressed)
    *_, last = examiner.accuracies(compressed)
    return last.compressed.value


def _global(examiner: Examiner, model: Model, moves: int) -> Row:
    timings = []
    for number in range(moves):
        sparsity, bits = 0.4 + 0.4 * number / moves, 4 + number % 4
        recipe = Recipe.sliders(sparsity=sparsity, bits=bits)
        timings.append(_timed(model, lambda recipe=recipe: _engine(examiner, model, recipe), sparsity, bits, None))  # type: ignore[misc]
    return _row(model, "global", (), timings)


def _single(examiner: Examiner, model: Model, moves: int) -> Row:
    """Layers of the last third, each moved twice before the clock starts: that a layer is moved must be seen first.

    The first, the middle and the last of them where there are more than three.
    """
    names = [layer.name for layer in model.layers]
    last = names[-max(1, len(names) // 3) :]
    last = last if len(last) <= 3 else [last[0], last[len(last) // 2], last[-1]]
    timings = []
    for name in last:
        for number in range(moves + 2):
            sparsity, bits = 0.3 + 0.5 * number / moves, 3 + number % 5
            own = {name: {"sparsity": sparsity, "bits": bits}}
            recipe = Recipe.sliders(sparsity=_BASE[0], bits=_BASE[1], overrides=own)  # type: ignore[arg-type]
            if number < 2:
                _engine(examiner, model, recipe)
            else:
                run = lambda recipe=recipe: _engine(examiner, model, recipe)  # noqa: E731
                timings.append(_timed(model, run, sparsity, bits, name))
    return _row(model, "layer", tuple(last), timings)


def _timed(
    model: Model, engine: Callable[[], object], sparsity: float, bits: int, layer: str | None
) -> tuple[float, float, float]:
    """Seconds of the three, one after the other."""
    candidates = (
        engine,
        lambda: from_scratch(model, sparsity, bits, layer),
        lambda: from_scratch(model, sparsity, bits, layer, tuned=True),
    )
    taken = []
    for one in candidates:
        start = perf_counter()
        one()
        taken.append(perf_counter() - start)
    return taken[0], taken[1], taken[2]


def _row(model: Model, move: str, layers: tuple[str, ...], timings: list[tuple[float, float, float]]) -> Row:
    engine, scratch, tuned = (statistics.median(one) for one in zip(*timings, strict=True))
    return Row(model.name, move, layers, engine, scratch, tuned)
