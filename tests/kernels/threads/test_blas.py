"""numpy's linear algebra on one thread: for as long as anybody asks for it, and with the same result everywhere."""

import os
import subprocess
import sys
from threading import Event, Thread

import numpy as np
import pytest

from workbench.kernels.threads.blas import _library, one_thread

openblas = pytest.mark.skipif(_library() is None, reason="numpy's linear algebra is another library than OpenBLAS")
BYTES = """
import hashlib
import numpy as np
from workbench.methods.factorize.cp import CP
from workbench.methods.factorize.svd import SVD
from workbench.methods.factorize.tucker import Tucker
from workbench.weights.form import Form
kernel = np.random.default_rng(0).normal(size=(64, 48, 5, 5)).astype(np.float32)
for method in (CP(rank=0.05), SVD(rank=0.5), Tucker(rank=0.5)):
    form = method.apply({"layer": Form.of(kernel)})["layer"]
    arrays = [*(part.values for part in form.parts), form.compose()]
    print(method.name, *(hashlib.sha256(array.tobytes()).hexdigest() for array in arrays))
"""


@openblas
def test_it_is_one_until_the_last_who_asked_for_it_is_gone() -> None:
    found = _library()
    assert found is not None
    threads, _ = found
    before, entered, leave = threads(), Event(), Event()

    def beside() -> None:
        with one_thread():
            entered.set()
            assert leave.wait(30)

    other = Thread(target=beside)
    with one_thread():
        other.start()
        assert entered.wait(30)
        with one_thread():
            assert threads() == 1
    assert threads() == 1
    leave.set()
    other.join(30)
    assert threads() == before


@openblas
def test_an_error_in_it_is_the_end_of_it() -> None:
    found = _library()
    assert found is not None
    before = found[0]()
    with pytest.raises(np.linalg.LinAlgError):
        one_thread()(np.linalg.inv)(np.zeros((2, 2)))
    assert found[0]() == before


def test_factors_are_the_same_to_the_bit_on_any_number_of_processors() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", BYTES],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(found) == 1 and "factorize.tucker" in found.pop()
