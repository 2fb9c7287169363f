"""Coders: lossless, of the size that was said, near the entropy, and strict with damaged bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tests import naive
from workbench.errors import FormatError
from workbench.kernels.coding.prefix_code import LONGEST, code_lengths
from workbench.weights.coders import CODERS, Coder

GOLDEN = "330e893dc604ae3a19465075ff3f69a4dffd6c556a5454b4a960397d61968b07"
FIBONACCI = [1, 1]
while len(FIBONACCI) < 32:
    FIBONACCI.append(FIBONACCI[-1] + FIBONACCI[-2])


def entropy_bits(counts: NDArray[np.int64]) -> float:
    """Bits a symbol (Shannon 1948)."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def counts_of(symbols: NDArray[np.unsignedinteger], alphabet: int) -> NDArray[np.int64]:
    return np.bincount(symbols, minlength=alphabet).astype(np.int64)


def random_symbols(seed: int) -> tuple[NDArray[np.unsignedinteger], int]:
    """Anything from no symbol, one, and all equal to skewed and uniform ones, of alphabets of 1 to 65,536."""
    rng = np.random.default_rng(seed)
    alphabet = int(rng.choice([1, 2, 3, 16, 17, 255, 256, 257, 4096, 65536]))
    count = int(rng.choice([0, 1, 2, 7, 100, 300]))
    drawn = rng.dirichlet(np.full(alphabet, rng.choice([0.001, 0.1, 1, 100]))) if alphabet < 300 else None
    if seed % 10 == 0:
        symbols = np.full(count, rng.integers(alphabet))
    elif drawn is None:
        symbols = np.minimum(rng.geometric(rng.choice([0.001, 0.3]), count) - 1, alphabet - 1)
    else:
        symbols = rng.choice(alphabet, count, p=drawn)
    return symbols.astype(np.uint8 if alphabet <= 256 else np.uint16), alphabet


def encoded(coder: Coder, symbols: NDArray[np.unsignedinteger], alphabet: int) -> dict[str, NDArray[np.uint8]]:
    return {stored.name: stored.data for stored in coder.encode(symbols, alphabet)}


def skewed(alphabet: int, count: int) -> NDArray[np.unsignedinteger]:
    """Laplacian, as weights are: most of them in the middle."""
    drawn = np.random.default_rng(alphabet).laplace(alphabet / 2, alphabet / 16, count)
    return np.clip(drawn, 0, alphabet - 1).astype(np.uint8 if alphabet <= 256 else np.uint16)


@pytest.fixture(params=sorted(CODERS))
def coder(request: pytest.FixtureRequest) -> Coder:
    return CODERS[request.param]()


def test_the_coders_of_the_shelf() -> None:
    assert {"context-coder", "huffman", "range-coder"} <= set(CODERS)
    assert all(CODERS[name].kind == name for name in CODERS)


def test_lossless_and_of_the_size_that_was_said(coder: Coder) -> None:
    for seed in range(1000):
        symbols, alphabet = random_symbols(seed)
        counts = counts_of(symbols, alphabet)
        stored = coder.encode(symbols, alphabet)
        written = tuple((one.name, one.part, one.data.size) for one in stored)
        assert coder.sizes(counts) in (None, written)
        assert coder.least(counts) <= sum(nbytes for _, _, nbytes in written)
        again = coder.decode({one.name: one.data for one in stored}, symbols.size, alphabet)
        assert again.dtype == symbols.dtype and np.array_equal(again, symbols), (seed, alphabet)


def test_a_second_decoder_reads_every_huffman_stream() -> None:
    huffman = CODERS["huffman"]()
    for seed in range(1000):
        symbols, alphabet = random_symbols(seed)
        arrays = encoded(huffman, symbols, alphabet)
        table, codes = arrays["coding-table"].tobytes(), arrays["codes"].tobytes()
        assert naive.from_huffman(table, codes, symbols.size, alphabet) == symbols.tolist(), (seed, alphabet)


