"""Words of memory that several threads read and write, and waiting for them, busily or asleep.

For use inside compiled functions. A word is an int64, named by its address. A lock is one of the interpreter's own; it
needs no GIL, and any thread may release it. Everything here is in one order that all threads agree on.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD, _INT = ir.IntType(64), ir.IntType(32)
_LOCK = ir.IntType(8).as_pointer()
# The processor's hint that a thread waits for another: the name in LLVM, and what to say.
_PAUSES = {"x86_64": ("llvm.x86.sse2.pause", ()), "aarch64": ("llvm.aarch64.hint", (_INT(1),))}


def word_at(builder: Any, address: Any) -> Any:
    """A pointer to the word at `address`, an integer."""
    return builder.inttoptr(address, _WORD.as_pointer())


def _call(builder: Any, name: str, result: Any, *args: Any) -> Any:
    kind = ir.FunctionType(result, [one.type for one in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


@intrinsic
def read(typingctx, address):  # type: ignore[no-untyped-def]
    """The word at `address`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.load_atomic(word_at(builder, args[0]), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic
def write(typingctx, address, value):  # type: ignore[no-untyped-def]
    """Make `value` the word at `address`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        builder.store_atomic(args[1], word_at(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def exchange(typingctx, address, old, new):  # type: ignore[no-untyped-def]
    """Make `new` the word at `address` if it is `old`; whether it was."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        both = builder.cmpxchg(word_at(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(both, 1)

    return types.boolean(types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):  # type: ignore[no-untyped-def]
    """Tell the processor that this thread waits."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        machine = llvm.get_process_triple().partition("-")[0].replace("arm64", "aarch64")
        if machine in _PAUSES:
            name, said = _PAUSES[machine]
            _call(builder, name, ir.VoidType(), *said)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def new_lock(typingctx):  # type: ignore[no-untyped-def]
    """A lock that nobody has, as a number."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.ptrtoint(_call(builder, "PyThread_allocate_lock", _LOCK), _WORD)

    return types.int64(), codegen


@intrinsic
def acquire(typingctx, lock):  # type: ignore[no-untyped-def]
    """Sleep until `lock` is free, and take it."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        _call(builder, "PyThread_acquire_lock", _INT, builder.inttoptr(args[0], _LOCK), _INT(1))
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def release(typingctx, lock):  # type: ignore[no-untyped-def]
    """Give `lock` back, which wakes one that sleeps for it."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        _call(builder, "PyThread_release_lock", ir.VoidType(), builder.inttoptr(args[0], _LOCK))
        return context.get_dummy_value()

    return types.void(types.int64), codegen
