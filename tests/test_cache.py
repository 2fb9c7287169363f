"""The one cache: content decides, the ceiling holds, the least cost a byte goes first."""

import threading
from collections.abc import Callable

import numpy as np

from workbench.cache import Cache, fingerprint


def test_a_value_is_computed_once() -> None:
    cache: Cache[int] = Cache(ceiling=10_000)
    calls: list[int] = []
    for _ in range(3):
        assert cache.get("a", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert len(calls) == 1


def test_a_value_that_is_not_to_be_kept_takes_no_place_and_is_found_where_it_is_held() -> None:
    cache: Cache[int] = Cache(ceiling=10_000)
    assert cache.get("a", lambda: 7, keep=False) == 7
    assert cache.keys() == []
    assert cache.get("a", lambda: 8) == 8
    assert cache.get("a", lambda: 9, keep=False) == 8


class Clock:
    """Time that passes only where a value says what it costs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def value(self, nbytes: int, seconds: float) -> Callable[[], np.ndarray]:
        def compute() -> np.ndarray:
            self.now += seconds
            return np.zeros(nbytes, np.uint8)

        return compute


def test_the_least_seconds_a_byte_go_first() -> None:
    clock = Clock()
    cache: Cache[np.ndarray] = Cache(1000, clock)
    cache.get("dear", clock.value(400, 8.0))  # 0.02 s a byte
    cache.get("cheap", clock.value(400, 2.0))  # 0.005
    cache.get("small", clock.value(100, 1.0))  # 0.01
    cache.get("new", clock.value(500, 5.0))
    assert cache.keys() == ["dear", "small", "new"]
    assert cache.nbytes == 1000


def test_values_of_equal_cost_a_byte_leave_in_the_order_of_their_last_use() -> None:
    """Cao and Irani 1997: with uniform cost and size GreedyDual is LRU."""
    clock = Clock()
    cache: Cache[np.ndarray] = Cache(1000, clock)
    rng = np.random.default_rng(0)
    recent: list[str] = []
    for _ in range(400):
        key = str(rng.integers(0, 20))
        cache.get(key, clock.value(100, 1.0))
        recent = [*[one for one in recent if one != key][-9:], key]
        assert sorted(map(str, cache.keys())) == sorted(recent)


def test_a_dear_value_that_nobody_asks_for_goes_in_the_end() -> None:
    clock = Clock()
    cache: Cache[np.ndarray] = Cache(1000, clock)
    cache.get("dear", clock.value(500, 50.0))  # ten times the cost a byte of the others
    passed = 0
    while "dear" in set(cache.keys()):
        cache.get(str(passed), clock.value(250, 2.5))
        passed += 1
        assert passed < 100
    assert passed > 10  # each that leaves adds its own cost a byte to the age: it outlives about ten rounds of them


def test_it_does_not_grow_over_10_000_moves() -> None:
    clock = Clock()
    cache: Cache[np.ndarray] = Cache(10_000, clock)
    rng = np.random.default_rng(1)
    for key in rng.integers(0, 500, 10_000):
        cache.get(str(key), clock.value(int(rng.integers(1, 400)), float(rng.random())))
        assert cache.nbytes <= 10_000
    assert cache.nbytes > 9000
    assert len(cache._queue) == len(cache.keys())  # nothing is left behind of what went


class Owner:
    pass


def test_what_belongs_to_an_object_goes_with_it_and_is_known_by_it_alone() -> None:
    cache: Cache[int] = Cache(10_000)
    first, second = Owner(), Owner()
    assert [cache.get("a", lambda: 1, first), cache.get("a", lambda: 2, second), cache.get("a", lambda: 3)] == [1, 2, 3]
    assert [cache.get("a", lambda: 0, first), cache.get("a", lambda: 0, second)] == [1, 2]
    del first
    assert cache.nbytes == 2 * 64
    assert len(cache.keys()) == 2
    for _ in range(100):  # new objects may stand where old ones stood
        assert cache.get("a", lambda: 5, Owner()) == 5
    assert cache.nbytes == 2 * 64


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