def test_huffman_is_optimal_complete_and_within_a_bit_of_the_entropy() -> None:
    """H ≤ mean length < H + 1 (Cover, Thomas, theorem 5.4.1); Kraft's sum is 1; the heap's code takes as many bits."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        counts = np.ceil(rng.pareto(rng.choice([0.3, 1, 5]), int(rng.integers(1, 300))) * 5 + 1e-9).astype(np.int64)
        counts = np.minimum(np.maximum(counts, 1), 10**6)
        lengths = code_lengths(counts)
        assert (0.5**lengths).sum() == 1
        assert counts @ lengths == naive.huffman_bits(counts.tolist())
        assert entropy_bits(counts) - 1e-9 <= counts @ lengths / counts.sum() < entropy_bits(counts) + 1


def test_words_of_at_most_24_bits() -> None:
    """Fibonacci's counts make Huffman's longest words: 31 bits for 32 symbols."""
    counts = np.array(FIBONACCI, np.int64)
    lengths = code_lengths(counts)
    assert lengths.max() == LONGEST and (0.5**lengths).sum() == 1
    assert naive.huffman_bits(FIBONACCI) < counts @ lengths < naive.huffman_bits(FIBONACCI) * 1.0001
    assert code_lengths(counts, 31).max() == 31 and counts @ code_lengths(counts, 31) == naive.huffman_bits(FIBONACCI)
    assert code_lengths(counts, 5).tolist() == [5] * 32
    with pytest.raises(ValueError, match="no code words"):
        code_lengths(counts, 4)


@pytest.mark.parametrize("alphabet", [20, 256, 65536])
def test_words_longer_than_one_look_into_the_table(alphabet: int) -> None:
    huffman = CODERS["huffman"]()
    symbols = np.repeat(np.arange(20), FIBONACCI[:20]).astype(np.uint8 if alphabet <= 256 else np.uint16)
    symbols = np.random.default_rng(0).permutation(symbols)
    arrays = encoded(huffman, symbols, alphabet)
    assert code_lengths(counts_of(symbols, 20)).max() == 19
    assert np.array_equal(huffman.decode(arrays, symbols.size, alphabet), symbols)
    assert naive.from_huffman(*(array.tobytes() for array in arrays.values()), 300, alphabet) == symbols[:300].tolist()


@pytest.mark.parametrize("alphabet", [2, 32, 256])
def test_range_coding_comes_within_a_thousandth_of_the_entropy(alphabet: int) -> None:
    symbols = skewed(alphabet, 100_000) if alphabet > 2 else (np.arange(100_000) % 50 == 0).astype(np.uint8)
    bound = entropy_bits(counts_of(symbols, alphabet)) * symbols.size / 8
    sizes = {name: sum(a.size for a in encoded(CODERS[name](), symbols, alphabet).values()) for name in CODERS}
    assert bound <= sizes["range-coder"] < 1.001 * bound + alphabet + 16
    assert sizes["range-coder"] < sizes["huffman"]


def test_nothing_is_gained_for_uniform_symbols() -> None:
    """CO-01: 16 symbols as often as each other take 4 bits a symbol by any coder; a table of two bytes is added."""
    symbols = np.random.default_rng(1).permutation(np.repeat(np.arange(16, dtype=np.uint8), 1000))
    assert sum(array.size for array in encoded(CODERS["huffman"](), symbols, 16).values()) == 8000 + 2


def test_more_symbols_than_are_handed_over_at_once() -> None:
    symbols = skewed(16, 2**20 + 5)
    coder = CODERS["range-coder"]()
    assert np.array_equal(coder.decode(encoded(coder, symbols, 16), symbols.size, 16), symbols)


def test_a_symbol_outside_of_its_alphabet(coder: Coder) -> None:
    with pytest.raises(ValueError, match="Symbol 9 is outside of an alphabet of 9"):
        coder.encode(np.array([1, 9], np.uint8), 9)


@pytest.mark.parametrize("alphabet", [11, 256, 65536])
def test_damaged_bytes_are_refused_or_are_those_of_other_symbols(coder: Coder, alphabet: int) -> None:
    """No second run of bytes, one array changed, stands for the same symbols; none reaches beyond the alphabet."""
    rng = np.random.default_rng(alphabet)
    symbols = skewed(alphabet, 60)
    arrays = encoded(coder, symbols, alphabet)
    refused = 0
    for _ in range(1000):
        name = rng.choice([name for name, array in arrays.items() if array.size])
        damaged = arrays[name].copy()
        kind = rng.integers(4)
        if kind == 0:
            damaged[rng.integers(damaged.size)] ^= 1 << rng.integers(8)
        elif kind == 1:
            damaged = damaged[: rng.integers(damaged.size)]
        elif kind == 2:
            damaged = np.append(damaged, rng.integers(0, 256, rng.integers(1, 9)).astype(np.uint8))
        else:
            damaged = rng.integers(0, 256, rng.integers(1, 2 * damaged.size + 2)).astype(np.uint8)
        if np.array_equal(damaged, arrays[name]):
            continue
        try:
            read = coder.decode({**arrays, name: damaged}, symbols.size, alphabet)
        except FormatError:
            refused += 1
            continue
        assert read.dtype == symbols.dtype and read.size == symbols.size and int(read.max()) < alphabet
        assert not np.array_equal(read, symbols)
    assert refused > 400


@pytest.mark.parametrize(
    ("table", "codes", "message"),
    [
        ([], [0], "too short"),
        ([0x00, 2], [0], "complete"),  # three words of two bits
        ([0x00, 1], [0], "complete"),  # three words of one bit
        ([0x03, 1], [0], "which symbols occur"),
        ([0x10, 1, 0b1110], [0], "as it would have been written"),  # a bit behind the last number
        ([0x01, 0, 0b000], [], "list symbols"),
    ],
)
def test_tables_that_are_no_prefix_code(table: list[int], codes: list[int], message: str) -> None:
    arrays = {"coding-table": np.array(table, np.uint8), "codes": np.array(codes, np.uint8)}
    with pytest.raises(FormatError, match=message):
        CODERS["huffman"]().decode(arrays, 9, 3)


def test_bits_behind_the_last_word_and_missing_ones() -> None:
    """Words 0, 10, 11 of three symbols: 0 1 2 is 01011, in the high bits of one byte."""
    table = np.array([0x10, 1, 0b110], np.uint8)
    huffman = CODERS["huffman"]()

    def read(*codes: int, count: int = 3) -> list[int]:
        return huffman.decode({"coding-table": table, "codes": np.array(codes, np.uint8)}, count, 3).tolist()

    assert read(0b01011000) == [0, 1, 2]
    for codes, count, message in (
        ((0b01011001,), 3, "bits are set"),
        ((0b01011000, 0), 3, "not 2 bytes"),
        ((0b11111110,), 5, "not 1 bytes"),
        ((), 3, "does not hold"),
        ((0b01011000,), 2**31, "does not hold"),
    ):
        with pytest.raises(FormatError, match=message):
            read(*codes, count=count)


def test_a_forged_count_takes_no_room() -> None:
    symbols = skewed(16, 100)
    for name in CODERS:
        coder = CODERS[name]()
        with pytest.raises(FormatError):
            coder.decode(encoded(coder, symbols, 16), 2**31, 16)


def in_a_matrix(rows: int, columns: int, seed: int) -> NDArray[np.uint8]:
    """As pruning leaves weights: some rows and columns are full, others empty; the code 3 stands for zero."""
    rng = np.random.default_rng(seed)
    share = (rng.integers(0, 100, rows) ** 2)[:, None] * rng.integers(0, 100, columns) ** 2  # of 10^8
    return np.where(rng.integers(0, 10**8, (rows, columns)) < share, rng.integers(0, 8, share.shape), 3).astype(
        np.uint8
    )


def test_context_coding_goes_below_the_entropy_of_symbols_that_are_drawn_one_by_one() -> None:
    """By what it knows of rows and columns, which a static model does not; else it does not."""
    coder, matrix = CODERS["context-coder"](), in_a_matrix(200, 150, 0)
    bound = entropy_bits(counts_of(matrix.reshape(-1), 8)) * matrix.size / 8
    found = coder.encode(matrix.reshape(-1), 8, 150)[0].data
    assert found.size < 0.9 * bound
    shuffled = np.random.default_rng(1).permutation(matrix.reshape(-1))
    assert bound < coder.encode(shuffled, 8, 150)[0].data.size < 1.03 * bound
    assert np.array_equal(coder.decode({"codes": found}, matrix.size, 8, 150), matrix.reshape(-1))


@pytest.mark.parametrize("name", CODERS)
def test_a_stream_that_cannot_be_written_to_is_read(name: str) -> None:
    """As the bytes of a file are, where nothing had to be copied."""
    coder, symbols = CODERS[name](), in_a_matrix(20, 15, 0).reshape(-1)
    arrays = {stored.name: stored.data for stored in coder.encode(symbols, 16)}
    for data in arrays.values():
        data.flags.writeable = False
    np.testing.assert_array_equal(coder.decode(arrays, symbols.size, 16), symbols)


def test_context_coding_gives_these_bytes_on_every_machine() -> None:
    coder = CODERS["context-coder"]()
    found = [coder.encode(in_a_matrix(60, 50, seed).reshape(-1), 8, 50)[0].data.tobytes() for seed in range(5)]
    assert hashlib.sha256(b"".join(found)).hexdigest() == GOLDEN


def test_csr_is_smaller_than_dense_only_above_one_half_of_zeros() -> None:
    """CO-03: values of 4 bytes with columns of 4 bytes, and where each row begins, against 4 bytes a weight."""
    rows, columns = 300, 784
    even = 0.5 + (rows + 1) / (2 * rows * columns)
    for share, smaller in ((even - 0.001, False), (even + 0.001, True)):
        weights = np.ones(rows * columns, np.float32)
        weights[: round(share * weights.size)] = 0
        csr = csr_array(np.random.default_rng(0).permutation(weights).reshape(rows, columns))
        assert csr.data.itemsize == csr.indices.itemsize == csr.indptr.itemsize == 4
        assert (csr.data.nbytes + csr.indices.nbytes + csr.indptr.nbytes < weights.nbytes) == smaller
