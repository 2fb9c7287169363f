"""The live engine beside what a user would write today: everything from scratch for each move, exact on both sides.

From scratch: `torch.nn.utils.prune`, torch's fake-quantisation, `FlopCounterMode`, and the whole test set through a
`DataLoader`, in a process of its own, since the engine has memory kept for the whole of its process (see
`evaluate.memory`). "tuned" is the same in the engine's process, with the test set as one tensor, cut into the batches
that the engine takes. No two of them run at the same time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from statistics import median
from time import perf_counter, sleep
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from workbench.accuracy.examiner import Examiner, selected_images
from workbench.accuracy.network import BATCH
from workbench.compression.compressed import compress
from workbench.engine.assessment import costs
from workbench.engine.session import Session
from workbench.models import zoo
from workbench.network.model import Model, load
from workbench.recipe import Recipe

USUAL_BATCH = 256
MOVES = 5
LOOK = 1.5  # seconds between two steps of a slider whose next positions are prepared meanwhile
_BASE = (0.5, 6)  # sparsity and bits of the other layers while one layer is moved

_cached_load = cache(load)


@dataclass(frozen=True)
class Row:
    """Median seconds of one move, to the exact accuracy on all test images.

    layers: that were moved, one at a time. prepared: of a step to the next position of the slider, by a session that
    was left alone for LOOK seconds before. difference: the largest between the accuracies of the two sides, 0..1.
    """

    model: str
    move: str
    layers: tuple[str, ...]
    engine: float
    prepared: float
    scratch: float
    tuned: float
    difference: float

    def to_dict(self) -> dict[str, Any]:
        ratios = {"ratio": self.scratch / self.engine, "ratio_tuned": self.tuned / self.engine}
        return {**vars(self), "layers": list(self.layers), **ratios}


@dataclass(frozen=True)
class _Move:
    """Where all layers go, or one layer alone, while the others stay at `_BASE`."""

    sparsity: float
    bits: int
    layer: str | None = None

    @property
    def recipe(self) -> Recipe:
        if self.layer is None:
            return Recipe.sliders(sparsity=self.sparsity, bits=self.bits)
        own = {self.layer: {"sparsity": self.sparsity, "bits": self.bits}}
        return Recipe.sliders(sparsity=_BASE[0], bits=_BASE[1], overrides=own)  # type: ignore[arg-type]


def rows(
    models: Sequence[str] | None = None,
    moves: int = MOVES,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Row]:
    """For each network a global move of sparsity and bits, and moves of single layers in its last third."""
    found = []
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        for name in models or zoo.names():
            progress(name)
            model = load(name)
            examiner = Examiner()
            _engine(examiner, model, Recipe())  # the original's answers are known before the first move
            apart.submit(_usual, name, _Move(*_BASE)).result()  # its network and images are there
            for move, layers in (("global", ()), ("layer", _last_third(model))):
                timings = [_timed(apart, examiner, model, one) for one in _moves(examiner, model, layers, moves)]
                engine, scratch, tuned, differences = zip(*timings, strict=True)
                prepared = median(_prepared(model, layers, moves))
                taken = median(engine), prepared, median(scratch), median(tuned)
                found.append(Row(name, move, layers, *taken, max(differences)))
    return found


def from_scratch(model: Model, sparsity: float, bits: int, layer: str | None = None, tuned: bool = False) -> float:
    """Accuracy on all test images after a cut of all layers together, or `_BASE` for all and another cut of one."""
    module = copy.deepcopy(model.module)
    targets = {one.name: cast(Any, module.get_submodule(one.name)) for one in model.layers}
    alone = None if layer is None else targets[layer]
    together = [(one, "weight") for one in targets.values()]
    amount, width = (sparsity, bits) if layer is None else _BASE
    prune.global_unstructured(together, pruning_method=prune.L1Unstructured, amount=amount)
    if alone is not None:  # its own cut in the place of the common one, which stays what it is for the others
        whole = alone.weight_orig.detach().clone()
        prune.remove(alone, "weight")
        with torch.no_grad():
            alone.weight.copy_(whole)
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


def _usual(name: str, move: _Move) -> tuple[float, float]:
    """Seconds that `from_scratch` takes, and the accuracy that it finds; in the process that is called."""
    model = _cached_load(name)
    start = perf_counter()
    accuracy = from_scratch(model, move.sparsity, move.bits, move.layer)
    return perf_counter() - start, accuracy


def _engine(examiner: Examiner, model: Model, recipe: Recipe) -> float:
    """What a session does for a move. Returns the exact accuracy."""
    compressed = compress(model, recipe)
    costs(compressed)
    *_, last = examiner.accuracies(compressed)
    return last.compressed.value


def _last_third(model: Model) -> tuple[str, ...]:
    """The last third of the layers; the first, the middle and the last of them where there are more than three."""
    names = [layer.name for layer in model.layers]
    last = names[-max(1, len(names) // 3) :]
    return tuple(last if len(last) <= 3 else [last[0], last[len(last) // 2], last[-1]])


def _moves(examiner: Examiner, model: Model, layers: Sequence[str], moves: int) -> Iterator[_Move]:
    """`moves` of all layers, or of each of `layers`, which is moved twice first: that it is moved must be seen."""
    if not layers:
        for number in range(moves):
            yield _Move(0.4 + 0.4 * number / moves, 4 + number % 4)
    for layer in layers:
        for number in range(moves + 2):
            move = _Move(0.3 + 0.5 * number / moves, 3 + number % 5, layer)
            if number < 2:
                _engine(examiner, model, move.recipe)
            else:
                yield move


def _timed(
    apart: ProcessPoolExecutor, examiner: Examiner, model: Model, move: _Move
) -> tuple[float, float, float, float]:
    """Seconds of the three, one after the other, and how far apart the accuracies are."""
    start = perf_counter()
    found = _engine(examiner, model, move.recipe)
    engine = perf_counter() - start
    scratch, expected = apart.submit(_usual, model.name, move).result()
    start = perf_counter()
    from_scratch(model, move.sparsity, move.bits, move.layer, tuned=True)
    return engine, scratch, perf_counter() - start, abs(found - expected)


def _prepared(model: Model, layers: Sequence[str], moves: int) -> list[float]:
    """Seconds of steps of the sparsity slider, or of the middle one of `layers`, by one position after a look."""
    layer = layers[len(layers) // 2] if layers else None
    session, taken = Session(model), []
    try:
        session.wait()
        for number in range(moves + 1):  # the first one shows which way it goes
            recipe = _Move((55 + number) / 100, _BASE[1], layer).recipe
            sleep(LOOK)
            start = perf_counter()
            session.recipe = recipe
            session.wait()
            taken.append(perf_counter() - start)
    finally:
        session.close()
    return taken[1:]
