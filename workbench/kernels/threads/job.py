"""One call of a compiled function on several shares of its work, as any thread can take part in it without the GIL.

The function is called at its address, so the code that hands it its arguments is one for all functions that take the
same types. All of this is for use inside compiled functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import Status, excinfo_ptr_t
from numba.extending import intrinsic

from workbench.kernels.threads.atomic import word_at

# Words of a job: the address of `shares_code`, of the function and of its arguments, the first share that nobody has
# taken, how many there are, and what is shared out. After these, three words a share: its outcome.
CODE, FUNCTION, ARGUMENTS, NEXT, SHARES, COUNT, STEP, OUTCOMES = range(8)
# An outcome: a status, zero for success; the error that belongs to another; the result.
STATUS, ERROR, RESULT, OUTCOME = range(4)

_WORD = ir.IntType(64)


def key_of(kinds: Iterable[types.Type]) -> int:
    """A number that stands for the types of a function's arguments."""
    digest = hashlib.sha256(";".join(map(str, kinds)).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


@intrinsic
def key(typingctx, arguments):  # type: ignore[no-untyped-def]
    """`key_of` the types in the tuple `arguments`."""
    number = key_of(arguments.types)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return _WORD(number)

    return types.int64(arguments), codegen


@intrinsic
def spilled(typingctx, arguments):  # type: ignore[no-untyped-def]
    """The address of `arguments` in memory, which is there until the calling function returns."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.ptrtoint(cgutils.alloca_once_value(builder, args[0]), _WORD)

    return types.int64(arguments), codegen


@intrinsic
def shares_code(typingctx, arguments):  # type: ignore[no-untyped-def]
    """The address of code for `run`: it works on shares of a job with arguments like these until none is left."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        code = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [_WORD]), "shares_of_a_job")
        code.linkage = "internal"
        _write_shares(context, ir.IRBuilder(code.append_basic_block("entry")), code, arguments, args[0].type)
        return builder.ptrtoint(code, _WORD)

    return types.int64(arguments), codegen


def _write_shares(context: Any, builder: Any, code: Any, arguments: Any, struct: Any) -> None:
    job = code.args[0]
    kinds = [*arguments.types, types.int64, types.int64]
    # Every result goes to a whole word, whatever its type, so this is the type of all such functions.
    function_kind = context.call_conv.get_function_type(types.int64, kinds)
    function = builder.inttoptr(_field(builder, job, FUNCTION), function_kind.as_pointer())
    struct = builder.load(builder.inttoptr(_field(builder, job, ARGUMENTS), struct.as_pointer()))
    values = [builder.extract_value(struct, place) for place in range(len(arguments.types))]
    shares, count, step = (_field(builder, job, name) for name in (SHARES, COUNT, STEP))
    units = builder.sdiv(builder.add(count, builder.sub(step, _WORD(1))), step)

    def bound(share: Any) -> Any:
        found = builder.mul(builder.sdiv(builder.mul(units, share), shares), step)
        return builder.select(builder.icmp_signed("<", found, count), found, count)

    test, work, over = (builder.append_basic_block(name) for name in ("test", "work", "over"))
    builder.branch(test)
    builder.position_at_end(test)
    share = builder.atomic_rmw("add", _place(builder, job, _WORD(NEXT)), _WORD(1), "seq_cst")
    builder.cbranch(builder.icmp_signed("<", share, shares), work, over)
    builder.position_at_end(work)
    bounds = bound(share), bound(builder.add(share, _WORD(1)))
    status, result = context.call_conv.call_function(builder, function, types.int64, kinds, [*values, *bounds])
    outcome = builder.add(_WORD(OUTCOMES), builder.mul(share, _WORD(OUTCOME)))
    error = builder.ptrtoint(status.excinfoptr, _WORD)
    for name, value in ((STATUS, builder.sext(status.code, _WORD)), (ERROR, error), (RESULT, result)):
        builder.store(value, _place(builder, job, builder.add(outcome, _WORD(name))))
    builder.branch(test)
    builder.position_at_end(over)
    builder.ret_void()


@intrinsic
def run(typingctx, job):  # type: ignore[no-untyped-def]
    """Work on shares of the job at this address until none is left."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [_WORD])
        builder.call(builder.inttoptr(_field(builder, args[0], CODE), kind.as_pointer()), args)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def raise_error(typingctx, status, error):  # type: ignore[no-untyped-def]
    """Raise what a share has raised, as its outcome tells; nothing for a status of zero."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        raised = Status(
            code=builder.trunc(args[0], ir.IntType(32)),
            excinfoptr=builder.inttoptr(args[1], excinfo_ptr_t),
            **dict.fromkeys(set(Status._fields) - {"code", "excinfoptr"}),
        )
        with builder.if_then(cgutils.is_not_null(builder, args[0]), likely=False):
            context.call_conv.return_status_propagate(builder, raised)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _place(builder: Any, job: Any, index: Any) -> Any:
    return word_at(builder, builder.add(job, builder.mul(index, _WORD(8))))


def _field(builder: Any, job: Any, name: int) -> Any:
    return builder.load(_place(builder, job, _WORD(name)))
