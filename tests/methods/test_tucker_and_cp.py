"""Three and four factors: exact at full rank, equal to the composed convolution, and no error that grows."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from workbench.methods.factorize.cp import CP, decompose
from workbench.methods.factorize.tucker import Tucker
from workbench.weights.form import Form

KERNEL = np.random.default_rng(0).normal(size=(12, 7, 3, 5)).astype(np.float32)


def applied(method, kernel: np.ndarray = KERNEL) -> Form:
    return method.apply({"layer": Form.of(kernel)})["layer"]


def run(form: Form, x: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> torch.Tensor:
    """One convolution after another, each along the axes that it takes over."""
    for factor in form.factors:
        axes = factor.passage.rows, factor.passage.columns
        steps = [step if taken else 1 for step, taken in zip(stride, axes, strict=True)]
        border = [width if taken else 0 for width, taken in zip(padding, axes, strict=True)]
        weight = torch.from_numpy(factor.part.values)
        x = functional.conv2d(x, weight, stride=steps, padding=border, groups=factor.passage.groups)
    return x


@pytest.mark.parametrize("method", [Tucker(rank=0.5), CP(rank=0.5)])
def test_the_chain_equals_the_convolution_with_the_composed_kernel(method):
    form = applied(method)
    x = torch.randn(2, 7, 13, 14, generator=torch.Generator().manual_seed(0))
    whole = functional.conv2d(x, torch.from_numpy(form.compose()), stride=(2, 1), padding=(1, 2))
    torch.testing.assert_close(run(form, x, (2, 1), (1, 2)), whole, rtol=1e-4, atol=1e-4)


def test_full_tucker_ranks_lose_nothing():
    np.testing.assert_allclose(applied(Tucker(rank=1.0)).compose(), KERNEL, atol=1e-5)


def test_alternating_refinement_is_no_farther_than_the_hosvd():
    for rank in (0.2, 0.4, 0.6, 0.8):
        errors = [
            np.linalg.norm(applied(Tucker(rank=rank, refine=refine)).compose() - KERNEL) for refine in ("yes", "no")
        ]
        assert errors[0] <= errors[1] * (1 + 1e-6)


def test_the_error_of_alternating_least_squares_never_grows_and_is_the_true_one():
    for rank in (3, 10, 40):
        sides, errors = decompose(KERNEL.astype(np.float64), rank)
        assert (np.diff(errors) <= 1e-9 * errors[0]).all()
        whole = np.einsum("or,ir,kr,lr->oikl", *sides)
        assert np.linalg.norm(KERNEL - whole) == pytest.approx(errors[-1], rel=1e-4)


def test_a_tensor_of_rank_three_is_found():
    random = np.random.default_rng(5)
    sides = [random.normal(size=(length, 3)) for length in KERNEL.shape]
    kernel = np.einsum("or,ir,kr,lr->oikl", *sides)
    _, errors = decompose(kernel, 3, rounds=500)
    assert errors[-1] < 1e-3 * np.linalg.norm(kernel)


def test_a_border_rank_is_reported():
    """a∘a∘b + a∘b∘a + b∘a∘a has rank 3 and is approached by rank 2, whose components then grow without bound."""
    a, b = np.eye(4)[0], np.eye(4)[1]
    tensor = sum(np.einsum("o,i,k->oik", *order) for order in ((a, a, b), (a, b, a), (b, a, a)))[..., None]
    sides, errors = decompose(tensor, 2, rounds=3000)
    norms = np.prod([np.linalg.norm(side, axis=0) for side in sides], axis=0)
    assert errors[-1] < 0.2 * errors[0]
    assert norms.max() > 3 * np.linalg.norm(tensor)
    form = applied(CP(rank=1.0), KERNEL)
    assert CP(rank=1.0).remark(Form.of(KERNEL), form) is None
    large = form.with_values([factor.part.values * 40 for factor in form.factors])
    assert "degenerate" in CP(rank=1.0).remark(Form.of(KERNEL), large)


def test_weights_are_counted_as_kim_and_lebedev_count_them():
    tucker, cp = applied(Tucker(rank=0.5)), applied(CP(rank=0.5))
    outer, inner = round(0.5 * 12), round(0.5 * 7)
    assert sum(part.size for part in tucker.parts) == 7 * inner + outer * inner * 15 + 12 * outer
    rank = round(0.5 * KERNEL.size / (12 + 7 + 3 + 5))
    assert sum(part.size for part in cp.parts) == rank * (12 + 7 + 3 + 5)
    assert cp.break_even == pytest.approx(KERNEL.size / (12 + 7 + 3 + 5))
    grown = tucker.break_even / tucker.rank
    assert grown * (7 * inner + 12 * outer) + grown**2 * outer * inner * 15 == pytest.approx(KERNEL.size)


def test_a_tucker_basis_is_no_larger_than_what_the_kernel_spans():
    """Ten outputs at one point span ten directions of 256 inputs: the eleventh would be stored for nothing."""
    kernel = np.random.default_rng(0).normal(size=(10, 256, 1, 1)).astype(np.float32)
    found = Tucker(rank=1.0, refine="no").compress(Form.of(kernel), None)
    assert found.ranks == (10, 10)
    np.testing.assert_allclose(found.compose(), kernel, atol=1e-4)


@pytest.mark.parametrize("size", [0.0, 1e-42])
def test_a_kernel_of_any_size_has_a_cp_decomposition(size):
    kernel = size * np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    sides, errors = decompose(kernel, 20)
    assert all(np.isfinite(side).all() for side in sides)
    assert errors[-1] <= 1e-6 * np.linalg.norm(kernel)
