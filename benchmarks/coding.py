"""`workbench bench coding`: bytes that coders make of pruned networks, how fast these are read, and when places pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import thread_time
from typing import Any

import numpy as np

from benchmarks.kernels import machine
from workbench.compression.compressed import CompressedModel, compress
from workbench.kernels.sparse.gaps import WIDTHS
from workbench.network.model import load
from workbench.recipe import Recipe, Step, method_named
from workbench.weights.choice import ENCODINGS
from workbench.weights.coders import CODERS
from workbench.weights.part import Part
from workbench.weights.places.relative_index import RelativeIndex

NETWORKS = ("lenet-300-100/mnist", "lenet-5/mnist", "resnet-8/fashion-mnist")
SPARSITIES = (0.9, 0.95, 0.98)
BITS = (3, 5)
_ROUNDS = 3
_SHAPE = (300, 784)  # of the layer whose places are counted
_CUTS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


def run(names: tuple[str, ...] = (), progress: Callable[[str], None] = lambda case: None) -> dict[str, Any]:
    """{"machine": {...}, "rows": [...], "places": [...]}.

    rows: for each network, share of zeros (magnitude, over all layers) and bits (k-means): the bytes of its weights
    without a coder and through each, all tables counted, and nanoseconds of the processor a weight for reading them,
    the check that they would be written so among it. bound: the entropy of the codes, zeros among them, where each is
    drawn by itself from its layer's shares, and the codebooks. places: bytes of one layer's positions and float32.
    """
    rows = []
    for name in names or NETWORKS:
        for sparsity in SPARSITIES:
            for bits in BITS:
                progress(f"{name}, {sparsity:.0%} zeros, {bits} bits")
                rows.append({"network": name, "zeros": sparsity, "bits": bits, **_coded(name, sparsity, bits)})
    return {"machine": machine(), "rows": rows, "places": list(places())}


def places() -> Iterator[dict[str, Any]]:
    """Bytes of a layer of `_SHAPE` by its share of zeros: dense, CSR of float32 and int32, and gaps of 4 to 8 bits."""
    magnitudes = np.random.default_rng(0).normal(size=_SHAPE).astype(np.float32)
    for cut in _CUTS:
        part = Part.of(np.where(np.abs(magnitudes) <= np.quantile(np.abs(magnitudes), cut), 0, magnitudes))
        gaps = {}
        for placing in RelativeIndex.placings(part):
            width = placing.fields["gap_bits"]
            nbytes = sum(size for _, _, size in placing.arrays) + 4 * placing.entries
            gaps[width] = {"bytes": nbytes, "fillers": placing.entries - part.nonzeros}
        csr = 8 * part.nonzeros + 4 * (_SHAPE[0] + 1)
        yield {"zeros": cut, "dense": 4 * part.size, "csr": csr, "gaps": {w: gaps[w] for w in WIDTHS if w >= 4}}


def _coded(name: str, sparsity: float, bits: int) -> dict[str, Any]:
    plain = compress(load(name), Recipe.sliders(sparsity=sparsity, bits=bits, methods={"bits": "quantize.kmeans"}))
    found: dict[str, Any] = {"bound": _bound(plain), "none": _nbytes(plain)}
    for coder in CODERS:
        coding = method_named("coding.entropy", {"coder": coder})
        coded = compress(load(name), Recipe((*plain.recipe.steps, Step(coding))))
        found[coder] = {"bytes": _nbytes(coded), "ns": _nanoseconds(coded)}
    return found


def _nbytes(compressed: CompressedModel) -> int:
    return sum(plan.nbytes for _, plan in compressed.plans.values())


def _bound(compressed: CompressedModel) -> int:
    nbytes = 0.0
    for form in compressed.forms.values():
        _, counts = np.unique(form.parts[0].values, return_counts=True)
        nbytes += float(counts @ np.log2(counts.sum() / counts)) / 8 + 4 * counts.size
    return round(nbytes)


def _nanoseconds(compressed: CompressedModel) -> float:
    stored = [
        (ENCODINGS[one.name], one.fields(), {array.name: array.data for array in one.arrays()})
        for one in compressed.encodings.values()
    ]
    seconds = []
    for _ in range(_ROUNDS):
        start = thread_time()
        for scheme, fields, arrays in stored:
            scheme.restore(fields, arrays)
        seconds.append(thread_time() - start)
    return 1e9 * median(seconds) / sum(form.weights for form in compressed.forms.values())


def page(result: dict[str, Any]) -> str:
    """As Markdown."""
    coders = [name for name in result["rows"][0] if isinstance(result["rows"][0][name], dict)]
    head = ["network", "zeros", "bits", "entropy bound", "no coder", *coders, *(f"{one}, ns" for one in coders)]
    lines = [
        "# Coders",
        "",
        f"Made by `workbench bench coding` on {result['machine']['processor']}. Bytes of all weights after magnitude",
        "pruning and k-means, without retraining, tables counted; in brackets against Huffman. The bound is the",
        "entropy of codes that are drawn one by one from their layer's shares, and the codebooks: what knows of",
        "neighbours, rows and columns goes below it. Nanoseconds of the processor a weight are for reading, the check",
        "that it would be written so among it.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    for row in result["rows"]:
        huffman = row["huffman"]["bytes"]
        sizes = [f"{row[one]['bytes']:,} ({row[one]['bytes'] / huffman - 1:+.1%})" for one in coders]
        sizes = [size.replace(" (+0.0%)", "") for size in sizes]
        times = [f"{row[one]['ns']:.0f}" for one in coders]
        cells = [row["network"], f"{row['zeros']:.0%}", str(row["bits"]), f"{row['bound']:,}", f"{row['none']:,}"]
        lines.append(f"| {' | '.join([*cells, *sizes, *times])} |")
    widths = list(result["places"][0]["gaps"])
    lines += [
        "",
        "## When places pay",
        "",
        f"Bytes of a layer of {_SHAPE[0]} × {_SHAPE[1]} float32 weights, fillers in brackets. CSR holds "
        "float32 and int32, so that it is smaller than dense only above one half of zeros.",
        "",
        f"| zeros | dense | CSR | {' | '.join(f'gaps of {width} bits' for width in widths)} |",
        f"|{'---|' * (len(widths) + 3)}",
    ]
    for row in result["places"]:
        gaps = [f"{row['gaps'][width]['bytes']:,} ({row['gaps'][width]['fillers']:,})" for width in widths]
        lines.append(f"| {row['zeros']:.0%} | {row['dense']:,} | {row['csr']:,} | {' | '.join(gaps)} |")
    return "\n".join(lines) + "\n"
