"""Networks of several inputs and answers: images are given to one input, and one of the answers counts."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import CompressedModel, compress, read
from workbench.engine.assessment import assess
from workbench.errors import FormatError, ModelError
from workbench.exporters.binary_json import pack, unpack
from workbench.exporters.header import describe, parse
from workbench.methods.prune.l1_filter import L1Filter
from workbench.methods.prune.magnitude import Magnitude
from workbench.methods.quantize.uniform import Uniform
from workbench.network.model import Model
from workbench.recipe import Recipe, Step

RECIPE = Recipe((Step(Magnitude(sparsity=0.5)), Step(Uniform(bits=4))))
X, MASK = torch.rand(5, 6, 8), torch.tensor([[1.0, 1, 1, 1, 0, 0]])


class Output(NamedTuple):
    logits: torch.Tensor
    hidden: torch.Tensor


class Encoder(nn.Module):
    """Takes words and a mask, and gives logits beside what they come from, as transformers do."""

    def __init__(self, kind: str = "dict") -> None:
        super().__init__()
        self.first, self.second, self.kind = nn.Linear(8, 16), nn.Linear(16, 3), kind

    def forward(self, x: torch.Tensor, mask: torch.Tensor, *, scale: torch.Tensor | None = None) -> Any:
        hidden = torch.relu(self.first(x)) * mask[..., None]
        hidden = hidden if scale is None else hidden * scale
        logits = self.second(hidden.sum(1) / mask.sum(1, keepdim=True))
        if self.kind == "dict":
            return {"hidden": hidden, "logits": logits}
        return (hidden, (logits,)) if self.kind == "tuple" else Output(logits, hidden)


CALLS: dict[str, tuple[Any, Any, str]] = {
    "positions": ((X, MASK), "logits", "dict"),
    "names": ({"x": X, "mask": MASK}, "logits", "dict"),
    "names, a number beside": ({"x": X, "mask": MASK, "scale": torch.tensor(2.0)}, "logits", "dict"),
    "an answer in a tuple in a tuple": ((X, MASK), (1, 0), "tuple"),
    "a named answer": ((X, MASK), "logits", "named"),
}


def answered(module: nn.Module, example: Any, answer: Any) -> torch.Tensor:
    """What the user's own call gives; the mask is each image's own."""
    with torch.no_grad():
        given = module(**example) if isinstance(example, dict) else module(*example)
    for key in answer if isinstance(answer, tuple) else (answer,):
        given = getattr(given, key) if isinstance(given, Output) else given[key]
    return given


@pytest.mark.parametrize("kind", CALLS)
def test_every_way_to_call_a_network(kind: str, tmp_path: Path) -> None:
    example, answer, gives = CALLS[kind]
    torch.manual_seed(0)
    module = Encoder(gives).eval()
    labels = np.arange(5) % 3
    model = Model.from_module(module, example, (X.numpy(), labels), answer=answer)
    assert sum(layer.macs for layer in model.layers) == 6 * 8 * 16 + 16 * 3
    expected = answered(module, example, answer)
    torch.testing.assert_close(model.module(X), expected)
    assert assess(compress(model, Recipe())).compressed.accuracy.value == (expected.argmax(1).numpy() == labels).mean()

    compressed = compress(model, RECIPE)
    path = compressed.save(tmp_path / "a.cwb")
    again = read(path, module, model.data)
    assert path.stat().st_size == compressed.size.value == again.size.value
    own = copy.deepcopy(module)
    for layer in model.layers:
        own.get_parameter(layer.parameter).data.copy_(torch.tensor(compressed.forms[layer.name].compose()))
    expected = answered(own, example, answer)
    for found in (compressed, again):  # each is called as the module that came
        torch.testing.assert_close(answered(found.to_torch(), example, answer), expected)
        torch.testing.assert_close(answered(found.packed(), example, answer), expected, rtol=1e-4, atol=1e-5)
    assert again.save(tmp_path / "b.cwb").read_bytes() == path.read_bytes()


def test_one_of_several_answers_can_be_followed_and_slimmed_away_it_is_not() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            hidden = torch.relu(self.first(x))
            return self.second(hidden), hidden

    torch.manual_seed(0)
    module = Two().eval()
    model = Model.from_module(module, torch.rand(1, 8), answer=0)
    compressed: CompressedModel = compress(model, Recipe((Step(L1Filter(share=0.5)),)))
    assert (compressed.forms["first"].parts[0].values.any(1)).sum() == 8
    x = torch.rand(3, 8)
    for network in (compressed.to_torch(), compressed.packed(), compressed.to_torch(slim=True)):
        scores, hidden = network(x)
        torch.testing.assert_close(scores, compressed.module()(x))
        assert hidden.shape == (3, 16)
    assert "several inputs or answers" in compressed.running().notes["first"]


class Shared(nn.Module):
    """A mask that is no batch, which the network writes into, beside inputs of which there may be as many."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        mask.mul_(2).clamp_(min=-1e9)
        return self.head((torch.softmax(mask, -1) @ x).mean(1))


def test_what_is_no_batch_stays_whole_and_is_never_written_to(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, mask = Shared().eval(), torch.full((6, 6), -torch.inf).triu(1) + torch.rand(6, 6)
    model = Model.from_module(module, (X[:1], mask.clone()))
    compressed = compress(model, RECIPE)
    again = read(compressed.save(tmp_path / "a.cwb"), module)
    expected = compressed.to_torch()(X, mask.clone())
    for network in (compressed.module(), again.module(), compressed.running().module):
        for _ in range(2):
            torch.testing.assert_close(network(X), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelError, match="answers otherwise for the first entry"):
        Model.from_module(module, (torch.rand(6, 6, 8), mask.clone()))


@pytest.mark.parametrize(
    ("example", "answer", "sentence"),
    [
        ((X, MASK), "scores", "gives no answer 'scores', but 'hidden', 'logits'"),
        ((X, MASK), ("logits", 7), "gives no answer 7, but Tensor"),
        ((X, MASK), 1.5, "The answer must be a place or a name"),
        ((X, MASK), True, "The answer must be a place or a name"),
        ((X, MASK), "values", "gives no answer 'values'"),
        ((X, torch.full((1, 6), torch.nan)), "logits", "have values that are NaN"),
        (X, "logits", "does not accept an input of shape"),
        ((X, MASK, MASK), None, "does not accept an input of shape"),
    ],
)
def test_what_does_not_fit_is_a_sentence(example: Any, answer: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        Model.from_module(Encoder(), example, answer=answer)


@pytest.mark.parametrize(
    "forged",
    [
        {"first": [0]},
        {"first": "mask"},
        {"answer": "logits"},
        {"answer": [1.5]},
        {"others": [["mask", "mask", ["float32", [1, 4]]]]},
        {"others": [["mask", ["object", [1, 4]]]]},
    ],
)
def test_a_header_that_calls_in_no_known_way_is_refused(forged: dict[str, Any]) -> None:
    raw = describe(compress(Model.from_module(Encoder(), CALLS["names"][0], answer="logits"), RECIPE))
    content = unpack(raw)
    parse(raw)
    assert content["call"]["first"] == "x" and content["call"]["answer"] == ["logits"]
    with pytest.raises(FormatError):
        parse(pack({**content, "call": {**content["call"], **forged}}))
