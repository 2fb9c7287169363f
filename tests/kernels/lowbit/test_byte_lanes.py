import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from workbench.kernels.lowbit.byte_lanes import dequantise, pack, packed_shape, quantise, unpack
from workbench.kernels.lowbit.code_tiles import in_strips, pack_matrix, unpack_matrix

WIDTHS = range(1, 9)


def _codes(count: int, bits: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 2**bits, count).astype(np.uint8)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 63, 64, 511, 512, 513, 1500])
def test_a_column_is_one_number(bits: int, count: int) -> None:
    codes = _codes(count, bits)
    packed = pack(codes, bits)
    assert packed.shape == packed_shape(count, bits)
    assert packed.tobytes() == b"".join(naive.lanes(codes.tolist(), bits))
    assert (unpack(packed, bits, count) == codes).all()


@given(st.integers(1, 8).flatmap(lambda b: st.tuples(st.just(b), st.lists(st.integers(0, 2**b - 1), max_size=700))))
def test_round_trip(case: tuple[int, list[int]]) -> None:
    bits, codes = case
    assert unpack(pack(np.array(codes, np.uint8), bits), bits, len(codes)).tolist() == codes


@pytest.mark.parametrize("bits", WIDTHS)
def test_extreme_codes(bits: int) -> None:
    for code in (0, 2**bits - 1):
        codes = np.full(1025, code, np.uint8)
        assert (unpack(pack(codes, bits), bits, 1025) == codes).all()


def test_threads_and_given_arrays_change_nothing() -> None:
    codes = _codes(200_001, 3)
    into, back = np.empty(packed_shape(codes.size, 3), np.uint8), np.empty_like(codes)
    assert pack(codes, 3, into=into, threads=2) is into
    assert (into == pack(codes, 3)).all()
    assert unpack(into, 3, codes.size, into=back, threads=2) is back
    assert (back == codes).all()
    assert (pack(np.repeat(codes, 2)[::2], 3) == into).all()


@pytest.mark.parametrize("bits", [1, 2, 7])
@pytest.mark.parametrize("position", [0, 511, 512, 700])
def test_a_code_too_wide_is_refused(bits: int, position: int) -> None:
    codes = np.zeros(701, np.uint8)
    codes[position] = 2**bits
    with pytest.raises(ValueError, match=f"does not fit into {bits} bits"):
        pack(codes, bits)


def test_what_does_not_fit_is_refused() -> None:
    packed, one = pack(np.zeros(512, np.uint8), 3), np.ones(1, np.float32)
    for bits in (0, 9):
        with pytest.raises(ValueError, match="1 to 8 bits"):
            pack(np.zeros(1, np.uint8), bits)
    for bits, count in ((4, 512), (3, 513), (3, -1)):
        with pytest.raises(ValueError, match="do not take an array"):
            unpack(packed, bits, count)
    with pytest.raises(ValueError, match="contiguous array uint8"):
        unpack(packed, 3, 512, into=np.empty(511, np.uint8))
    with pytest.raises(ValueError, match="2 scales and 1 zero points"):
        quantise(np.zeros((3, 4), np.float32), 3, np.ones(2, np.float32), one)
    with pytest.raises(ValueError, match="8 is not a code of 3 bits"):
        quantise(np.zeros(4, np.float32), 3, one, one, highest=8)
    with pytest.raises(ValueError, match="3 dimensions"):
        dequantise(packed, 3, (8, 8, 8), one, one)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize(("shape", "size"), [((700,), 0), ((13, 55), 0), ((9, 200), 64), ((3, 1), 0), ((0, 5), 0)])
def test_quantised_and_back(bits: int, shape: tuple[int, ...], size: int) -> None:
    random = np.random.default_rng(bits)
    values = random.standard_normal(shape).astype(np.float32) * 3
    rows, columns = (1, shape[0]) if len(shape) == 1 else shape
    run = size or columns
    index = np.arange(rows)[:, None] * -(-columns // run) + np.arange(columns)[None] // run
    for count in {1, rows * -(-columns // run)} - {0}:
        scale = random.uniform(0.1, 2, count).astype(np.float32)
        zero_point = random.integers(0, 2**bits, count).astype(np.float32)
        group = index.reshape(-1) if count > 1 else np.zeros(values.size, np.int64)
        highest = max(1, 2**bits - 2)
        packed = quantise(values, bits, scale, zero_point, highest=highest, size=size)
        expected = [
            naive.quantized(value, scale[g], zero_point[g], highest)
            for value, g in zip(values.reshape(-1).tolist(), group.tolist(), strict=True)
        ]
        codes = unpack(packed, bits, values.size)
        assert codes.tolist() == expected
        back = dequantise(packed, bits, shape, scale, zero_point, size=size)
        assert back.reshape(-1).tolist() == naive.affine(codes, scale, zero_point, group)


def test_extreme_values_are_clipped() -> None:
    values = np.array([np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0, np.nan], np.float32)
    one = np.ones(1, np.float32)
    for repeated in (1, 16):  # one by one, and as a vector
        codes = unpack(quantise(np.repeat(values, repeated), 4, one, 5 * one), 4, 7 * repeated)
        assert codes.tolist() == np.repeat([15, 0, 15, 0, 5, 5, 0], repeated).tolist()


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("shape", [(1, 1), (16, 32), (17, 33), (40, 1), (1, 100), (0, 7), (7, 0)])
def test_a_matrix_in_strips(bits: int, shape: tuple[int, int]) -> None:
    codes = _codes(shape[0] * shape[1], bits).reshape(shape)
    packed = pack_matrix(codes, bits)
    assert packed.tobytes() == naive.strips(codes, bits)
    assert (unpack_matrix(packed, *shape, bits) == codes).all()


def test_codes_of_another_matrix_are_refused() -> None:
    packed = pack_matrix(np.zeros((16, 32), np.uint8), 2)
    with pytest.raises(ValueError, match=r"do not hold a matrix \[17, 32\]"):
        unpack_matrix(packed, 17, 32, 2)
    with pytest.raises(ValueError, match="not of 1 dimensions"):
        pack_matrix(np.zeros(3, np.uint8), 2)


def test_a_matrix_takes_its_bits_and_no_more() -> None:
    assert pack_matrix(np.zeros((10, 100), np.uint8), 4).nbytes == 10 * 100 * 4 // 8
    assert pack_matrix(np.zeros((17, 9), np.uint8), 3).nbytes == 17 * 4  # 27 bits an output
    with pytest.raises(ValueError, match="does not fit into 2 bits"):
        pack_matrix(np.full((1, 1), 4, np.uint8), 2)


def test_values_beside_their_outputs() -> None:
    found = in_strips(np.arange(34, dtype=np.float32).reshape(17, 2))
    assert found.tolist() == [*range(0, 32, 2), *range(1, 32, 2), 32, 33]
