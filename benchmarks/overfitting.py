"""`workbench bench overfitting`: do fewer weights, fewer bits, or dropout keep a network from learning images by heart?

LeNet-300-100 has 266 weights for each of 1,000 images. Every training ends at its last epoch: one that is chosen on
validation images would hide what is learnt by heart. Settings are chosen by their mean on validation images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.verdicts import difference, less_by_heart, more
from workbench.accuracy.intervals import Interval
from workbench.data import datasets
from workbench.data.datasets import Dataset
from workbench.method import Trained
from workbench.methods._retrained import trained_on
from workbench.methods.prune.retrained_magnitude import RetrainedMagnitude
from workbench.methods.quantize.aware import QuantisationAware
from workbench.methods.recover.fine_tuning import FineTuning
from workbench.network.state import State
from workbench.train.course import TrainingCourse
from workbench.train.dropout import kept
from workbench.train.loop import accuracy

NETWORK = "lenet-300-100"
SEEDS = (0, 1, 2, 3, 4)
SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
BITS = (1, 2, 4)
SLOPES = (0.5, 2.0)  # α of adaptive dropout
DECAYS = (3.0, 10.0, 30.0)  # AdamW's: with the learning rate, the share of a weight that goes in a step
WRONG = 0.2
_RATE, _LITTLE = 1e-3, 1e-4  # learning rate, and the weight decay of an arm that is not about it


@dataclass(frozen=True)
class Scores:
    """Shares of right answers of one arm [seeds], and of wrong labels that are answered as learnt (NaN without any)."""

    train: NDArray[np.float64]
    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    by_heart: NDArray[np.float64]

    @property
    def gap(self) -> NDArray[np.float64]:
        """[seeds]: training minus test accuracy, both in evaluation mode."""
        return self.train - self.test


class ToTheEnd(TrainingCourse):
    """Ends every training at its last epoch."""

    def fit(self, module: torch.nn.Module, **given: Any) -> None:
        super().fit(module, **{**given, "last": True})


class Watching(ToTheEnd):
    """Sees with which probability units are kept, on average over all that are dropped in training."""

    def __init__(self, data: Dataset) -> None:
        super().__init__(data, lambda progress: None)
        self._likely: list[tuple[float, int]] = []

    @property
    def rate(self) -> float:
        """The mean keep rate."""
        sums, units = np.array(self._likely).sum(0)
        return float(sums / units)

    def fit(self, module: torch.nn.Module, **given: Any) -> None:
        def watching(share: float) -> Callable[[torch.nn.Module, object, torch.Tensor], None]:
            def hook(layer: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
                if layer.training:
                    likely = kept(output, share, given["standout"])
                    self._likely.append((float(likely.sum()), likely.numel()))

            return hook

        dropped = given["dropout"].items()
        handles = [module.get_submodule(name).register_forward_hook(watching(share)) for name, share in dropped]
        super().fit(module, **given)
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Few:
    """A few of MNIST's images, some of them perhaps with a wrong label.

    wrong: bool [images]. One seed draws the images, the labels, the network's first weights and the order.
    """

    data: Dataset
    wrong: NDArray[np.bool_]
    seed: int

    @classmethod
    def drawn(cls, images: int, seed: int, share: float = 0.0, judged: int = 1000) -> Few:
        """share: of the labels that are another class. judged: how many validation images choose."""
        mnist, random = datasets.load("mnist"), np.random.default_rng(seed)
        train = mnist.split("train")
        train = train.some(random.permutation(len(train))[:images])
        wrong = np.zeros(len(train), bool)
        wrong[random.permutation(len(train))[: round(share * len(train))]] = True
        labels = np.where(wrong, (train.labels + random.integers(1, 10, len(train))) % 10, train.labels)
        validation, test = mnist.split("validation"), mnist.split("test")
        chosen = validation.some(random.permutation(len(validation))[:judged])
        data = Dataset.from_arrays(
            "few digits",
            train=(train.images, labels),
            validation=(chosen.images, chosen.labels),
            test=(test.images, test.labels),
        )
        return cls(data, wrong, seed)

    def course(self) -> TrainingCourse:
        return ToTheEnd(self.data, lambda progress: None)

    def untrained(self) -> State:
        return self.course().network(NETWORK, "wide", self.seed)

    def fitted(self, state: State, epochs: int, rate: float = _RATE, decay: float = _LITTLE) -> State:
        """The whole network, trained on."""
        module = state.module()
        self.course().fit(module, epochs=epochs, learning_rate=rate, seed=self.seed, weight_decay=decay)
        return state.trained(module)

    def trained(self, method: Trained, state: State, course: TrainingCourse | None = None) -> State:
        """What a method gives first, with this one's seed."""
        return next(replace(method, seed=self.seed).train(state, tuple(state.forms), course or self.course()))

    def judged(self, state: State) -> tuple[float, float, float, float]:
        """On all training images, the validation images, the test images, and those with a wrong label."""
        module = state.module()
        train = self.data.split("train")
        heart = accuracy(module, train.some(np.flatnonzero(self.wrong))) if self.wrong.any() else math.nan
        judges = (self.data.split("validation"), self.data.split("test"))
        return accuracy(module, train), accuracy(module, judges[0]), accuracy(module, judges[1]), heart


