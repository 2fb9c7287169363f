"""Truncated singular value decompositions, each computed once and read at every rank."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Lock, Thread
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache
from workbench.errors import Stopped, still_wanted
from workbench.kernels.threads.blas import one_thread
from workbench.weights.arrays import Floats
from workbench.weights.form import Form

A = TypeVar("A")
V = TypeVar("V")

_LOOKS = 0.05  # seconds between two looks at whether a decomposition is still waited for
_factors: Cache[tuple[Floats, Floats]] = Cache(ceiling=2**30)  # of square layers of a hundred million weights, all
_one_at_a_time = Lock()


def factors(form: Form, reading: str, matrix: Callable[[], Floats], rank: int) -> tuple[Floats, Floats]:
    """The best product of two matrices of that rank (Eckart and Young 1936): [rank, n] and [m, rank].

    matrix: gives the matrix [m, n] that `form` is read as; reading: name of that way of reading it. The singular values
    are shared evenly (√S on each side), so that both factors have weights of like size: pruning and quantisation then
    treat them alike.
    """
    first, second = once(_factors, reading, form, matrix, _whole)
    return first[:rank], np.ascontiguousarray(second[:, :rank])


def once(cache: Cache[V], key: str, form: Form, array: Callable[[], A], decompose: Callable[[A], V]) -> V:
    """What `cache` holds of `form` under `key`: else its `array`, decomposed on a thread beside.

    One call of LAPACK cannot be asked whether it is still wanted, but whoever waits for it can: raises Stopped then. It
    goes on to its end, since what it finds serves every rank, and others wait until it is there.
    """

    def compute() -> V:
        given = array()
        return _beside(lambda: cache.get(key, lambda: decompose(given), form))

    return cache.get(key, compute, form)


def _beside(work: Callable[[], V]) -> V:
    found: Future[V] = Future()

    def run() -> None:
        with _one_at_a_time:
            if not found.set_running_or_notify_cancel():  # given up before it was its turn
                return
            try:
                found.set_result(work())
            except BaseException as error:
                found.set_exception(error)

    Thread(target=run, name="workbench-decomposition", daemon=True).start()
    try:
        while not wait([found], _LOOKS).done:
            still_wanted()
    except Stopped:
        found.cancel()
        raise
    return found.result()


def basis(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left singular vectors of [m, n], in columns [m, m], the largest singular value first."""
    _, vectors = np.linalg.eigh(matrix @ matrix.T)
    return np.ascontiguousarray(vectors[:, ::-1])


@one_thread()
def _whole(matrix: Floats) -> tuple[Floats, Floats]:
    """The factors of full rank, whose first rows and columns are those of every lower one.

    From the eigenvectors U of the smaller Gram matrix of A, in half to a third of the time of numpy's decomposition.
    The product of rank r is A projected on r columns of U, so that squaring costs it nothing: vectors mix where
    singular values are within 1e-8 of the largest of each other, and the error of a rank changes by no more than that.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    short = (matrix if wide else matrix.T).astype(np.float64)
    vectors = basis(short)
    along = vectors.T @ short  # [m, n]: right singular vectors, each as long as its singular value
    root = np.sqrt(np.linalg.norm(along, axis=1))
    zero = np.float32(0)  # -0.0 + 0.0 is +0.0
    across = (vectors * root).astype(np.float32) + zero
    beside = (along / np.where(root > 0, root, 1)[:, None]).astype(np.float32) + zero
    return (beside, across) if wide else (np.ascontiguousarray(across.T), np.ascontiguousarray(beside.T))
