"""How a network is called where that is more than `module(x)`: several inputs, or several answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from workbench.errors import ModelError, WorkbenchError, reason

Key = int | str  # a place among positional inputs or in a tuple, or a name


@dataclass(frozen=True, eq=False)
class Calling:
    """Images are given to one input, and the others stay what they are in the example; one of the answers counts.

    first: the input that images are given to. others: the rest, [1, ...] where they have one entry an image. answer:
    the way into what the network gives, () for all of it.
    """

    first: Key = 0
    others: Mapping[Key, Tensor] = field(default_factory=dict)
    answer: tuple[Key, ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # it never changes, and copies of a network may share it

    @classmethod
    def of(cls, example: Any, answer: Key | Sequence[Key] | None) -> tuple[Any, Self | None]:
        """The input that changes, and the rest; None where the network is called with that alone.

        example: a tensor, or a tuple or dict of tensors, whose first one is the input that changes. Raises ModelError.
        """
        path = () if answer is None else tuple(answer) if isinstance(answer, (tuple, list)) else (answer,)
        if not all(isinstance(key, (int, str)) and not isinstance(key, bool) for key in path):
            raise ModelError("The answer must be a place or a name in what the network gives, or several on the way.")
        if not isinstance(example, (tuple, list, Mapping)):
            return example, cls(answer=path) if path else None
        inputs = dict(example) if isinstance(example, Mapping) else dict(enumerate(example))
        wrong = [key for key, value in inputs.items() if not isinstance(value, Tensor)]
        if wrong or not inputs:
            found = f"input {wrong[0]!r} is of type {type(inputs[wrong[0]]).__name__}" if wrong else "there is none"
            raise ModelError(f"The example inputs must be tensors [batch, ...]: {found}.")
        first, *others = inputs
        batch = inputs[first].shape[:1]
        held = {key: _held(inputs[key], batch) for key in others}
        plain = first == 0 and not held and not path
        return inputs[first], None if plain else cls(first, held, path)

    def check(self, module: nn.Module, example: Any) -> None:
        """Raises ModelError where the network answers otherwise for the first of each input than for all at once."""
        inputs = example if isinstance(example, Mapping) else dict(enumerate(example))
        x = inputs[self.first]
        if len(x) < 2:
            return
        places = sorted(key for key in inputs if isinstance(key, int))
        names = {key: value for key, value in inputs.items() if isinstance(key, str)}
        whole = copy.deepcopy(module)
        try:
            with torch.no_grad():
                expected = self._answered(whole, (), self.plain(whole)(*(inputs[place] for place in places), **names))
                found = copy.deepcopy(module)(x[:1])
            alike = all(map(_begins_as, tree_leaves(expected), tree_leaves(found)))
        except WorkbenchError:
            raise
        except Exception as error:  # a user's module may fail in any way
            raise ModelError(f"The network does not accept the example inputs ({reason(error)}).") from error
        if not alike:
            raise ModelError(
                "The network answers otherwise for the first entry of each input than for all of them; give inputs of "
                "one entry, [1, ...], and what is no batch as it is."
            )

    def enters(self, module: nn.Module) -> None:
        """Have `module` called so wherever it is called with one input alone."""
        module.register_forward_pre_hook(self._called, with_kwargs=True)
        if self.answer:
            module.register_forward_hook(self._answered)

    @classmethod
    def within(cls, module: nn.Module) -> Self | None:
        """That of a module that is called so; None of any other."""
        hooks = module._forward_pre_hooks.values()
        return next((owner for hook in hooks if isinstance(owner := getattr(hook, "__self__", None), cls)), None)

    @classmethod
    def plain(cls, module: nn.Module) -> nn.Module:
        """The same module, called again as the one that came."""
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for number, hook in list(hooks.items()):
                if isinstance(getattr(hook, "__self__", None), cls):
                    del hooks[number]
                    module._forward_pre_hooks_with_kwargs.pop(number, None)
        return module

    def _called(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        (x,) = args
        if self.others and isinstance(x, fx.Proxy):
            raise TypeError("what enters beside the images cannot be recorded")
        given = {self.first: x, **{key: _for_each(other, x) for key, other in self.others.items()}}
        places = sorted(key for key in given if isinstance(key, int))
        return tuple(given[place] for place in places), {key: given[key] for key in given if isinstance(key, str)}

    def _answered(self, module: nn.Module, args: Any, given: Any) -> Any:
        for key in self.answer:
            try:
                named = isinstance(key, str) and not isinstance(given, Mapping)
                given = getattr(given, str(key)) if named and hasattr(given, str(key)) else given[key]
            except (KeyError, IndexError, TypeError) as error:
                raise ModelError(f"The network gives no answer {key!r}, but {_told(given)}.") from error
        return given


def _begins_as(all_of_it: Any, first: Any) -> bool:
    """Whether an answer for several images begins as the one for the first of them; True where nobody can tell."""
    if not isinstance(first, Tensor) or not first.is_floating_point() or first.shape[:1] != (1,):
        return True
    bound = 1e-3 * float(first.abs().max())
    return torch.allclose(all_of_it[:1].float(), first.float(), rtol=1e-3, atol=bound)


def _held(value: Tensor, batch: Sequence[int]) -> Tensor:
    one = value[:1] if value.ndim and value.shape[:1] == tuple(batch) else value
    if one.layout is not torch.strided or one.is_complex() or one.is_quantized:
        raise ModelError("The example inputs must be dense tensors of real numbers.")
    if one.is_floating_point() and one.isnan().any():
        raise ModelError("The example inputs have values that are NaN.")
    one = one.detach().clone(memory_format=torch.contiguous_format)
    return one.float() if one.is_floating_point() else one


def _for_each(value: Tensor, x: Tensor) -> Tensor:
    """One entry an image, where images are; a new tensor, since the network may write into it."""
    several = value.ndim and len(value) == 1 and len(x) > 1
    return (value.expand(len(x), *value.shape[1:]) if several else value).clone().to(x.device)


def _told(given: Any) -> str:
    if isinstance(given, Mapping):
        return ", ".join(repr(key) for key in given)
    return f"{len(given)} answers" if isinstance(given, (tuple, list)) else type(given).__name__
