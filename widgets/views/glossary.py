"""What the badges, the preview mark and the columns of the layer table mean, in a sentence each."""

from __future__ import annotations

BADGES = {
    "measured": "Run or timed here, on this machine: the original network's accuracy, and latency.",
    "simulated": "The compressed weights were decoded again and run in floating point on the test images.",
    "on disk": "Exactly the bytes of the .cwb file that Export writes, header and biases included.",
    "modelled": "Worked out from shapes, zeros, widths and a device's published figures; nothing was metered.",
}

KINDS = {
    "preview": "Weights were only cut or rounded; the papers train the network afterwards, which can do better.",
    "faithful": "Every step was applied as its paper asks.",
}

TERMS = {
    "Non-zero": "Weights that are still stored and multiplied, out of all weights of the layer as it is stored.",
    "Bits": "Width of one stored weight. 32 means that it is kept as a floating-point number. Where a layer's inputs "
    "are rounded, too, their width stands behind it: 4 × 8 bits is a weight of 4 bits times an input of 8.",
    "Rank": "Inner size of the two thin factors that replace the layer. Above the break-even rank they hold more "
    "weights than the layer itself.",
    "Encoding": "How the weights lie in the file. The smallest one that loses nothing is taken.",
    "MAC": "One multiplication and one addition. Effective MACs leave out those with a weight of zero.",
    "Latency": "Median time of one input. Dense is the original in torch, packed the compressed one on the kernels "
    "that multiply its stored bytes as they are.",
    "Sensitivity": "How much accuracy falls where this layer alone is compressed, counted on validation images: from "
    "left to right ever more, on one scale for all layers. A hollow point is no clear change.",
    "Bit operations": "Effective MACs, each times the widths in bits of its weight and its input.",
}


def glossary() -> list[dict[str, object]]:
    """[{"title", "terms": [[term, sentence], ...]}], in the order in which the page lists them."""
    groups = (("Badges", BADGES), ("Results", KINDS), ("Terms", TERMS))
    return [{"title": title, "terms": [list(item) for item in terms.items()]} for title, terms in groups]


def explained() -> dict[str, str]:
    """Every word with its sentence, for tooltips."""
    return {**BADGES, **KINDS, **TERMS}
