"""Which processor a thread runs on, and which it may: for use inside compiled functions, on Linux.

Linux often wakes a thread on the very processor whose work it is to share, where both then take turns for milliseconds.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

_INT, _WORD, _BYTES = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()
_MOST = 1024  # processors in the mask that the C library takes
KNOWN = sys.platform == "linux"


def all_but_one() -> NDArray[np.int64]:
    """Masks [processor, words]: those that this process may use, without the one whose row it is."""
    allowed = os.sched_getaffinity(0) if KNOWN else set()
    masks = np.zeros((max(allowed, default=-1) + 1, _MOST), bool)
    masks[:, list(allowed)] = True
    if len(allowed) > 1:
        np.fill_diagonal(masks, False)
    return np.packbits(masks, axis=1, bitorder="little").view(np.int64)


@intrinsic
def this_processor(typingctx):  # type: ignore[no-untyped-def]
    """The number of the processor that the caller runs on, -1 where the system does not tell."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        if not KNOWN:
            return _WORD(-1)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_INT, []), "sched_getcpu")
        return builder.sext(builder.call(function, []), _WORD)

    return types.int64(), codegen


@intrinsic
def keep_to(typingctx, thread, address):  # type: ignore[no-untyped-def]
    """Let `thread`, by the system's number, run on the processors of the mask at `address` only."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        if KNOWN:
            kind = ir.FunctionType(_INT, [_INT, _WORD, _BYTES])
            function = cgutils.get_or_insert_function(builder.module, kind, "sched_setaffinity")
            mask = builder.inttoptr(args[1], _BYTES)
            builder.call(function, [builder.trunc(args[0], _INT), _WORD(_MOST // 8), mask])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen
