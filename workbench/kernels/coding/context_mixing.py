"""Adaptive coding of a matrix of symbols, most of which are one and the same: context mixing, then arithmetic coding.

Whole numbers only, so that every machine decodes alike. A symbol is a row of questions: is it the usual one (of pruned
weights, the zero)? If not, its bits from the highest down. Several models, each a table of adaptive probabilities of
which a context picks one, answer each question; a mixer weighs their logits and learns from the answer (Mahoney,
Adaptive weighing of context models for lossless data compression, 2005). Contexts are what was coded before: whether
the neighbours to the left and above are usual, how full row, column and the columns beside it are so far, and the last
unusual symbols of row and column. `docs/format.md` has all of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.kernels.compiler.jit import jit

Bytes = NDArray[np.uint8]
Symbols = NDArray[Any]

WIDEST = 16
# 2^16 / (1 + e^(−d / 256)) for d = −2048, −1920, ..., 2048, written out: a power may differ in its last bit elsewhere.
_SIGMOID = np.array(
    [22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581,
     57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514], np.int64,
)  # fmt: skip
MOST_LIKELY = 65514 / 65536  # that an answer is ever taken to be
_HIGHEST = 2047  # logit, in 256ths
_MOST_ANSWERS = 255  # that a probability counts
_WEIGHT = 10_000  # of a model at first, of 2^16
_USUAL_MODELS, _BIT_MODELS = 8, 5
_CONTEXTS, _SETS = 4096, 16
_SPREAD = 24  # contexts of a bit, of symbols of up to 8 bits
_MASK = np.uint64(2**32 - 1)


def _squashed() -> NDArray[np.int64]:
    """Of each logit from −2048, straight between the points of the table."""
    low, part = np.divmod(np.arange(4096), 128)
    return (_SIGMOID[low] * (128 - part) + _SIGMOID[low + 1] * part) >> 7


_SQUASH = _squashed()
# Of a probability of 2^12: the first logit that is squashed to as much.
_STRETCH = np.searchsorted(_SQUASH >> 4, np.arange(4096)).clip(1, 4095) - 2048


def encode(symbols: Symbols, columns: int, usual: int, width: int) -> Bytes:
    """symbols: [n], row by row of a matrix of `columns`, of `width` bits, 1 to 16. usual: the one that is asked for."""
    given = np.ascontiguousarray(symbols).reshape(-1).astype(np.int64)
    room = given.size * 2 * (width + 1) + 64  # an answer takes 12 bits at most, but where low and high come too close
    while True:
        stream = np.zeros(room, np.uint8)
        size = _run(given, columns, usual, width, stream, False, _SQUASH, _STRETCH)
        if size <= room:
            return stream[:size].copy()
        room *= 2


def decode(stream: Bytes, count: int, columns: int, usual: int, width: int) -> NDArray[np.int64]:
    """The `count` symbols again; behind its end a stream is read as zeros."""
    symbols = np.zeros(count, np.int64)
    own = np.array(stream, np.uint8)  # of a file's bytes, which may be read-only, while one loop reads and writes
    _run(symbols, columns, usual, width, own, True, _SQUASH, _STRETCH)
    return symbols


@jit
def _halvings(value):  # type: ignore[no-untyped-def]
    found = 0
    while value > 1:
        value >>= 1
        found += 1
    return found


@jit
def _rarity(part, whole):  # type: ignore[no-untyped-def]
    """Quarters of a halving by which part + ½ lies below whole + 1, 0 to 47."""
    ratio = ((2 * part + 1) << 14) // (2 * whole + 2)
    if ratio >= 16384:
        return 0
    top = _halvings(ratio)
    return min(max(55 - 4 * top - (ratio >> (top - 2) & 3 if top >= 2 else 0), 0), 47)


@jit
def _byte(stream, state):  # type: ignore[no-untyped-def]
    """The next byte to read, 0 behind the end."""
    place = np.int64(state[3])
    state[3] += np.uint64(1)
    return np.uint64(stream[place]) if place < stream.size else np.uint64(0)


@jit
def _put(stream, state, byte):  # type: ignore[no-untyped-def]
    """Writes a byte where there is room, and counts it."""
    place = np.int64(state[3])
    if place < stream.size:
        stream[place] = np.uint8(byte)
    state[3] += np.uint64(1)


@jit
def _coded(bit, probability, stream, state, decoding):  # type: ignore[no-untyped-def]
    """The answer, whose 1 has that probability of 2^16. state: low, high, what was read, the place in the stream."""
    middle = state[0] + ((state[1] - state[0]) * np.uint64(probability) >> np.uint64(16))
    if decoding:
        bit = 1 if state[2] <= middle else 0
    if bit:
        state[1] = middle
    else:
        state[0] = middle + np.uint64(1)
    while (state[0] ^ state[1]) >> np.uint64(24) == 0:
        if decoding:
            state[2] = (state[2] << np.uint64(8) & _MASK) | _byte(stream, state)
        else:
            _put(stream, state, state[1] >> np.uint64(24))
        state[0] = state[0] << np.uint64(8) & _MASK
        state[1] = (state[1] << np.uint64(8) & _MASK) | np.uint64(255)
    return bit


@jit
def _answered(  # type: ignore[no-untyped-def]
    bit, models, chosen, probability, answers, weights, logits, stream, state, decoding, squash, stretch
):
    """The answer to one question. chosen: the context in each model. weights: of this question's set, the last one what
    is added to every logit."""
    total = 256 * weights[models]
    for model in range(models):
        logits[model] = stretch[np.int64(probability[model, chosen[model]]) >> 4]
        total += logits[model] * weights[model]
    mixed = squash[min(max(total >> 16, -_HIGHEST), _HIGHEST) + 2048]
    bit = _coded(bit, mixed, stream, state, decoding)
    error = (bit << 16) - mixed
    weights[models] += (256 * error + 32768) >> 16
    for model in range(models):
        weights[model] += (logits[model] * error + 32768) >> 16
        context = chosen[model]
        many, before = np.int64(answers[model, context]), np.int64(probability[model, context])
        probability[model, context] = before + (65535 * bit - before) * 2 // (2 * many + 3)
        answers[model, context] = min(many + 1, _MOST_ANSWERS)
    return bit


@jit
def _run(symbols, columns, usual, width, stream, decoding, squash, stretch):  # type: ignore[no-untyped-def]
    """Encodes `symbols` into `stream`, or decodes them from it; bytes of the stream."""
    nodes = 1 << width
    models, spread = (_BIT_MODELS, _SPREAD) if width <= 8 else (1, 1)
    usual_p = np.full((_USUAL_MODELS, _CONTEXTS), 32768, np.uint16)
    usual_n = np.zeros((_USUAL_MODELS, _CONTEXTS), np.uint8)
    usual_w = np.full((_SETS, _USUAL_MODELS + 1), _WEIGHT, np.int64)
    bit_p = np.full((models, spread * nodes), 32768, np.uint16)
    bit_n = np.zeros((models, spread * nodes), np.uint8)
    bit_w = np.full((width, models + 1), _WEIGHT, np.int64)
    usual_w[:, _USUAL_MODELS] = 0
    bit_w[:, models] = 0
    chosen, logits = np.zeros(_USUAL_MODELS, np.int64), np.zeros(_USUAL_MODELS, np.int64)
    # Of each column, two more on either side: whether unusual in the last eight rows, how often, the last such symbol.
    recent, filled = np.zeros(columns + 4, np.int64), np.zeros(columns + 4, np.int64)
    last_above = np.zeros(columns + 4, np.int64)
    state = np.array([0, _MASK, 0, 0], np.uint64)
    if decoding:
        for _ in range(4):
            state[2] = state[2] << np.uint64(8) | _byte(stream, state)
    coarse = max(width - 4, 0)
    total, history, in_row, last, corner = 0, 0, 0, 0, 0
    for place in range(symbols.size):
        row, column = place // columns, place % columns
        here = column + 2
        if column == 0:
            history, in_row, last, corner = 0, 0, 0, 0
        tall = _halvings(row + 1)
        of_column, of_row = _rarity(filled[here], row), _rarity(in_row, column)
        smooth = _rarity(filled[here - 1] + 2 * filled[here] + filled[here + 1], 4 * row)
        left, above = history & 1, recent[here] & 1
        near = history & 3 | above << 2 | corner << 3 | (recent[here + 1] & 1) << 4 | (recent[here] & 2) << 4
        around, many = history & 255 | recent[here] << 8, 0
        while around:
            around &= around - 1
            many += 1
        chosen[0] = near
        chosen[1] = of_column * 32 + tall
        chosen[2] = of_row * 32 + _halvings(column + 1)
        chosen[3] = (of_column >> 1) * 96 + (of_row >> 1) * 4 + left + 2 * above
        chosen[4] = many * 64 + near
        chosen[5] = smooth * 32 + tall
        chosen[6] = (smooth >> 1) * 64 + (of_row >> 1) * 2 + left
        chosen[7] = _rarity(total, place)
        full = 0 if decoding or symbols[place] == usual else 1
        full = _answered(
            full, _USUAL_MODELS, chosen, usual_p, usual_n, usual_w[min(tall, _SETS - 1)], logits, stream, state,
            decoding, squash, stretch,
        )  # fmt: skip
        symbol = usual
        if full:
            node, hint, hint_above = 1, ((last - 1) >> coarse) + 1, ((last_above[here] - 1) >> coarse) + 1
            for level in range(width - 1, -1, -1):
                chosen[0] = node
                chosen[1] = hint % spread * nodes + node
                chosen[2] = hint_above % spread * nodes + node
                chosen[3] = (of_column >> 1) % spread * nodes + node
                chosen[4] = (of_row >> 1) % spread * nodes + node
                bit = 0 if decoding else symbols[place] >> level & 1
                bit = _answered(
                    bit, models, chosen, bit_p, bit_n, bit_w[level], logits, stream, state, decoding, squash,
                    stretch,
                )  # fmt: skip
                node = node << 1 | bit
            symbol = node - nodes
            last, last_above[here] = symbol + 1, symbol + 1
        if decoding:
            symbols[place] = symbol
        corner = above
        recent[here] = (recent[here] << 1 | full) & 255
        history = (history << 1 | full) & 255
        filled[here] += full
        in_row += full
        total += full
    return np.int64(state[3]) if decoding else _ended(stream, state)


@jit
def _ended(stream, state):  # type: ignore[no-untyped-def]
    """Writes the fewest bytes that, with zeros behind them, lie between low and high."""
    for size in range(5):
        behind = np.uint64(8 * (4 - size))
        value = (state[0] + (np.uint64(1) << behind) - np.uint64(1)) >> behind << behind
        if value <= state[1]:
            for place in range(size):
                _put(stream, state, value >> np.uint64(24 - 8 * place) & np.uint64(255))
            break
    return np.int64(state[3])