@dataclass(frozen=True)
class Found:
    """arms: by name, what they reached. chosen: what validation images chose for -> name of that arm."""

    arms: Mapping[str, Scores]
    chosen: Mapping[str, str]

    def test(self, ours: str, theirs: str) -> Interval:
        """What the test score of one arm has more than that of another."""
        return difference(self.arms[ours].test, self.arms[theirs].test)

    def gap(self, ours: str, theirs: str) -> Interval:
        """What the gap of one arm has more than that of another."""
        return difference(self.arms[ours].gap, self.arms[theirs].gap)


def pruning(
    images: int = 1000,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 16,
    sparsities: Sequence[float] = SPARSITIES,
    decays: Sequence[float] = DECAYS,
    wrong: float = 0.0,
    progress: Callable[[str], None] = lambda text: None,
) -> Found:
    """Catalogue TT-06: twice as many epochs in each arm, cut in the middle where it is cut.

    "0%" is the dense network. Beside it, chosen on validation images: a sparsity; a weight decay of the dense network,
    from the beginning; and as many zeros of each layer as at that sparsity, at random. decays: () without the controls.
    """
    given = [Few.drawn(images, seed, wrong) for seed in seeds]
    dense = [few.fitted(few.untrained(), epochs) for few in given]
    arms: dict[str, Scores] = {}
    cut: dict[str, list[State]] = {}
    for sparsity in sparsities:
        method = RetrainedMagnitude(sparsity=sparsity, rounds=1, epochs=epochs)
        name = f"{sparsity:.0%}"
        progress(f"{name} zeros")
        cut[name] = [few.trained(method, state) for few, state in zip(given, dense, strict=True)]
        arms[name] = _scores(given, cut[name])
    chosen = {"sparsity": _best(arms, [name for name in arms if name != "0%"])}
    if decays:
        for decay in decays:
            progress(f"weight decay {decay:g}")
            whole = [few.fitted(few.untrained(), epochs, decay=decay) for few in given]
            ends = [few.fitted(state, epochs, decay=decay) for few, state in zip(given, whole, strict=True)]
            arms[f"decay {decay:g}"] = _scores(given, ends)
        chosen["decay"] = _best(arms, [f"decay {decay:g}" for decay in decays])
        progress("zeros at random")
        masked = (
            _at_random(state, like, few.seed)
            for few, state, like in zip(given, dense, cut[chosen["sparsity"]], strict=True)
        )
        arms["random"] = _scores(
            given,
            [
                trained_on(state, few.course(), epochs=epochs, seed=few.seed + 1, share=(0.0, 1.0))
                for few, state in zip(given, masked, strict=True)
            ],
        )
    return Found(arms, chosen)


def rounding(
    images: int = 1000,
    seeds: Sequence[int] = SEEDS,
    epochs: int = 32,
    widths: Sequence[int] = BITS,
    decays: Sequence[float] = DECAYS,
    progress: Callable[[str], None] = lambda text: None,
) -> Found:
    """Catalogue TT-03: the same first weights, epochs and learning rate, in float32 and in few bits.

    Beside "float", chosen on validation images, a weight decay of it. Each output has a scale of its own.
    """
    given, rate = [Few.drawn(images, seed) for seed in seeds], 5e-4  # which is that of training in few bits
    arms = {}
    for decay in (_LITTLE, *decays):
        name = f"decay {decay:g}" if decay != _LITTLE else "float"
        progress(name)
        arms[name] = _scores(given, [few.fitted(few.untrained(), epochs, rate, decay) for few in given])
    for bits in widths:
        progress(f"{bits} bits")
        method = QuantisationAware(bits=bits, per="channel", epochs=epochs)
        arms[f"{bits} bits"] = _scores(given, [few.trained(method, few.untrained()) for few in given])
    return Found(arms, {"decay": _best(arms, [f"decay {decay:g}" for decay in decays])})


