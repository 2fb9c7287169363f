"""Training by locality-sensitive hashing: each input computes only the neurons that it is likely to excite most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor, nn

from workbench.errors import RecipeError
from workbench.lookup import LOOKUPS, Lookup
from workbench.lookup.inner_products import InnerProducts
from workbench.lookup.streaming import Streaming
from workbench.method import Course, Trained, TrainingStep, setting
from workbench.methods.hashing._active import ActiveLayer, Spent

if TYPE_CHECKING:
    from workbench.evidence import Layout
    from workbench.network.state import State
    from workbench.weights.form import Form


@dataclass(frozen=True)
class NeuronLookup(Trained):
    """Hidden linear layers look up, for each input, a few of their neurons; the others give zero and learn nothing.

    Neurons lie in L tables by hashes of K bits of their weights and bias, and again after so many steps, as they move.
    Kinds that find near vectors by distance stand behind the transformations of asymmetric hashing (ALSH). Nothing but
    weights and biases of neurons that were computed changes in a step. Notes say what it took, hashing and rehashing
    included, beside the dense network's training, and what is answered rightly where neurons are looked up. Wherever
    else it is measured the network is run as a whole, as which it was not trained and answers badly.
    """

    catalogue = ("HA-03", "HA-05", "HA-06", "HA-07", "HA-08", "HA-09")
    title = "Training by looked-up neurons"
    paper = "Spring, Shrivastava, Scalable and sustainable deep learning via randomized hashing, KDD 2017, section 5"

    lookup: Literal["signed-projections", "fixed-buckets", "query-windows", "ternary-codes"] = setting(
        "signed-projections",
        "What the tables are made of: signs, buckets of a fixed width, windows around queries, or signs of which some "
        "are left open.",
        choices=("signed-projections", "fixed-buckets", "query-windows", "ternary-codes"),
    )
    bits: int = setting(4, "K, bits of a hash: the more, the fewer neurons share one.", low=1, high=16, step=1)
    tables: int = setting(50, "L, tables that are asked for each input.", low=1, high=100, step=1)
    share: float = setting(
        0.05, "Of a layer's neurons, how many an input computes at most.", unit="share", low=0.01, high=1.0, step=0.01
    )
    rehash: int = setting(50, "Steps of training after which neurons are hashed anew.", low=1, high=10000, step=1)
    workers: int = setting(1, "Threads that hash and look up.", low=1, high=8, step=1)
    epochs: int = setting(5, "Passes over the training images.", low=1, high=100, step=1)
    learning_rate: float = setting(
        0.003, "What a step of training moves a weight by, at most.", low=0.0001, high=0.1, step=0.0001
    )

    def refusal(self, form: Form, layout: Layout) -> str | None:
        if layout.kind != "linear" or layout.special or not layout.called:
            return "is no linear layer that a module of its own computes"
        if layout.output or layout.exit:
            return "gives scores, all of which are asked for"
        if layout.tied:
            return "shares its weight with another module, in which other neurons would be looked up"
        if form.factored:
            return "is a product of factors, which have no neurons of their own"
        if any(part.levels for part in form.parts):
            return "has few levels, which training would leave; quantisation-aware training keeps to them"
        return None

    def stand_in(self) -> None:
        """Until it is trained the network stays as it is."""

    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        if not layers:
            raise RecipeError(f"{self.name}: {state.model.name} has no hidden linear layer to look neurons up in.")
        module, begun = state.module(), perf_counter()
        hold_zeros = state.holding_zeros(module)
        on_levels = {
            name: form for name, form in state.forms.items() if any(part.levels is not None for part in form.parts)
        }
        hold_levels = state.holding(module, on_levels)
        places = {name: cast(nn.Linear, module.get_submodule(name)) for name in layers}
        active = {
            name: ActiveLayer(place, partial(self._tables, number), self.share, self.seed + number)
            for number, (name, place) in enumerate(places.items())
        }
        idle = [Idle(places[name], one) for name, one in active.items()]

        def before_step() -> None:
            for one in idle:
                one.keep()

        def after_step(step: TrainingStep) -> None:
            for one in idle:
                one.put_back()
            hold_zeros()
            hold_levels()
            if (step.number + 1) % self.rehash == 0:
                for layer in active.values():
                    layer.rehash()

        course.fit(
            module,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
            before_step=before_step,
            after_step=after_step,
        )
        seconds, spent = perf_counter() - begun, {name: one.spent for name, one in active.items()}
        course.note(self._said(state, spent, seconds))
        for one in active.values():
            one.rehash()  # by the weights of the best epoch
        looked_up = course.score(module)
        for one in active.values():
            one.end()
        trained = state.trained(module).with_forms(on_levels)
        course.note(
            f"Where neurons are looked up {looked_up:.2%} of the validation images are answered rightly, where all are "
            f"computed {course.score(trained):.2%}."
        )
        yield trained

    def _tables(self, number: int, inputs: int) -> Lookup:
        """For vectors of that length, of layer `number`."""
        given = inputs, self.bits, self.tables, self.seed + number
        kind = LOOKUPS[self.lookup]
        by_angle = kind.measure == "angle"
        found = kind(*given, sparse=True) if by_angle else InnerProducts(*given, sparse=True, of=self.lookup)
        return Streaming(*given, workers=self.workers, of=found) if self.workers > 1 else found

    def _said(self, state: State, spent: dict[str, Spent], seconds: float) -> str:
        model, dense, ours = state.model, 0, 0
        images = max(one.inputs * model.layer(name).size // model.layer(name).macs for name, one in spent.items())
        for layer in model.layers:
            passes = 2 if model.layout(layer).first else 3  # forward, and backward to weights and to inputs
            whole = passes * layer.macs * images
            dense += whole
            ours += spent[layer.name].multiplications if layer.name in spent else whole
        hashing, rehashing = (sum(getattr(one, name) for one in spent.values()) for name in ("hashing", "rehashing"))
        computed, compared = (sum(getattr(one, name) for one in spent.values()) for name in ("neurons", "comparisons"))
        there = sum(state.forms[name].shape[0] for name in spent)
        return (
            f"{self.title} took {ours / max(dense, 1):.1%} of the multiplications of the dense network's training, "
            f"{hashing / max(dense, 1):.1%} for hashing and {rehashing / max(dense, 1):.1%} for rehashing among them: "
            f"{computed / max(images, 1):.0f} of {there} neurons an image, found by {compared / max(images, 1):.0f} "
            f"comparisons; {seconds:.0f} s."
        )


class Idle:
    """Neurons that no input computed in a step stay as they were, whatever the optimiser's momentum wants."""

    def __init__(self, layer: nn.Linear, active: ActiveLayer) -> None:
        self._tensors = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        self._active = active
        self._kept: list[Tensor] = []

    def keep(self) -> None:
        self._rows = torch.from_numpy(~self._active.touched)
        self._kept = [tensor.detach()[self._rows] for tensor in self._tensors]

    @torch.no_grad()
    def put_back(self) -> None:
        for tensor, kept in zip(self._tensors, self._kept, strict=True):
            tensor[self._rows] = kept
        self._active.touched[:] = False
