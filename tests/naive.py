"""Slow, obvious references for the kernels and encodings."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray


def pack(codes: list[int], bits: int) -> bytes:
    """Codes as one long little-endian number."""
    number = 0
    for index, code in enumerate(codes):
        number += code << (bits * index)
    return number.to_bytes((len(codes) * bits + 7) // 8, "little")


def unpack(stream: bytes, bits: int, count: int) -> list[int]:
    number = int.from_bytes(stream, "little")
    return [(number >> (bits * index)) & (2**bits - 1) for index in range(count)]


def relative_index(values: list[float], bits: int) -> list[tuple[int, float]]:
    """(zeros skipped, value) of each entry; one of value 0.0 is a filler (Han et al. 2016, section 2, figure 2)."""
    written: list[tuple[int, float]] = []
    found: list[tuple[int, float]] = []  # up to the last survivor; zeros after it are not written
    gap = 0
    for value in values:
        if value != 0 or gap == 2**bits - 1:
            written.append((gap, value))
            gap = 0
            if value != 0:
                found = list(written)
        else:
            gap += 1
    return found


def from_relative_index(written: list[tuple[int, float]], count: int) -> list[float]:
    values = [0.0] * count
    position = -1
    for gap, value in written:
        position += gap + 1
        values[position] = value
    return values


def affine(
    codes: NDArray[np.uint8], scale: NDArray[np.float32], zero_point: NDArray[np.float32], group: NDArray[np.int64]
) -> list[float]:
    """scale · (code − zero point) for every weight, in float32; group: which scale each weight takes."""
    return [
        float(np.float32(scale[g]) * (np.float32(code) - np.float32(zero_point[g])))
        for code, g in zip(codes.reshape(-1).tolist(), group.reshape(-1).tolist(), strict=True)
    ]


# Sparse products.


def sparse_product(
    weights: NDArray[np.float32], x: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """weights @ x + bias over the non-zero weights, and the sum of the magnitudes of what was added, in float64."""
    total = np.repeat(bias.astype(np.float64)[:, None], x.shape[1], axis=1)
    size = np.abs(total)
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            if weights[row, column] != 0:
                added = float(weights[row, column]) * x[column].astype(np.float64)
                total[row] += added
                size[row] += np.abs(added)
    return total, size


def sparse_convolution(
    kernel: NDArray[np.float32],
    x: NDArray[np.float32],
    bias: NDArray[np.float32],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> NDArray[np.float64]:
    """The convolution of images [n, in, h, w] with a kernel [out, in / groups, kh, kw], in float64."""
    out, channels, kernel_height, kernel_width = kernel.shape
    height = (x.shape[2] + 2 * padding[0] - dilation[0] * (kernel_height - 1) - 1) // stride[0] + 1
    width = (x.shape[3] + 2 * padding[1] - dilation[1] * (kernel_width - 1) - 1) // stride[1] + 1
    y = np.empty((x.shape[0], out, height, width))
    for image, output, row, column in np.ndindex(y.shape):
        total = float(bias[output])
        for channel, i, j in np.ndindex(channels, kernel_height, kernel_width):
            from_row = row * stride[0] - padding[0] + i * dilation[0]
            from_column = column * stride[1] - padding[1] + j * dilation[1]
            if 0 <= from_row < x.shape[2] and 0 <= from_column < x.shape[3]:
                source = output // (out // groups) * channels + channel
                total += float(kernel[output, channel, i, j]) * float(x[image, source, from_row, from_column])
        y[image, output, row, column] = total
    return y


# Binary products (workbench/kernels/binary*.py)


def signs(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """+1 for a value ≥ 0, else −1, also for NaN."""
    return np.array([1 if value >= 0 else -1 for value in values.reshape(-1).tolist()], np.int64).reshape(values.shape)


def integer_gemm(x: NDArray[np.integer], w: NDArray[np.integer]) -> NDArray[np.int64]:
    """[rows, outputs] of x [rows, depth] and w [outputs, depth], one product at a time."""
    y = np.zeros((len(x), len(w)), np.int64)
    for row, column in np.ndindex(*y.shape):
        y[row, column] = sum(int(a) * int(b) for a, b in zip(x[row], w[column], strict=True))
    return y


def integer_conv(
    x: NDArray[np.integer],
    w: NDArray[np.integer],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> NDArray[np.int64]:
    """[images, outputs, height, width]; what lies outside the image adds nothing."""
    size = [
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (w.shape[2 + axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    ]
    y = np.zeros((len(x), len(w), *size), np.int64)
    for image, output, row, column in np.ndindex(*y.shape):
        for down, right in np.ndindex(*w.shape[2:]):
            i = row * stride[0] - padding[0] + down * dilation[0]
            j = column * stride[1] - padding[1] + right * dilation[1]
            if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]:
                inputs, weights = x[image, :, i, j].tolist(), w[output, :, down, right].tolist()
                y[image, output, row, column] += sum(a * b for a, b in zip(inputs, weights, strict=True))
    return y


def window_magnitudes(
    x: NDArray[np.float32],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> NDArray[np.float64]:
    """[images, height, width]: mean |x| over what each window sees of the image itself."""
    size = [
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    ]
    found = np.zeros((len(x), *size))
    for image, row, column in np.ndindex(*found.shape):
        seen = []
        for down, right in np.ndindex(*kernel):
            i = row * stride[0] - padding[0] + down * dilation[0]
            j = column * stride[1] - padding[1] + right * dilation[1]
            if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]:
                seen += [abs(value) for value in x[image, :, i, j].tolist()]
        found[image, row, column] = sum(seen) / len(seen) if seen else 0.0
    return found


# Magnitudes and fake-quantisation (workbench/kernels/statistics)


def pruned(tensors: list[list[float]], count: int) -> list[list[float]]:
    """The `count` smallest weights of all tensors are zero; ties in storage order, NaN last."""
    places = [(abs(value), t, i) for t, tensor in enumerate(tensors) for i, value in enumerate(tensor)]
    places.sort(key=lambda place: (place[0] != place[0], place[0] if place[0] == place[0] else 0.0, *place[1:]))
    cut = {(t, i) for _, t, i in places[:count]}
    return [[0.0 if (t, i) in cut else value for i, value in enumerate(tensor)] for t, tensor in enumerate(tensors)]


def fake_quantized(weight: float, scale: float, zero_point: float, highest: int) -> tuple[int, float]:
    """Code and level of one weight, every step in float32."""
    steps = np.float32(weight) / np.float32(scale) + np.float32(zero_point)
    code = min(max(np.rint(steps), np.float32(0)), np.float32(highest))
    level = np.float32(scale) * (code - np.float32(zero_point)) if weight != 0 else np.float32(0)
    return int(code), float(level)


# Codes in lanes and tiles, products with low-bit weights (workbench/kernels/lanes.py, code_tiles.py, lowbit.py)


def lanes(codes: list[int], bits: int) -> list[bytes]:
    """The groups of 512 codes, packed: column j of 64 holds codes j, 64 + j, 128 + j, ... as one number of bits · 8."""
    groups = []
    for first in range(0, len(codes), 512):
        group = [*codes[first : first + 512], *[0] * 512][:512]
        numbers = [sum(group[64 * row + j] << (bits * row) for row in range(8)) for j in range(64)]
        columns = [number.to_bytes(bits, "little") for number in numbers]
        groups.append(bytes(column[row] for row in range(bits) for column in columns))
    return groups


def strips(codes: NDArray[np.uint8], bits: int) -> bytes:
    """The strips of 16 outputs of a matrix of codes, packed: blocks of 32 inputs, then the bits that are left over."""
    outputs, inputs = codes.shape
    found = []
    for first_output in range(0, outputs, 16):
        strip = range(first_output, min(first_output + 16, outputs))
        for first_input in range(0, inputs - 31, 32):
            group = [0] * 512
            for output in strip:
                for k in range(32):
                    row, byte = divmod(k, 4)
                    group[64 * row + 4 * (output - first_output) + byte] = int(codes[output, first_input + k])
            packed = lanes(group, bits)[0]
            found += [packed[64 * row : 64 * row + 4 * len(strip)] for row in range(bits)]
        rest = range(inputs // 32 * 32, inputs)
        numbers = [sum(int(codes[output, k]) << (bits * i) for i, k in enumerate(rest)) for output in strip]
        found += [bytes(number >> 8 * byte & 255 for number in numbers) for byte in range(-(-len(rest) * bits // 8))]
    return b"".join(found)


def quantized(value: float, scale: float, zero_point: float, highest: int) -> int:
    """Nearest code on a grid, in float32."""
    step = np.rint(np.float32(value) / np.float32(scale) + np.float32(zero_point))
    return int(min(max(step, 0), highest))


def product(x: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """X Wᵀ, one product at a time."""
    y = np.zeros((len(x), len(weights)))
    for row, output in np.ndindex(*y.shape):
        y[row, output] = sum(a * b for a, b in zip(x[row].tolist(), weights[output].tolist(), strict=True))
    return y


# Zeros that keep to a pattern (workbench/weights/places)


def in_pattern(zero: NDArray[np.bool_], pattern: str) -> NDArray[np.bool_]:
    """Other zeros, so that of every 4 neighbours in a row 2 are left at most, or 8 rows of a column vanish together."""
    matrix = zero.reshape(zero.shape[0], int(np.prod(zero.shape[1:]))).copy()
    rows, columns = matrix.shape
    for row in range(rows):
        for column in range(columns):
            if pattern == "block":
                matrix[row, column] = matrix[row // 8 * 8, column]
            elif (~matrix[row, column // 4 * 4 : column]).sum() >= 2:
                matrix[row, column] = True
    return matrix.reshape(zero.shape)


# Coders (workbench/weights/coders)


def huffman_bits(counts: list[int]) -> int:
    """Bits that a Huffman code takes, by its symbols' counts: the two rarest trees are joined until one is left."""
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    return total


