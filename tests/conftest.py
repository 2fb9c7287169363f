"""No test sees, or writes to, the results that a user keeps."""

from collections.abc import Iterator

import pytest

from workbench.store import VARIABLE


@pytest.fixture(autouse=True, scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("results")))
        yield
