"""Truncated SVD, channel and spatial form: Eckart-Young, full rank, and the two-layer network it stands for."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from workbench.methods.factorize.spatial_svd import SpatialSVD
from workbench.methods.factorize.svd import SVD
from workbench.weights.form import Form

RNG = np.random.default_rng(0)
LINEAR = RNG.normal(size=(12, 30)).astype(np.float32)
CONVOLUTION = RNG.normal(size=(9, 4, 3, 5)).astype(np.float32)


def channel_matrix(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(len(weight), -1)


def spatial_matrix(weight: np.ndarray) -> np.ndarray:
    out, channels, height, width = weight.shape
    return np.stack([weight[:, :, :, x].reshape(out, channels * height) for x in range(width)], 1).reshape(
        out * width, -1
    )


@pytest.mark.parametrize("rank", [0.01, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    ("method", "weight", "matrix"),
    [
        (SVD, LINEAR, channel_matrix),
        (SVD, CONVOLUTION, channel_matrix),
        (SpatialSVD, LINEAR, channel_matrix),
        (SpatialSVD, CONVOLUTION, spatial_matrix),
    ],
)
def test_error_is_the_tail_of_the_spectrum(method, weight, matrix, rank) -> None:  # type: ignore[no-untyped-def]
    form = method(rank=rank).apply({"a": Form.of(weight)})["a"]
    values = np.linalg.svd(matrix(weight).astype(np.float64), compute_uv=False)
    kept = max(1, round(rank * len(values)))
    assert form.rank == kept
    tail = np.sqrt((values[kept:] ** 2).sum())
    assert np.linalg.norm(form.compose().astype(np.float64) - weight) == pytest.approx(tail, abs=2e-5)


SPECTRA = {
    "flat": np.ones(30),
    "slow": np.linspace(1, 0.1, 30),
    "fast": 10.0 ** -np.linspace(0, 9, 30),
    "of pairs": np.repeat(10.0 ** -np.arange(15), 2),
    "deficient": np.where(np.arange(30) < 11, np.linspace(3, 1, 30), 0),
    "nothing": np.zeros(30),
}


@pytest.mark.parametrize("size", [1.0, 1e-20, 1e12])
@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (30, 30)])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_every_rank_of_any_spectrum_is_as_near_as_can_be(spectrum: str, shape: tuple[int, int], size: float) -> None:
    """As near as numpy's decomposition in float64 says, to what float32 factors of the whole can tell."""
    left, right = (np.linalg.qr(RNG.normal(size=(side, 30)))[0] for side in shape)
    weight = (size * (left * SPECTRA[spectrum]) @ right.T).astype(np.float32)
    values = np.linalg.svd(weight.astype(np.float64), compute_uv=False)
    whole = np.linalg.norm(values)
    for kept in (1, 2, 7, 11, 15, 29, 30):
        form = SVD(rank=kept / 30).apply({"a": Form.of(weight)})["a"]
        assert form.rank == kept
        tail = np.linalg.norm(values[kept:])
        assert np.linalg.norm(form.compose().astype(np.float64) - weight) == pytest.approx(tail, abs=5e-7 * whole)
        first, second = (part.values.astype(np.float64) for part in form.parts)
        assert np.isfinite(first).all() and np.isfinite(second).all()
        shares = (first**2).sum(1), (second**2).sum(0)  # √S on each side
        for share in shares:
            assert share == pytest.approx(values[:kept], abs=3e-7 * whole)


def test_break_even_of_a_matrix_is_mn_over_m_plus_n() -> None:
    form = SVD(rank=0.5).apply({"a": Form.of(LINEAR)})["a"]
    assert form.break_even == pytest.approx(12 * 30 / (12 + 30))
    assert sum(part.values.size for part in form.parts) == form.rank * (12 + 30)
    assert form.weights == LINEAR.size


def test_break_even_of_convolutions() -> None:
    channel = SVD(rank=0.5).apply({"a": Form.of(CONVOLUTION)})["a"]
    assert channel.break_even == pytest.approx(9 * 60 / (9 + 60))
    spatial = SpatialSVD(rank=0.5).apply({"a": Form.of(CONVOLUTION)})["a"]
    assert spatial.break_even == pytest.approx(9 * 60 / (9 * 5 + 4 * 3))
    assert sum(part.values.size for part in spatial.parts) == spatial.rank * (9 * 5 + 4 * 3)
    assert channel.weights == spatial.weights == CONVOLUTION.size


def test_full_rank_of_lenet_300_100_is_larger_than_the_dense_network() -> None:
    shapes = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
    forms = SVD(rank=1.0).apply({name: Form.of(RNG.normal(size=shape)) for name, shape in shapes.items()})
    held = {name: sum(part.values.size for part in form.parts) for name, form in forms.items()}
    assert sum(form.weights for form in forms.values()) == 266_200
    assert held["fc1"] + held["fc2"] + forms["fc3"].weights == 366_200  # the output layer left dense
    assert sum(held.values()) == 366_300


@pytest.mark.parametrize("method", [SVD, SpatialSVD])
def test_two_convolutions_equal_the_convolution_with_the_product(method) -> None:  # type: ignore[no-untyped-def]
    form = method(rank=0.5).apply({"a": Form.of(CONVOLUTION)})["a"]
    first, second, whole = (torch.from_numpy(one) for one in (*(part.values for part in form.parts), form.compose()))
    x = torch.randn(2, 4, 13, 14, generator=torch.Generator().manual_seed(0))
    expected = functional.conv2d(x, whole, stride=(2, 1), padding=(1, 2))
    if method is SVD:
        found = functional.conv2d(functional.conv2d(x, first, stride=(2, 1), padding=(1, 2)), second)
    else:
        found = functional.conv2d(functional.conv2d(x, first, stride=(2, 1), padding=(1, 0)), second, padding=(0, 2))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
