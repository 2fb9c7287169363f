"""A plugin of pytest, `-p tests.ends`: of each test's cases the first and the last alone.

What takes the time of kernel tests is compiling, so this runs every test in a fraction of it.
"""

import pytest
from hypothesis import settings


def pytest_configure() -> None:
    settings.register_profile("ends", deadline=None)  # the cases that are left out would have compiled what comes here
    settings.load_profile("ends")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = {item for found in cases.values() for item in (found[0], found[-1])}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]
