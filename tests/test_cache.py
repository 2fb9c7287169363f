"""The one cache: content decides, the ceiling holds, the least recently used go first."""

import threading

import numpy as np

from workbench.cache import Cache, fingerprint


def test_a_value_is_computed_once() -> None:
    cache: Cache[int] = Cache(ceiling=10_000)
    calls: list[int] = []
    for _ in range(3):
        assert cache.get("a", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert len(calls) == 1


def test_it_never_holds_more_than_its_ceiling_and_forgets_the_least_recently_used() -> None:
    cache: Cache[np.ndarray] = Cache(ceiling=1000)
    arrays = [np.zeros(100, np.float32) for _ in range(3)]  # 400 bytes each
    for i in (0, 1):
        cache.get(i, lambda i=i: arrays[i])  # type: ignore[misc]
    cache.get(0, lambda: np.ones(1))
    cache.get(2, lambda: arrays[2])  # has no room beside both
    assert cache.nbytes == 800
    fresh = np.ones(100, np.float32)
    assert cache.get(0, lambda: fresh) is arrays[0]
    assert cache.get(1, lambda: fresh) is fresh


def test_what_is_larger_than_the_ceiling_is_returned_and_not_held() -> None:
    cache: Cache[np.ndarray] = Cache(ceiling=100)
    assert cache.get("large", lambda: np.zeros(1000)).size == 1000
    assert cache.nbytes == 0


def test_nested_arrays_are_counted() -> None:
    cache: Cache[dict] = Cache(ceiling=10_000)  # type: ignore[type-arg]
    cache.get("a", lambda: {"x": (np.zeros(10), [np.zeros(5)])})
    assert cache.nbytes == 8 * 15


def test_many_threads_leave_the_count_right() -> None:
    cache: Cache[np.ndarray] = Cache(ceiling=4000)

    def use(seed: int) -> None:
        for key in np.random.default_rng(seed).integers(0, 30, 300):
            assert cache.get(int(key), lambda key=key: np.full(25, key))[0] == key  # type: ignore[misc]

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.nbytes <= 4000
    assert cache.nbytes % 200 == 0


def test_fingerprints_follow_every_element_the_shape_and_the_type() -> None:
    values = np.zeros(5000, np.float32)
    changed = values.copy()
    changed[2500] = 1
    found = {
        fingerprint(one)
        for one in (values, changed, values.reshape(50, 100), values.astype(np.float64), (values,), ("a", changed))
    }
    assert len(found) == 6
    assert fingerprint("a", values) == fingerprint("a", values.copy())
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
