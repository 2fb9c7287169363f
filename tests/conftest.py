"""No test sees, or writes to, the results that a user keeps, and none depends on how fast its machine is just then."""

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from workbench.store import VARIABLE

if "PYTEST_XDIST_WORKER" in os.environ:  # one of as many as there are processors: threads would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("results")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _every_kernel_is_fast() -> Iterator[None]:
    """In this process; verdicts that are kept are neither asked nor written."""
    if find_spec("torch") is None:
        yield
        return
    from workbench.network import verdicts

    none_kept = verdicts.Verdicts(None, "a machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdicts, "here", lambda: none_kept)
        patch.setattr(verdicts, "timed", lambda kernel, dense: verdicts.Verdict(1e-6, 2e-6))
        yield
