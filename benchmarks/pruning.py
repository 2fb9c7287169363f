"""`workbench bench pruning`: every criterion at equal sparsity, before and after making up for it, beside an oracle."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch.nn import functional

from workbench.calibration.evidence import Calibration
from workbench.calibration.running import batches
from workbench.compression.compressed import CompressedModel, compress
from workbench.costs import latency
from workbench.evidence import Channel
from workbench.method import METHODS, Method
from workbench.methods.prune._channel_criterion import ChannelCriterion
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.recover.batch_norm import BatchNorm
from workbench.methods.recover.bias_correction import BiasCorrection
from workbench.methods.recover.least_squares import LeastSquares
from workbench.network.model import Model, load
from workbench.network.state import State
from workbench.recipe import Recipe, Step
from workbench.train.course import TrainingCourse
from workbench.train.loop import accuracy

MODELS = ("lenet-5/mnist", "resnet-8/fashion-mnist")
SHARES = {"share": (0.3, 0.5), "sparsity": (0.8, 0.9, 0.95)}  # of feature maps, of weights
IMAGES, SEEDS = 6000, (0, 1, 2)
RECOVERY = (LeastSquares(), BatchNorm(), BiasCorrection())
_ORACLE = {"lenet-5/mnist": "conv2", "resnet-8/fashion-mnist": "stack2.conv1"}
_PATTERNS = ("prune.n-m", "prune.block")  # whose sparsity is that of a pattern


@dataclass(frozen=True)
class Row:
    """One criterion at one share. size: bytes. cut, tuned: accuracy on the test images; recovered: by way of making up.

    seconds: of the choice, of each recovery, and of the fine-tuning of one seed.
    """

    model: str
    method: str
    share: float
    size: int
    cut: float
    chosen: float
    recovered: dict[str, tuple[float, float]]
    tuned: tuple[float, ...]
    tuning: float


@dataclass(frozen=True)
class Speed:
    """One cut of a network. dense: milliseconds in torch as it came; packed: of the compressed network."""

    model: str
    cut: str
    size: int
    macs: int
    dense: float
    packed: float


@dataclass(frozen=True)
class Found:
    rows: list[Row] = field(default_factory=list)
    correlations: dict[str, dict[str, float]] = field(default_factory=dict)
    speeds: list[Speed] = field(default_factory=list)


def run(
    names: Sequence[str] = MODELS,
    images: int = IMAGES,
    seeds: Sequence[int] = SEEDS,
    progress: Callable[[str], None] = lambda text: None,
) -> Found:
    """images: how many training images each fine-tuning sees, once. progress: told what comes next.

    Where it is interrupted, what is measured by then is what is found.
    """
    found = Found()
    with suppress(KeyboardInterrupt):
        for name in names:
            model = load(name)
            for method in criteria():
                for share in SHARES[driven(method)]:
                    progress(f"{name}: {method.title}, {share:.0%}")
                    row = _row(model, replace(method, **{driven(method): share}), share, images, seeds)
                    if row is not None:
                        found.rows.append(row)
            progress(f"{name}: what leaving out one map does")
            if name in _ORACLE:
                found.correlations[name] = correlations(model, _ORACLE[name])
            progress(f"{name}: speed")
            found.speeds.extend(speeds(model))
    return found


def criteria() -> Iterator[Method]:
    """All that rank without training: channels by a share of them, weights by sparsity."""
    for name, kind in METHODS.items():
        if name.startswith("prune.") and kind.mode != "trained" and name not in _PATTERNS and driven(kind):
            yield kind()


def driven(method: Method | type[Method]) -> str:
    """The setting that says how much goes; "" for none."""
    return next((name for name in SHARES if name in method.settings()), "")


def _row(model: Model, method: Method, share: float, images: int, seeds: Sequence[int]) -> Row | None:
    """None where the criterion leaves this network alone."""
    test = model.data.split("test")  # type: ignore[union-attr]
    begun = perf_counter()
    cut = compress(model, Recipe((Step(method),)))
    chosen = perf_counter() - begun
    whole = State.of(model).forms
    if all(np.array_equal(form.compose(), whole[name].compose()) for name, form in cut.forms.items()):
        return None
    recovered = {}
    for steps in (*((one,) for one in RECOVERY), RECOVERY):
        begun = perf_counter()
        better = compress(model, Recipe((Step(method), *map(Step, steps))))
        title = "all three" if len(steps) > 1 else steps[0].title
        recovered[title] = (accuracy(better.to_torch(), test), perf_counter() - begun)
    begun = perf_counter()
    tuned = tuple(accuracy(fine_tuned(cut, images, seed).module(), test) for seed in seeds)
    return Row(
        model.name, method.name, share, int(cut.size.value), accuracy(cut.to_torch(), test), chosen, recovered,
        tuned, (perf_counter() - begun) / len(seeds),
    )  # fmt: skip


def fine_tuned(cut: CompressedModel, images: int, seed: int) -> State:
    """After one pass over so many training images, what is zero kept."""
    state = State(cut.model, cut.forms)
    assert state.model.data is not None
    module = state.module()
    hold = state.holding_zeros(module)
    course = TrainingCourse(state.model.data, lambda progress: None, entering=state.model.entering)
    course.fit(
        module, epochs=1, learning_rate=1e-3, seed=seed, images=images, after_step=lambda step: hold(), last=True
    )
    return state.trained(module)


def correlations(model: Model, layer: str) -> dict[str, float]:
    """Criterion -> Spearman's rank correlation of its scores with |ΔL| where one feature map of `layer` is left out.

    L: cross entropy of the calibration images.
    """
    state = State.of(model)
    evidence = Calibration(state, model.digest)
    cluster = next(one for one in evidence.channels().clusters if one[0].rows[0][0] == layer)
    oracle = [abs(loss - _loss(state, None)) for loss in (_loss(state, channel) for channel in cluster)]
    found = {}
    for method in criteria():
        if isinstance(method, ChannelCriterion):
            scores: NDArray[np.float64] = sum(
                method.scores(name, state.forms[name], evidence)[[channel.rows[place][1] for channel in cluster]]
                for place, (name, _) in enumerate(cluster[0].rows)
            )  # type: ignore[assignment]
            found[method.title] = float(spearmanr(scores, oracle).statistic)
    return found


def _loss(state: State, channel: Channel | None) -> float:
    """Mean over the calibration images, with the maps of that channel zero."""
    module = state.module()

    def without(number: int) -> Callable[..., torch.Tensor]:
        def silence(_: object, inputs: object, z: torch.Tensor) -> torch.Tensor:
            z = z.clone()
            z[:, number] = 0
            return z

        return silence

    for path, number in channel.maps if channel else ():
        module.get_submodule(path).register_forward_hook(without(number))
    assert state.model.data is not None
    split = state.model.data.split("calibration")
    with torch.inference_mode():
        scores = torch.cat([module(batch) for batch in batches(state, split)])
    return float(functional.cross_entropy(scores, split.targets()))


def speeds(model: Model) -> Iterator[Speed]:
    """Half of the feature maps of each layer, and as many weights one by one; beside the network as it came."""
    maps = compress(model, Recipe((Step(L1Filter(0.5)),)))
    left = sum(part.nonzeros for form in maps.forms.values() for part in form.parts)
    size = sum(part.size for form in maps.forms.values() for part in form.parts)
    cuts = {
        "none": Recipe(),
        f"half of the maps ({1 - left / size:.0%} of the weights)": Recipe((Step(L1Filter(0.5)),)),
        "as many weights, one by one": Recipe((Step(Magnitude(1 - left / size)),)),
    }
    for cut, recipe in cuts.items():
        compressed = compress(model, recipe)
        taken = latency.measure(compressed, budget=2.0)
        assert taken.dense is not None
        macs = sum(use.macs for layer in compressed.forms for use in compressed.uses[layer])
        medians = (1e3 * one.median for one in (taken.dense, taken.packed))
        yield Speed(model.name, cut, int(compressed.size.value), macs, *medians)


def page(found: Found, machine: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "# Pruning, compared",
        "",
        "Made by `workbench bench pruning --markdown docs/pruning.md`; do not edit by hand.",
        "",
        f"{machine['processor']}, {machine['cores']} cores; torch {machine['torch']}. Accuracies are in percent of all "
        "test images. *Cut*: right after the criterion's choice, which was made on calibration images where it asks "
        "for any. Then what each way of making up without training gives, and all three in this order: least squares "
        "on the weights that are left, batch norms measured again, corrected biases. *Fine-tuned*: one pass over "
        f"{IMAGES:,} training images from the cut, the median of {len(SEEDS)} seeds, and their range. *s*: seconds, "
        "the count on the test images included; what a choice asks of the data is asked at the first share and kept "
        "for the next. Sizes are those of the file. Lottery tickets against weights drawn anew, warm starts, "
        "overfitting and what else papers claim of long runs stands in [measured.md](measured.md).",
    ]
    for name in dict.fromkeys(row.model for row in found.rows):
        for unit, kind in (("share", "feature maps of each layer"), ("sparsity", "weights, one by one")):
            lines += _tables(name, unit, kind, found)
    return "\n".join([*lines, *_correlated(found), *_fast(found)]) + "\n"


def _tables(name: str, unit: str, kind: str, found: Found) -> Iterator[str]:
    for share in SHARES[unit]:
        rows = [
            row for row in found.rows
            if (row.model, row.share) == (name, share) and driven(METHODS[row.method]) == unit
        ]  # fmt: skip
        if not rows:
            continue
        ways = list(rows[0].recovered)
        yield from ("", f"## {name}: {share:.0%} of the {kind}", "")
        yield f"| criterion | kB | choice, s | cut | {' | '.join(way.lower() for way in ways)} | fine-tuned | s |"
        yield "|" + " --- |" * (6 + len(ways))
        for row in sorted(rows, key=lambda row: -statistics.median(row.tuned)):
            made = " | ".join(f"{100 * score:.2f}" for score, _ in row.recovered.values())
            low, high = min(row.tuned), max(row.tuned)
            yield (
                f"| {METHODS[row.method].title} (`{row.method}`) | {row.size / 1000:.1f} | {row.chosen:.2f} | "
                f"{100 * row.cut:.2f} | {made} | {100 * statistics.median(row.tuned):.2f} "
                f"({100 * low:.2f}..{100 * high:.2f}) | {row.tuning:.1f} |"
            )
        yield from _won(rows, ways)


def _won(rows: list[Row], ways: list[str]) -> Iterator[str]:
    """Points that each way of making up won, and how many a second."""
    yield ""
    said = []
    for way in ways:
        points = statistics.median(100 * (row.recovered[way][0] - row.cut) for row in rows)
        seconds = statistics.median(row.recovered[way][1] for row in rows)
        said.append(f"{way.lower()} {points:+.2f} points in {seconds:.1f} s ({points / seconds:+.1f} a second)")
    points = statistics.median(100 * (statistics.median(row.tuned) - row.cut) for row in rows)
    seconds = statistics.median(row.tuning for row in rows)
    said.append(f"fine-tuning {points:+.2f} points in {seconds:.1f} s ({points / seconds:+.1f} a second)")
    yield f"Won, median of the criteria: {'; '.join(said)}."


def _correlated(found: Found) -> Iterator[str]:
    if not found.correlations:
        return
    yield from ("", "## Rank correlation with leaving out one map", "")
    yield "Spearman's, of a criterion's scores with |ΔL| on the calibration images where one map is left out."
    yield ""
    names = list(found.correlations)
    yield f"| criterion | {' | '.join(f'{name}, {_ORACLE[name]}' for name in names)} |"
    yield "|" + " --- |" * (1 + len(names))
    for title in found.correlations[names[0]]:
        yield f"| {title} | {' | '.join(f'{found.correlations[name][title]:.2f}' for name in names)} |"


def _fast(found: Found) -> Iterator[str]:
    if not found.speeds:
        return
    yield from ("", "## Structured and unstructured, on this machine", "")
    yield "One image: the network as it came in torch, and the compressed one on its encodings."
    yield ""
    yield "| network | cut | kB | dense MACs left | as it came, ms | compressed, ms | times as fast |"
    yield "|" + " --- |" * 7
    for one in found.speeds:
        yield (
            f"| {one.model} | {one.cut} | {one.size / 1000:.1f} | {one.macs:,} | {one.dense:.2f} | {one.packed:.2f} | "
            f"{one.dense / one.packed:.2f} |"
        )
    yield ""
    for name in dict.fromkeys(one.model for one in found.speeds):
        _, maps, weights = (one.dense / one.packed for one in found.speeds if one.model == name)
        yield (
            f"{name}: maps give {maps / weights:.2f} times the speed-up of single weights. Structured sparsity "
            "learning (Wen et al., NeurIPS 2016) claims about twice."
        )
