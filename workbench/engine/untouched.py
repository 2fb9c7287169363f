"""What a recipe left as it came."""

from __future__ import annotations

from workbench.compression.compressed import CompressedModel
from workbench.report.beside import TensorRow


def beside(compressed: CompressedModel, size: float) -> tuple[TensorRow, ...]:
    """Every tensor that no layer holds. size: bytes of the whole file."""
    return tuple(
        TensorRow(name, tensor.shape, tensor.nbytes, tensor.nbytes / size)
        for name, tensor in compressed.model.rest.items()
    )


def said(compressed: CompressedModel) -> tuple[str, ...]:
    """A sentence on the layers that no step of the recipe changed, with their share of the weights; () where all were.

    Of a file nobody knows what its layers were, and neither a recipe without steps nor one that gives another network
    has anything to say.
    """
    layers = compressed.model.layers
    if compressed.from_file or not compressed.recipe.steps or compressed.recipe.replaces:
        return ()
    same = [layer for layer in layers if compressed.forms[layer.name] is layer.form]
    if not same:
        return ()
    if len(same) == len(layers):
        return ("Nothing was compressed: no step of the recipe changed any layer.",)
    share = sum(layer.size for layer in same) / sum(layer.size for layer in layers)
    names = ", ".join(layer.name for layer in same[:5]) + (", ..." if len(same) > 5 else "")
    return (f"{len(same)} of {len(layers)} layers, {100 * share:.1f} % of the weights, are untouched: {names}.",)
