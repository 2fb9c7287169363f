import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from workbench.kernels.lowbit.bitpack import pack, packed_size, unpack

SIZES = (0, 1, 7, 8, 9, 15, 16, 17, 63, 65, 1001)


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("size", SIZES)
def test_same_bytes_as_one_long_number(bits: int, size: int) -> None:
    codes = np.random.default_rng(size).integers(0, 2**bits, size).astype(np.uint8 if bits <= 8 else np.uint16)
    stream = pack(codes, bits)
    assert stream.tobytes() == naive.pack(codes.tolist(), bits)
    assert unpack(stream, bits, size).tolist() == codes.tolist() == naive.unpack(stream.tobytes(), bits, size)


@settings(deadline=None)  # the first example compiles
@given(st.integers(1, 8).flatmap(lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1)))))
def test_round_trip(case: tuple[int, list[int]]) -> None:
    bits, codes = case
    stream = pack(np.array(codes, np.uint8), bits)
    assert stream.tobytes() == naive.pack(codes, bits)
    assert unpack(stream, bits, len(codes)).tolist() == codes


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("code", ["lowest", "highest"])
def test_extreme_codes(bits: int, code: str) -> None:
    codes = np.full(1003, 0 if code == "lowest" else 2**bits - 1, np.uint8)
    stream = pack(codes, bits)
    assert stream.size == packed_size(1003, bits) == -(-1003 * bits // 8)
    assert (unpack(stream, bits, 1003) == codes).all()


def test_a_view_that_is_not_contiguous_packs_as_its_copy() -> None:
    codes = np.arange(64, dtype=np.uint8).reshape(8, 8) % 8
    assert pack(codes.T, 3).tobytes() == pack(codes.T.copy(), 3).tobytes()
    assert unpack(pack(np.repeat(codes.reshape(-1), 2)[::2], 3), 3, 64).tolist() == codes.reshape(-1).tolist()


def test_a_read_only_stream_unpacks() -> None:
    stream = np.frombuffer(bytes([0b11100100]), np.uint8)
    assert unpack(stream, 2, 4).tolist() == [0, 1, 2, 3]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="Code 4 does not fit into 2 bits"):
        pack(np.array([0, 4], np.uint8), 2)
    for bits in (0, 17):
        with pytest.raises(ValueError, match="1 to 16 bits"):
            pack(np.zeros(1, np.uint8), bits)
        with pytest.raises(ValueError, match="1 to 16 bits"):
            unpack(np.zeros(1, np.uint8), bits, 1)
    for count in (-1, 0, 2, 6):
        with pytest.raises(ValueError, match="do not take 2 bytes"):
            unpack(np.zeros(2, np.uint8), 3, count)
