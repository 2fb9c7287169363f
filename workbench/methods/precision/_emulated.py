"""Training in low precision, emulated: every tensor of it lies on the numbers that the arithmetic has.

What is emulated are numbers, not time: in float64, which holds products of two numbers of up to 24 bits exactly and
sums millions of 16-bit ones without an error, so that a sum is rounded once (a wide accumulator); or through products
that round each product and each sum (`RoundedSums`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.kernels.emulated.floating import rounded_product, rounded_sum
from workbench.method import TrainingStep
from workbench.methods._latent import owners
from workbench.methods.precision._grids import Grid, Shared

Role = Literal["stored", "weight", "bias", "input", "output", "error", "passed error", "gradient", "update"]
Ahead = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RoundedSums:
    """Sums of the format (1, exponent, mantissa), in chunks of the depth; see `kernels.emulated.floating`."""

    exponent: int
    mantissa: int
    chunk: int

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """a [rows, depth] times b [depth, columns]."""
        found = rounded_product(a.numpy(), b.numpy(), self.exponent, self.mantissa, self.chunk)
        return torch.from_numpy(found)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Number by number."""
        shape = torch.broadcast_shapes(a.shape, b.shape)
        first, second = (one.expand(shape).contiguous().numpy() for one in (a, b))
        return torch.from_numpy(rounded_sum(first, second, self.exponent, self.mantissa))


@dataclass(frozen=True)
class Arithmetic:
    """What numbers the tensors of a training are.

    grid: of the tensor of a layer (or of what else is trained) in a role; None where it stays float32. Roles: "stored"
    parameters, "weight" and "bias" as the products see them, what enters a layer ("input") and leaves it ("output"),
    the loss by what leaves ("error") and by what enters ("passed error"), by a parameter ("gradient"), and what a
    parameter moves by ("update"). drawn: the roles that are rounded by chance in training, the others to nearest. sums:
    how products are summed; None for a wide accumulator. often: after how many steps shared exponents follow.
    """

    grid: Callable[[str, Role], Grid | None]
    drawn: frozenset[Role] = frozenset()
    sums: RoundedSums | None = None
    often: int = 10


class Emulation:
    """`module` computing in an arithmetic, in both passes, and its parameters moving by w ← Q(w + Q(−rate · gradient)).

    A step of gradient descent without momentum, to which a course is to leave it: nothing else has a gradient then. The
    loss counts as the sum over a batch, as the papers have it, so that errors do not vanish below the smallest number;
    the rate is divided by the batch. What lies between layers (pooling, batch norm, softmax) is float32, and rounded
    where it enters the next layer. That every tensor lies on its numbers is asserted wherever one is made.

    layers: those that compute so. held: names of parameters that stay as they are.
    """

    def __init__(
        self, module: nn.Module, layers: Collection[str], held: Collection[str], arithmetic: Arithmetic, seed: int
    ) -> None:
        self._module, self._arithmetic, self._random = module, arithmetic, torch.Generator().manual_seed(seed)
        self._grids: dict[tuple[str, Role], Grid | None] = {}
        self._leaves: dict[str, list[Tensor]] = {}
        self._places = owners(module, layers)
        self._scale = 1.0
        named = dict(module.named_parameters())
        own = {id(one): f"{name}.{leaf}" for name, place in self._places.items() for leaf, one in _parameters(place)}
        self._own = {own[id(one)]: one for one in named.values() if id(one) in own}
        self._names = own
        self._beside = {name: one for name, one in named.items() if id(one) not in own and name not in held}
        self._held = [one for name, one in named.items() if name in held and id(one) not in own]
        for name, one in {**self._own, **self._beside}.items():
            self._store(name, one, one.detach().double())
        for name, place in self._places.items():
            cast(Any, place).forward = self._forward(name, place)
        self._hook = module.register_forward_hook(self._sum_over_the_batch)

    def end(self) -> None:
        """The module computes in float32 again, and its parameters are what the products saw of them."""
        self._module.eval()
        for name, one in self._own.items():
            self._fill(one, self._at(name, "bias" if name.endswith(".bias") else "weight")(one.detach().double()))
        for place in self._places.values():
            del place.forward
        self._hook.remove()

    def before_step(self) -> None:
        """The gradients are there: they are taken out of the optimiser's sight."""
        for name, one in self._beside.items():
            if one.grad is not None:
                self._leaves[name] = [one.grad]
        for one in (*self._beside.values(), *self._held):
            one.grad = None

    @torch.no_grad()
    def after_step(self, step: TrainingStep) -> None:
        """Every parameter that has a gradient moves."""
        for name, one in {**self._own, **self._beside}.items():
            found = [leaf if name in self._beside else leaf.grad for leaf in self._leaves.pop(name, [])]
            gradients = [gradient.double() for gradient in found if gradient is not None]
            if gradients:
                gradient = self._at(name, "gradient")(torch.stack(gradients).sum(0))
                update = self._at(name, "update")(gradient * (-step.rate / self._scale))
                moved = one.double() + update
                self._store(name, one, moved)
        self._leaves.clear()
        if (step.number + 1) % self._arithmetic.often == 0:
            self._follow()

    def _follow(self) -> None:
        """Shared exponents do, and what is stored by one that moved is rounded by it."""
        for (name, role), grid in self._grids.items():
            if isinstance(grid, Shared) and grid.follow() and role == "stored":
                one = self._own.get(name, self._beside.get(name))
                assert one is not None
                self._store(name, one, one.double())

    def _store(self, name: str, parameter: Tensor, numbers: Tensor) -> None:
        self._fill(parameter, self._at(name, "stored")(numbers))

    @torch.no_grad()
    def _fill(self, parameter: Tensor, numbers: Tensor) -> None:
        parameter.copy_(numbers)

    def grid(self, name: str, role: Role) -> Grid | None:
        """The grid of a tensor; shared exponents as they are by now."""
        key = name, role
        if key not in self._grids:
            self._grids[key] = self._arithmetic.grid(name, role)
        return self._grids[key]

    def _at(self, name: str, role: Role) -> Ahead:
        grid = self.grid(name, role)
        if grid is None:
            return lambda numbers: numbers
        by_chance = role in self._arithmetic.drawn and self._module.training

        def rounded(numbers: Tensor) -> Tensor:
            found = grid.rounded(numbers.double(), self._random if by_chance else None)
            assert grid.holds(found), f"A number of {name!r} ({role}) is none that the arithmetic has."
            return found

        return rounded

    def _leaf(self, name: str, parameter: Tensor, role: Role) -> Tensor:
        """What products see of a parameter, apart from it, so that its gradient is as wide as the sum is."""
        leaf = self._at(name, role)(parameter.detach().double()).clone().requires_grad_()
        if torch.is_grad_enabled():
            self._leaves.setdefault(name, []).append(leaf)
        return leaf

    def _forward(self, name: str, place: Any) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            entering = _Passing.apply(x.double(), self._at(name, "input"), self._at(name, "passed error"))
            weight = self._leaf(self._names[id(place.weight)], place.weight, "weight")
            bias = None if place.bias is None else self._leaf(self._names[id(place.bias)], place.bias, "bias")
            y = (
                _wide(place, entering, weight, bias)
                if self._arithmetic.sums is None
                else _summed(place, entering, weight, bias, self._arithmetic.sums)
            )
            leaving = _Passing.apply(y, self._at(name, "output"), self._at(name, "error"))
            return cast(Tensor, leaving.float())

        return forward

    def _sum_over_the_batch(self, module: nn.Module, inputs: object, output: Any) -> Any:
        """The loss is a mean over the batch; its errors become those of the sum."""
        if not isinstance(output, Tensor) or not output.requires_grad:
            return output
        self._scale = float(len(output))
        return _Passing.apply(output, _same, lambda error: error * self._scale)


