"""A second reader of packed files, written from `docs/format.md` alone: it shares no code with the workbench.

Slow and obvious, in plain Python and numpy. It trusts its files.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.naive import coding_table, from_huffman

DICTIONARY = Path(__file__).parents[2] / "workbench" / "exporters" / "dictionary.json"
Array = NDArray[Any]


@dataclass
class Packed:
    """header: the JSON value. weights: layer -> its factors. rest: tensor -> its values."""

    header: dict[str, Any]
    weights: dict[str, list[Array]]
    rest: dict[str, Array]


def read(content: bytes) -> Packed:
    raw_dictionary = DICTIONARY.read_bytes()
    person = hashlib.sha256(raw_dictionary).digest()[:16]
    assert content[:5] == b"\x89CWB\x03"
    sealed = hashlib.blake2b(content[:5] + content[13:], digest_size=8, person=person).digest()
    assert content[5:13] == sealed
    notation = Notation(content, 13, json.loads(raw_dictionary))
    length = notation.value()
    header = notation.value()
    place = notation.at
    assert len(content[13:place]) >= length
    network, weights = header["network"], {}
    for (name, shape, *_), layer in zip(network["layers"], header["layers"], strict=True):
        held = {}
        for array, size in layer["arrays"].items():
            held[array] = content[place : place + size]
            place += size
        weights[name] = factors(layer["encoding"], layer["fields"], shape, held)
    rest = {}
    for name, dtype, shape in network["rest"]:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        rest[name] = np.frombuffer(content[place : place + size], np.dtype(dtype).newbyteorder("<")).reshape(shape)
        place += size
    return Packed(header, weights, rest)


class Notation:
    def __init__(self, content: bytes, at: int, templates: list[Any]) -> None:
        self.content, self.at, self.templates = content, at, templates

    def take(self, size: int) -> bytes:
        self.at += size
        return self.content[self.at - size : self.at]

    def value(self) -> Any:
        (first,) = self.take(1)
        if first < 0x80:
            return first
        if first < 0xB0:
            return 128 + (first - 0x80) * 256 + self.take(1)[0]
        if first < 0xB8:
            return 12_416 + (first - 0xB0) * 65_536 + int.from_bytes(self.take(2), "big")
        if first < 0xBA:
            magnitude = int.from_bytes(self.take(self.take(1)[0]), "big")
            return magnitude if first == 0xB8 else -magnitude
        if first == 0xBA:
            return struct.unpack(">d", self.take(8))[0]
        if first < 0xC0:
            return self.value() / 10 ** (first - 0xBB)
        if first < 0xC3:
            return [None, False, True][first - 0xC0]
        if first == 0xC3:
            return self.take(self.value()).decode("utf-8", "surrogatepass")
        if first == 0xC4:
            return self.take(self.value()).hex()
        if first == 0xC5:
            return [self.value() for _ in range(self.value())]
        if first == 0xC6:
            return {self.value(): self.value() for _ in range(self.value())}
        if 0xC8 <= first < 0xD0:
            return [self.value() for _ in range(first - 0xC8)]
        assert first >= 0xD0
        template = self.templates[first - 0xD0 if first < 0xF8 else 40 + (first - 0xF8) * 256 + self.take(1)[0]]
        changed = self.value() if any(optional(template)) else 0
        return self.filled(template, iter(bin(changed)[:1:-1] + "0" * 99))

    def filled(self, template: Any, bits: Iterator[str]) -> Any:
        if not isinstance(template, dict):
            return template
        if list(template) == ["?"]:
            default = template["?"]
            return self.value() if not default or next(bits) == "1" else default[0]
        return {name: self.filled(one, bits) for name, one in template.items()}


def optional(template: Any) -> Iterator[bool]:
    if isinstance(template, dict):
        if list(template) == ["?"]:
            yield bool(template["?"])
        else:
            for one in template.values():
                yield from optional(one)


def factors(encoding: str, fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> list[Array]:
    if encoding != "factored":
        return [tensor(encoding, fields, shape, held)]
    found = []
    ranks = [shape[1], *fields["ranks"], shape[0]]
    for place, factor in enumerate(fields["factors"]):
        rows, columns, groups = factor["passage"]
        own = [ranks[place + 1], ranks[place] // groups]
        if len(shape) == 4:
            own += [shape[2] if rows else 1, shape[3] if columns else 1]
        its = {name.partition(".")[2]: data for name, data in held.items() if name.startswith(f"{place}.")}
        found.append(tensor(factor["encoding"], factor, own, its))
    return found


def tensor(encoding: str, fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Array:
    plain, _, coder = encoding.partition("+")
    count, columns = math.prod(shape), math.prod(shape[1:])

    def stream(name: str, width: int, many: int) -> list[int]:
        if name in held:
            return numbers(held[name], width, many)
        if coder == "context-coder":
            columns = many // shape[0] if shape[0] and many % shape[0] == 0 else many
            return mixed(held[f"{name}.codes"], many, columns, width)
        if width == 1:  # eight at once, as bytes
            symbols = stream_of(coder, held, name, -(-many // 8), 256)
            return numbers(bytes(symbols), 1, many)
        return stream_of(coder, held, name, many, 2**width)

    listed: list[int] | None = None
    kind = fields.get("values", plain)
    if plain == "bitmap":
        listed = [place for place, bit in enumerate(stream("bitmap", 1, count)) if bit]
    elif plain == "relative-index":
        gaps = stream("gaps", fields["gap_bits"], fields["entries"])
        listed = (np.cumsum(np.array(gaps, int) + 1) - 1).tolist()
    elif plain == "n-m":
        n, m = fields["n"], fields["m"]
        ways = sorted(sum(1 << one for one in chosen) for chosen in combinations(range(m), n))
        runs = columns // m
        chosen = stream("choices", (len(ways) - 1).bit_length(), shape[0] * runs)
        listed = []
        for row in range(shape[0]):
            for run in range(runs):
                mask = ways[chosen[row * runs + run]]
                listed += [row * columns + run * m + one for one in range(m) if mask >> one & 1]
            listed += range(row * columns + runs * m, (row + 1) * columns)
    elif plain == "block":
        high = -(-shape[0] // fields["height"])
        blocks = stream("blocks", 1, high * columns)
        listed = [i for i in range(count) if blocks[i // columns // fields["height"] * columns + i % columns]]
    elif plain == "channels":
        rows, inputs = stream("rows", 1, shape[0]), stream("columns", 1, shape[1])
        area = math.prod(shape[2:])
        listed = [i for i in range(count) if rows[i // columns] and inputs[i // area % shape[1]]]
    else:
        kind = plain if plain != "dense" else "float32"
    places = list(range(count)) if listed is None else listed
    weights = np.zeros(count, np.float32)
    if kind == "float32":
        weights[places] = np.frombuffer(held["values"], "<f4")
    elif kind in SHARED:
        weights = SHARED[kind](fields, shape, held, stream)
    else:
        width, values = LEVELS[kind](fields, shape, held)
        codes = stream("codes", width, len(places)) if width else [0] * len(places)
        for place, code in zip(places, codes, strict=True):
            weights[place] = values(code, place)
    return (weights + np.float32(0)).reshape(shape)


def affine(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    columns, bits = math.prod(shape[1:]), fields["bits"]
    run = {"tensor": math.prod(shape) or 1, "channel": columns or 1}.get(fields["granularity"], fields.get("size"))
    scales = np.frombuffer(held["scales"], "<f4")
    points: Array = np.full(len(scales), 0.5 if bits == 1 else 2 ** (bits - 1) - 1, np.float32)
    if not fields["symmetric"]:
        points = np.frombuffer(held["zero_points"], {"uint8": "u1", "float32": "<f4"}[fields["zero_points"]])

    def value(code: int, place: int) -> Any:
        group = place // run
        if fields["granularity"] == "group":
            group = place // columns * -(-columns // run) + place % columns // run
        return (np.float32(code) - np.float32(points[group])) * scales[group]

    return bits, value


def codebook(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    table = np.frombuffer(held["codebook"], "<f4")
    assert len(table) == fields["centroids"] + fields["zero_entry"]
    return (len(table) - 1).bit_length(), lambda code, place: table[code]


def fixed_point(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    bits = fields["integer"] + fields["fraction"]
    return bits, lambda code, place: (code - 2 ** (bits - 1)) * 2.0 ** -fields["fraction"]


def floating_point(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    exponent, mantissa = fields["exponent"], fields["mantissa"]
    bias, steps = 2 ** (exponent - 1) - 1, 2**mantissa
    positive = [step / steps * 2.0 ** (1 - bias) for step in range(steps)]
    positive += [(1 + step / steps) * 2.0 ** (e - bias) for e in range(1, 2**exponent - 1) for step in range(steps)]
    table = [-one for one in reversed(positive[1:])] + positive
    return (len(table) - 1).bit_length(), lambda code, place: table[code]


def powers_of_two(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    def value(code: int, place: int) -> float:
        terms = [code >> 5 * term & 31 for term in range(fields["terms"])]
        return sum((-1.0) ** (term - 1) * 2.0 ** (fields["top"] - (term - 1) // 2) for term in terms if 0 < term < 31)

    return 5 * fields["terms"], value


def signs(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    return 1, lambda code, place: 2 * code - 1


def summed(share: str) -> Any:
    def levels(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
        shares = np.frombuffer(held[share], "<f4").astype(float)
        signs = [[1 if code >> place & 1 else -1 for place in range(len(shares))] for code in range(2 ** len(shares))]
        return len(shares), lambda code, place: np.float32(sum(signs[code] * shares))

    return levels


def ternary(fields: dict[str, Any], shape: list[int], held: dict[str, bytes]) -> Any:
    return 2, lambda code, place: code - 1


def vectors(fields: dict[str, Any], shape: list[int], held: dict[str, bytes], stream: Any) -> Array:
    columns, length = math.prod(shape[1:]), fields["length"]
    stretches = -(-columns // length)
    tables = np.frombuffer(held["codebook"], "<f4").reshape(stretches, fields["centroids"], length)
    width = (fields["centroids"] - 1).bit_length()
    codes = np.array(stream("codes", width, shape[0] * stretches) if width else [0] * (shape[0] * stretches))
    rows = [[tables[place][code] for place, code in enumerate(row)] for row in codes.reshape(shape[0], stretches)]
    return np.ascontiguousarray(np.array(rows).reshape(shape[0], -1)[:, :columns]).reshape(-1)


def residual_vectors(fields: dict[str, Any], shape: list[int], held: dict[str, bytes], stream: Any) -> Array:
    stages, stretches = fields["stages"], -(-math.prod(shape[1:]) // fields["length"])
    width = (fields["centroids"] - 1).bit_length()
    count = shape[0] * stretches * stages
    codes = np.array(stream("codes", width, count) if width else [0] * count).reshape(shape[0], stretches, stages)
    size = len(held["codebook"]) // stages
    total = np.zeros(math.prod(shape), np.float32)
    for stage in range(stages):
        table = {"codebook": held["codebook"][stage * size : (stage + 1) * size]}
        total = total + vectors(fields, shape, table, lambda *_, own=codes[..., stage]: own.reshape(-1).tolist())
    return total


def hashes(place: int, seed: int, buckets: int) -> tuple[int, int]:
    """Sign and bucket."""
    whole = 2**64
    mixed = (place + seed * 0x9E3779B97F4A7C15 + 1) * 0x9E3779B97F4A7C15 % whole
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % whole
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % whole
    mixed ^= mixed >> 31
    return (1 if mixed & 1 else -1), (mixed >> 1) % buckets


def hashed(fields: dict[str, Any], shape: list[int], held: dict[str, bytes], stream: Any) -> Array:
    shared = np.frombuffer(held["shared"], "<f4")
    found = [hashes(place, fields["seed"], len(shared)) for place in range(math.prod(shape))]
    return np.array([sign * shared[bucket] for sign, bucket in found], np.float32)


def hashed_inputs(fields: dict[str, Any], shape: list[int], held: dict[str, bytes], stream: Any) -> Array:
    sums = np.frombuffer(held["sums"], "<f4").reshape(shape[0], fields["buckets"])
    found = [hashes(column, fields["seed"], fields["buckets"]) for column in range(math.prod(shape[1:]))]
    return np.array([[sign * row[bucket] for sign, bucket in found] for row in sums], np.float32).reshape(-1)


def powers_per_filter(fields: dict[str, Any], shape: list[int], held: dict[str, bytes], stream: Any) -> Array:
    columns, terms = math.prod(shape[1:]), stream("terms", 2, shape[0])
    left = iter(np.array(stream("codes", 5, sum(terms) * columns)).reshape(sum(terms), columns).tolist())
    _, value = powers_of_two({"terms": 1, "top": fields["top"]}, shape, held)
    rows = [[[value(code, 0) for code in next(left)] for _ in range(many)] for many in terms]
    return np.array([np.sum(row, axis=0) if row else np.zeros(columns) for row in rows], np.float32).reshape(-1)


def widths_per_weight(fields: dict[str, Any], shape: list[int], held: dict[str, bytes], stream: Any) -> Array:
    (reach,) = struct.unpack("<f", held["reach"])
    widths = stream("widths", 4, math.prod(shape))
    bits = iter(stream("codes", 1, sum(widths)))
    codes = [sum(next(bits) << bit for bit in range(width)) for width in widths]
    pairs = zip(codes, widths, strict=True)
    return np.array([reach * (2 * code + 1 - 2**width) / 2**width for code, width in pairs], np.float32)


LEVELS: dict[str, Any] = {
    "affine": affine,
    "binary-bases": summed("alphas"),
    "codebook": codebook,
    "fixed-point": fixed_point,
    "floating-point": floating_point,
    "powers-of-two": powers_of_two,
    "shifted-signs": summed("betas"),
    "signs": signs,
    "ternary": ternary,
}
SHARED: dict[str, Any] = {
    "vectors": vectors,
    "residual-vectors": residual_vectors,
    "hashed": hashed,
    "hashed-inputs": hashed_inputs,
    "powers-per-filter": powers_per_filter,
    "widths-per-weight": widths_per_weight,
}


def numbers(data: bytes, width: int, count: int) -> list[int]:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: count * width].reshape(count, width)
    return (bits.astype(int) @ (1 << np.arange(width))).tolist()


def stream_of(coder: str, held: dict[str, bytes], name: str, count: int, alphabet: int) -> list[int]:
    codes = held[f"{name}.codes"]
    if coder == "huffman":
        return from_huffman(held[f"{name}.coding-table"], codes, count, alphabet)
    assert coder == "range-coder"
    return ranges(held[f"{name}.coding-table"], codes, count, alphabet)


def ranges(table: bytes, codes: bytes, count: int, alphabet: int) -> list[int]:
    """Words of 32 bits, a state of 64, probabilities of 24."""
    rarities = coding_table(table, alphabet)
    symbols = sorted(rarities)
    if len(symbols) == 1:
        return symbols * count
    eighths = [65536, 60097, 55109, 50535, 46341, 42495, 38968, 35734]
    weights = [math.ldexp(eighths[rarities[one] % 8], -(rarities[one] // 8)) for one in symbols]
    free = (2**24 - len(weights)) / sum(weights)
    below, total = [], 0.0
    for place, weight in enumerate(weights):
        below.append(int(total * free) + place)
        total += weight
    below.append(2**24)
    words = iter([*struct.unpack(f"<{len(codes) // 4}I", codes), *[0] * 4])
    low, span, point = 0, 2**64 - 1, next(words) << 32 | next(words)
    found = []
    for _ in range(count):
        scale = span >> 24
        quantile = (point - low) % 2**64 // scale
        place = max(place for place in range(len(symbols)) if below[place] <= quantile)
        found.append(symbols[place])
        low = (low + scale * below[place]) % 2**64
        span = scale * (below[place + 1] - below[place])
        if span < 2**32:
            low, span, point = low << 32 & 2**64 - 1, span << 32, (point << 32 | next(words, 0)) % 2**64
    return found


SIGMOID = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581,
    57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
]  # fmt: skip
SQUASH = [(SIGMOID[x // 128] * (128 - x % 128) + SIGMOID[x // 128 + 1] * (x % 128)) // 128 for x in range(4096)]
STRETCH = [min(max(next((x for x in range(4096) if SQUASH[x] // 16 >= p), 4095), 1), 4095) - 2048 for p in range(4096)]


class Question:
    """Models whose probabilities are mixed; each context has one of its own, and how often it was asked."""

    def __init__(self, models: int) -> None:
        self.tables: list[dict[Any, tuple[int, int]]] = [{} for _ in range(models)]

    def answer(self, contexts: list[Any], weights: list[int], arithmetic: Arithmetic) -> int:
        found = [table.get(context, (32768, 0)) for table, context in zip(self.tables, contexts, strict=True)]
        logits = [STRETCH[p // 16] for p, _ in found] + [256]
        total = sum(logit * weight for logit, weight in zip(logits, weights, strict=True))
        probability = SQUASH[min(max(total >> 16, -2047), 2047) + 2048]
        bit = arithmetic.bit(probability)
        error = 65536 * bit - probability
        for place, logit in enumerate(logits):
            weights[place] += (logit * error + 32768) >> 16
        for table, context, (p, n) in zip(self.tables, contexts, found, strict=True):
            table[context] = p + (65535 * bit - p) * 2 // (2 * n + 3), min(n + 1, 255)
        return bit


class Arithmetic:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.low, self.high, self.code = data, 0, 0, 2**32 - 1, 0
        for _ in range(4):
            self.code = self.code << 8 | self.byte()

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def bit(self, probability: int) -> int:
        middle = self.low + (self.high - self.low) * probability // 65536
        found = int(self.code <= middle)
        if found:
            self.high = middle
        else:
            self.low = middle + 1
        while self.low >> 24 == self.high >> 24:
            self.low, self.high = self.low << 8 & 2**32 - 1, self.high << 8 & 2**32 - 1 | 255
            self.code = self.code << 8 & 2**32 - 1 | self.byte()
        return found


def rarity(part: int, whole: int) -> int:
    """Quarters of a halving, straight between the halvings."""
    ratio = (2 * part + 1) * 2**14 // (2 * whole + 2)
    if ratio >= 2**14:
        return 0
    top = ratio.bit_length() - 1 if ratio else 0
    return min(max(55 - 4 * top - (ratio >> top - 2 & 3 if top >= 2 else 0), 0), 47)


def mixed(stream: bytes, count: int, columns: int, width: int) -> list[int]:
    if not count:
        return []
    head = 1 if width <= 8 else 2
    usual, arithmetic = int.from_bytes(stream[:head], "little"), Arithmetic(stream[head:])
    question, levels = Question(8), [Question(5 if width <= 8 else 1) for _ in range(width)]
    sets = [[10_000] * 8 + [0] for _ in range(16)]
    of_levels = [[10_000] * (5 if width <= 8 else 1) + [0] for _ in range(width)]
    full: list[list[int]] = []  # of each row, whether a symbol is unusual
    filled = [0] * (columns + 2)  # of each column, how many are so far; none on either side
    above: dict[int, int] = {}  # column: its last unusual symbol
    symbols: list[int] = []
    total = in_row = 0
    last = None
    for place in range(count):
        row, column = divmod(place, columns)
        if column == 0:
            full.append([])
            in_row, last = 0, None

        def was(up: int, left: int, row: int = row, column: int = column) -> int:
            inside = row - up >= 0 and 0 <= column - left < columns
            return full[row - up][column - left] if inside else 0

        of_column, of_row = rarity(filled[column], row), rarity(in_row, column)
        beside = filled[column - 1] + 2 * filled[column] + filled[column + 1]
        smooth, tall = rarity(beside, 4 * row), (row + 1).bit_length() - 1
        near = (was(0, 1), was(0, 2), was(1, 0), was(1, 1), was(1, -1), was(2, 0))
        many = sum(was(0, left) for left in range(1, 9)) + sum(was(up, 0) for up in range(1, 9))
        contexts = [
            near, (of_column, tall), (of_row, (column + 1).bit_length()), (of_column // 2, of_row // 2, *near[:3:2]),
            (many, near), (smooth, tall), (smooth // 2, of_row // 2, near[0]), rarity(total, place),
        ]  # fmt: skip
        unusual = question.answer(contexts, sets[min(tall, 15)], arithmetic)
        symbol = usual
        if unusual:
            coarse, node = max(width - 4, 0), 1
            hints = [0 if one is None else (one >> coarse) + 1 for one in (last, above.get(column))]
            known = [0, *hints, of_column // 2, of_row // 2] if width <= 8 else [0]
            for level in reversed(range(width)):
                own = [(one, node) for one in known]
                node = node << 1 | levels[level].answer(own, of_levels[level], arithmetic)
            symbol = node - 2**width
            last = above[column] = symbol
        full[row].append(unusual)
        filled[column], in_row, total = filled[column] + unusual, in_row + unusual, total + unusual
        symbols.append(symbol)
    return symbols
