"""Makes the dictionary of the packed file's header: `python docs/dictionary.py` writes it and says its digest.

It looks at the headers of networks of the zoo under usual recipes. Texts that tell one kind of layer from another
become fixed, numbers are left open, and what most headers have alike becomes a default. A dictionary that files hang on
is never changed: another one belongs to another version of the format.
"""

import dataclasses
import hashlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from workbench.compression.compressed import compress  # noqa: E402 (the folder above is on the path from here on)
from workbench.exporters import binary_json  # noqa: E402
from workbench.exporters.header import entry, outline  # noqa: E402
from workbench.method import METHODS, Layerwise, Method  # noqa: E402
from workbench.models import zoo  # noqa: E402
from workbench.network.model import Model, load  # noqa: E402
from workbench.recipe import Recipe, Step  # noqa: E402
from workbench.weights.coders import CODERS  # noqa: E402
from workbench.weights.levels import LEVELS  # noqa: E402
from workbench.weights.tensor import SCHEMES  # noqa: E402

OPEN: dict[str, Any] = {"?": []}
NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist", "resnet-8/fashion-mnist")
USUAL = 0.5  # share of values that are alike, from which on they become the default
RECIPE = {"version": 1, "steps": OPEN, "encodings": {"?": [{}]}}
HEADER = {
    "network": OPEN, "recipe": RECIPE, "previews": {"?": [[]]}, "original": {"?": [None]}, "layers": OPEN,
    "example": {"?": [None]}, "call": {"?": [None]},
}  # fmt: skip
NETWORK = {
    "model": OPEN, "architecture": {"?": [None]}, "input_shape": OPEN, "data": {"?": [None]}, "layers": OPEN,
    "rest": OPEN,
}  # fmt: skip
STEP = {"method": OPEN, "settings": {"?": [{}]}, "layers": {"?": [None]}, "overrides": {"?": [{}]}}
LAYER = {"encoding": OPEN, "fields": OPEN, "arrays": OPEN}
ROUNDED = {"encoding": OPEN, "fields": OPEN, "input": OPEN, "arrays": OPEN}
DATA = {"name": OPEN, "test": OPEN}
RARELY = (HEADER, NETWORK, LAYER, ROUNDED, DATA)  # how often they occur, nothing here tells


def main() -> None:
    networks = [outline(load(name)) for name in zoo.listed()]
    layers = list(entries())
    templates = [HEADER, *frequent(layers)]
    templates += [one for one in coded_in_context(templates) if one not in templates]
    methods = [step(METHODS[name]) for name in METHODS]
    first = [one for one in methods if one["method"] in FIRST]
    lists = [lists for network in networks for lists in (network["layers"], network["rest"])]
    whole = [*networks[:4]], [*networks[4:], *(each for each in lists if len(each) > 2)]
    found = [HEADER, *first, *whole[0], *templates[1:], *whole[1], *methods, STEP, *RARELY[1:]]
    found += sorted(words(found))
    unique = list({binary_json.canonical(one): one for one in found}.values())
    content = "[\n" + ",\n".join(map(binary_json.canonical, unique)) + "\n]\n"
    binary_json.DICTIONARY.write_text(content)
    print(f"{len(unique)} templates, {len(content):,} bytes")
    print(f'DIGEST = "{hashlib.sha256(content.encode()).hexdigest()}"')


FIRST = ("prune.magnitude", "quantize.kmeans", "quantize.uniform", "coding.entropy", "prune.retrained-magnitude",
         "quantize.aware", "recover.fine-tuning")  # fmt: skip


def entries() -> Iterator[dict[str, Any]]:
    """The entry of every layer of the networks under every recipe."""
    for name in NETWORKS:
        model = load(name)
        for recipe in recipes():
            yield from of(model, recipe)
    for recipe in rare():
        yield from of(load(NETWORKS[0]), recipe)


def of(model: Model, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """The entries of a network's layers under one recipe."""
    compressed = compress(model, recipe, keep=False)
    for name, (encoding, plan) in compressed.plans.items():
        sizes = {array: size for array, _, size in plan.arrays}
        tables = {table.name: table.data.size for table in compressed.entering.get(name, ())}
        yield entry(encoding, plan.fields, sizes | tables, compressed.forms[name].entering)


def recipes() -> Iterator[Recipe]:
    """Magnitude pruning x bits x coders."""
    sparsities = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
    bits: list[Method | None] = [None]
    bits += [METHODS["quantize.kmeans"](bits=bits) for bits in (2, 3, 4, 5)]
    bits += [METHODS["quantize.uniform"](bits=bits, per=per) for bits in (2, 4, 8) for per in ("tensor", "channel")]
    for sparsity, rounding, coder in itertools.product(sparsities, bits, (None, *CODERS, "smallest")):
        pruning = [METHODS["prune.magnitude"](sparsity=sparsity)] if sparsity else []
        coding = [METHODS["coding.entropy"](coder=coder)] if coder else []
        yield Recipe(tuple(Step(method) for method in (*pruning, *([rounding] if rounding else []), *coding)))


def rare() -> Iterator[Recipe]:
    """Every method that is instant, by itself, behind pruning, and coded."""
    pruning, coding = METHODS["prune.magnitude"](sparsity=0.9), METHODS["coding.entropy"]()
    for name in METHODS:
        if issubclass(METHODS[name], Layerwise):
            for before, after in itertools.product(((), (pruning,)), ((), (coding,))):
                yield Recipe(tuple(Step(method) for method in (*before, METHODS[name](), *after)))


def frequent(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A template for each kind of layer that occurs, the most frequent first."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        kinds.setdefault(json.dumps(kind(layer)), []).append(layer)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    return [opened(alike) for alike in ordered if "factors" not in alike[0]["fields"]]


def kind(value: Any) -> Any:
    """What tells one kind of layer from another: its texts and the names of its facts."""
    if isinstance(value, dict):
        return {name: kind(one) for name, one in value.items()}
    return value if isinstance(value, str) else 0


def opened(alike: list[Any]) -> Any:
    """A template of values of one kind."""
    if isinstance(alike[0], dict):
        return {name: opened([one[name] for one in alike]) for name in alike[0]}
    if isinstance(alike[0], str):
        return alike[0]
    often = Counter(map(binary_json.canonical, alike))
    most, times = often.most_common(1)[0]
    return {"?": [json.loads(most)]} if times > USUAL * len(alike) else OPEN


def coded_in_context(templates: list[Any]) -> Iterator[Any]:
    """Of layers that list every code, the same whose codes are stored without a table."""
    for template in templates:
        plain, _, coder = str(template.get("encoding", "")).partition("+")
        if coder == "range-coder" and plain in LEVELS:
            arrays = {name: size for name, size in template["arrays"].items() if name != "codes.coding-table"}
            yield {**template, "encoding": f"{plain}+context-coder", "arrays": arrays}


def step(method: type[Method]) -> dict[str, Any]:
    """A step of a method: what the slider moves is always written, other settings where they are no defaults."""
    axis, usual = method.axis(), method()
    settings = {
        one.name: OPEN if axis and one.name == axis[0] else {"?": [getattr(usual, one.name)]}
        for one in dataclasses.fields(method)
    }
    return {**STEP, "method": method.name, "settings": settings}


def words(templates: list[Any]) -> set[str]:
    """Texts that stand in headers which no template fits."""
    found = {*SCHEMES, *CODERS, *(f"{scheme}+{coder}" for scheme in SCHEMES for coder in (*CODERS, "context-coder"))}
    found |= {"kind", "granularity", "group", "channel", "tensor", "factored", "passage", "ranks", "factors", "swapped"}
    found |= {"float32", "int64", "bool", "uint8", "row", "bits", "size", "mnist", "fashion-mnist", "located-mnist"}
    for template in [one for one in templates if isinstance(one, dict)]:
        if "encoding" in template:
            for name, value in template.items():
                found |= {name, *(value if isinstance(value, dict) else ())}
        if isinstance(template.get("method"), str):
            found |= {*template["settings"], template["method"]}
    found |= {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    return {one for one in found if isinstance(one, str) and one not in ("?", "")}


if __name__ == "__main__":
    main()