def coding_table(table: bytes, alphabet: int) -> dict[int, int]:
    """The number of each symbol that a coder's table lists."""
    if not table:
        return {}
    listing, width, lowest = table[0] % 16, table[0] // 16, table[1]
    rest, symbols = table[2:], list(range(alphabet))
    if listing == 1:
        size = (alphabet + 7) // 8
        symbols = [symbol for symbol, occurs in enumerate(unpack(rest[:size], 1, alphabet)) if occurs]
        rest = rest[size:]
    elif listing == 2:
        bits = len(f"{alphabet - 1:b}")
        many = rest[0] + 256 * rest[1] + 1
        size = (many * bits + 7) // 8
        symbols = unpack(rest[2 : 2 + size], bits, many)
        rest = rest[2 + size :]
    numbers = unpack(rest, width, len(symbols))
    return {symbol: lowest + number for symbol, number in zip(symbols, numbers, strict=True)}


def from_huffman(table: bytes, stream: bytes, count: int, alphabet: int) -> list[int]:
    """A canonical Huffman stream, bit by bit: words are counted up in the order of length, then symbol."""
    lengths = coding_table(table, alphabet)
    words: dict[str, int] = {}
    word, before = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        word <<= length - before
        words[f"{word:0{length}b}" if length else ""] = symbol
        word, before = word + 1, length
    bits = "".join(f"{byte:08b}" for byte in stream)
    symbols, at = [], 0
    for _ in range(count):
        stop = at
        while bits[at:stop] not in words:
            stop += 1
        symbols.append(words[bits[at:stop]])
        at = stop
    return symbols