def standing_out(
    images: int = 1000,
    seeds: Sequence[int] = SEEDS[:3],
    epochs: int = 32,
    share: float = 0.5,
    slopes: Sequence[float] = SLOPES,
    progress: Callable[[str], None] = lambda text: None,
) -> Found:
    """Catalogue HA-04: adaptive dropout beside plain dropout that keeps as many units on average, seed by seed.

    "none" is the same training without either. Arms are "standout α" and "plain beside α"; chosen: each of the former
    -> the latter.
    """
    given = [Few.drawn(images, seed) for seed in seeds]
    arms = {}
    progress("no dropout")
    arms["none"] = _scores(given, [few.trained(FineTuning(epochs=epochs), few.untrained()) for few in given])
    chosen = {}
    for slope in slopes:
        name, other = f"standout {slope:g}", f"plain beside {slope:g}"
        progress(name)
        courses = [Watching(few.data) for few in given]
        method = FineTuning(epochs=epochs, dropout=share, standout=slope)
        pairs = list(zip(given, courses, strict=True))
        arms[name] = _scores(given, [few.trained(method, few.untrained(), course) for few, course in pairs])
        progress(other)
        plain = [FineTuning(epochs=epochs, dropout=1 - course.rate) for course in courses]
        as_many = zip(given, plain, strict=True)
        arms[other] = _scores(given, [few.trained(method, few.untrained()) for few, method in as_many])
        chosen[name] = other
    return Found(arms, chosen)


def _scores(given: Sequence[Few], states: Sequence[State]) -> Scores:
    found = [few.judged(state) for few, state in zip(given, states, strict=True)]
    return Scores(*np.array(found, np.float64).T)


def _best(arms: Mapping[str, Scores], names: Sequence[str]) -> str:
    return max(names, key=lambda name: float(arms[name].validation.mean()))


def _at_random(state: State, like: State, seed: int) -> State:
    """`state` with as many zeros in each layer as `like` has, anywhere."""
    random = np.random.default_rng(seed)
    forms = {}
    for name, form in state.forms.items():
        kept = random.permutation((like.forms[name].parts[0].values != 0).ravel()).reshape(form.shape)
        forms[name] = form.with_values([np.where(kept, form.parts[0].values, np.float32(0))])
    return state.with_forms(forms)


def page(pruned: Found, wrong: Found, rounded: Found, dropped: Found) -> str:
    """As Markdown: four tables, and what they say of each claim."""
    sparse, decay = pruned.chosen["sparsity"], pruned.chosen["decay"]
    lines = ["# Learning by heart", "", "LeNet-300-100 on 1,000 images of MNIST, five seeds; means in percent."]
    lines += ["", "## Pruned", "", *_table(pruned)]
    lines += [
        "",
        f"Chosen on validation images: {sparse} zeros, {decay}. {_said(pruned.test(sparse, '0%'))} than dense, "
        f"{_said(pruned.test(sparse, decay))} than with weight decay, {_said(pruned.test(sparse, 'random'))} than with "
        f"zeros at random. That pruning reduces overfitting: {more(pruned.test(sparse, '0%'))}.",
    ]
    lines += ["", f"## Pruned, with {WRONG:.0%} wrong labels", "", *_table(wrong)]
    lines += ["", "## In few bits", "", *_table(rounded), ""]
    for name in (name for name in rounded.arms if name.endswith("bits")):
        gap, test = rounded.gap(name, "float"), rounded.test(name, "float")
        lines.append(f"- {name}: a gap of {_said(gap)}, {_said(test)}; it regularises: {less_by_heart(gap, test)}.")
    lines += ["", "## With dropout by how excited a unit is, three seeds", "", *_table(dropped), ""]
    for name, other in dropped.chosen.items():
        test = dropped.test(name, other)
        lines.append(f"- {name}: {_said(test)} than plain dropout that keeps as many; it is better: {more(test)}.")
    return "\n".join(lines) + "\n"


def _table(found: Found) -> Iterator[str]:
    yield "| arm | training | validation | test | gap | wrong labels learnt |"
    yield "|---|---|---|---|---|---|"
    for name, one in found.arms.items():
        figures = (one.train, one.validation, one.test, one.gap, one.by_heart)
        cells = ["" if np.isnan(figure).any() else f"{100 * figure.mean():.1f}" for figure in figures]
        yield f"| {' | '.join((name, *cells))} |"


def _said(found: Interval) -> str:
    return f"{100 * found.value:+.2f} points ({100 * found.low:+.2f} to {100 * found.high:+.2f})"