def _parameters(place: nn.Module) -> list[tuple[str, Tensor]]:
    return [(leaf, one) for leaf in ("weight", "bias") if (one := getattr(place, leaf)) is not None]


def _same(numbers: Tensor) -> Tensor:
    return numbers


def _wide(place: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if isinstance(place, nn.Linear):
        return functional.linear(x, weight, bias)
    return cast(Tensor, place._conv_forward(x, weight, bias))


def _summed(place: Any, x: Tensor, weight: Tensor, bias: Tensor | None, sums: RoundedSums) -> Tensor:
    if isinstance(place, nn.Linear):
        rows = x.reshape(-1, x.shape[-1])
        return cast(Tensor, _Products.apply(rows, weight, bias, sums)).reshape(*x.shape[:-1], len(weight))
    mode = "constant" if place.padding_mode == "zeros" else place.padding_mode
    padded = functional.pad(x, place._reversed_padding_repeated_twice, mode)
    windows = cast(Tensor, _Windows.apply(padded, place.kernel_size, place.dilation, place.stride, sums))
    y = cast(Tensor, _Products.apply(windows.transpose(1, 2).flatten(0, 1), weight.flatten(1), bias, sums))
    height, width = (
        (side - step * (window - 1) - 1) // stride + 1
        for side, step, window, stride in zip(
            padded.shape[2:], place.dilation, place.kernel_size, place.stride, strict=True
        )
    )
    return y.reshape(len(x), height * width, len(weight)).transpose(1, 2).reshape(len(x), len(weight), height, width)


class _Passing(torch.autograd.Function):
    """Numbers as `ahead` makes them; their gradient as `back` does, as if `ahead` had changed nothing."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ahead: Ahead, back: Ahead) -> Tensor:
        ctx.back = back
        return ahead(x).view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        return ctx.back(gradient), None, None


class _Products(torch.autograd.Function):
    """x [rows, in] by weight [out, in], and bias; the three products of both passes have rounded sums."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, sums: RoundedSums) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.sums, ctx.biased = sums, bias is not None
        y = sums.product(x.detach(), weight.detach().T)
        return y if bias is None else sums.add(y, bias.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (error,) = gradients
        x, weight = ctx.saved_tensors
        sums = ctx.sums
        ones = torch.ones(1, len(error), dtype=torch.float64)
        bias = sums.product(ones, error)[0] if ctx.biased else None
        return sums.product(error, weight), sums.product(error.T, x), bias, None


class _Windows(torch.autograd.Function):
    """Images unrolled into the windows of a convolution; errors that meet in a pixel are added in rounded sums."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Any, dilation: Any, stride: Any, sums: RoundedSums) -> Tensor:
        ctx.shape, ctx.use, ctx.sums = x.shape, (kernel, dilation, stride), sums
        return functional.unfold(x, kernel, dilation, 0, stride)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (error,) = gradients
        (rows, columns), (down, right), (y_step, x_step) = ctx.use
        count, channels, height, width = ctx.shape
        total = torch.zeros(ctx.shape, dtype=torch.float64)
        tall, wide = (height - down * (rows - 1) - 1) // y_step + 1, (width - right * (columns - 1) - 1) // x_step + 1
        pieces = error.reshape(count, channels, rows, columns, tall, wide)
        for row in range(rows):
            for column in range(columns):
                lines = slice(row * down, row * down + y_step * (tall - 1) + 1, y_step)
                points = slice(column * right, column * right + x_step * (wide - 1) + 1, x_step)
                met = total[:, :, lines, points]
                total[:, :, lines, points] = ctx.sums.add(met, pieces[:, :, row, column])
        return total, None, None, None, None
