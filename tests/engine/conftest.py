"""Sessions that have the machine to themselves."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _room() -> Iterator[None]:
    """What a session does unasked is done whatever else this machine is at."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("worker", "answering"):
            patch.setattr(f"workbench.engine.{module}.crowded", lambda: False)
        yield
