"""Kernels that are slower than dense torch: found, kept for one machine, and not used."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import CompressedModel, compress
from workbench.errors import Stopped
from workbench.kernels.compiler import features
from workbench.methods.factorize.svd import SVD
from workbench.methods.quantize.uniform import Uniform
from workbench.network import verdicts
from workbench.network.families import family
from workbench.network.model import Model
from workbench.network.packed import PackedConv2d, PackedLinear
from workbench.network.verdicts import Verdict, Verdicts
from workbench.recipe import Recipe, Step
from workbench.weights.choice import named
from workbench.weights.form import Form
from workbench.weights.levels.signs import Signs

TIMED = verdicts.timed  # before any test stands something else in its place
SLOW, FAST = Verdict(3e-3, 1e-3), Verdict(1e-3, 3e-3)


class Measure:
    """Stands in for the measurement, and counts."""

    def __init__(self, *found: Verdict) -> None:
        self.found, self.times = found, 0

    def __call__(self, *sides: Any) -> Verdict:
        self.times += 1
        return self.found[min(self.times, len(self.found)) - 1]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    found = Verdicts(tmp_path, "a machine")
    monkeypatch.setattr(verdicts, "here", lambda: found)
    return found


def measuring(monkeypatch: pytest.MonkeyPatch, *found: Verdict) -> Measure:
    measure = Measure(*found)
    monkeypatch.setattr(verdicts, "timed", measure)
    return measure


def network(*layers: nn.Module, shape: tuple[int, ...] = (1, 1, 8, 8)) -> Model:
    torch.manual_seed(0)
    several = layers or (nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 64), nn.ReLU(), nn.Linear(64, 10))
    return Model.from_module(nn.Sequential(*several), torch.zeros(shape))


def four_bits(model: Model | None = None) -> CompressedModel:
    return compress(model or network(), Recipe((Step(Uniform(bits=4)),)))


def kernels(module: nn.Module) -> list[str]:
    return [name for name, one in module.named_modules() if isinstance(one, PackedLinear | PackedConv2d)]


def test_a_slow_kernel_is_not_used_and_the_answers_stay(store: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring(monkeypatch, FAST, SLOW, FAST)
    compressed, x = four_bits(), torch.rand(5, 1, 8, 8)
    size, running = compressed.size, compressed.running()
    assert kernels(running.module) == ["0", "4"] and isinstance(running.module.get_submodule("2"), nn.Linear)
    assert running.said_of("2") == "Runs dense: its kernel for 4 bits takes 3 times as long here."
    assert running.said_of("0") == ""
    torch.testing.assert_close(running.module(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)
    assert compressed.size == size
    assert kernels(compressed.packed(judge=verdicts.unjudged)) == ["0", "2", "4"]


def test_a_factor_runs_dense_alone(store: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring(monkeypatch, FAST, SLOW, FAST)
    layers = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(400, 10)
    model = network(*layers, shape=(1, 8, 9, 9))
    compressed = compress(model, Recipe((Step(SVD(rank=0.5)), Step(Uniform(bits=4)))))
    running, x = compressed.running(), torch.rand(2, 8, 9, 9)
    assert kernels(running.module) == ["0.0", "2"]
    assert running.said_of("0") == "Factor 2 of 2 runs dense: its kernel for 4 bits takes 3 times as long here."
    torch.testing.assert_close(running.module(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)


def test_signals_are_left_to_their_own_layer(store: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring(monkeypatch, SLOW)
    compressed = four_bits(network(nn.Conv1d(4, 8, 3), shape=(1, 4, 20)))
    packed, x = compressed.packed(), torch.rand(2, 4, 20)
    assert isinstance(packed.get_submodule("0"), nn.Conv1d)
    torch.testing.assert_close(packed(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)


def test_a_kernel_that_rounds_its_input_gives_way_to_one_that_does_not(
    store: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, SLOW, FAST)
    compressed = compress(network(nn.Linear(64, 32), shape=(1, 64)), Recipe((Step(Uniform(bits=1)),)))
    compressed = compressed.with_forms({"0": compressed.forms["0"].with_entering(Signs())})
    running, x = compressed.running(), torch.randn(3, 64)
    assert kernels(running.module) == ["0"] and running.said_of("0") == ""
    torch.testing.assert_close(running.module(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)
    measuring(monkeypatch, SLOW)
    store._found.clear()
    running = compressed.running()
    assert kernels(running.module) == [] and "Runs dense: its kernel for 1 bit takes 3" in running.said_of("0")
    torch.testing.assert_close(running.module(x), compressed.to_torch()(x), rtol=1e-4, atol=1e-5)


def test_a_family_is_measured_once_in_each_of_three_processes(
    store: Verdicts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measure = measuring(monkeypatch, SLOW)
    for _ in range(2):
        assert kernels(four_bits().packed()) == []
    assert measure.times == 3
    for machine, times in (("a machine", 6), ("a machine", 9), ("a machine", 9), ("another", 12)):
        later = Verdicts(tmp_path, machine)
        monkeypatch.setattr(verdicts, "here", lambda later=later: later)
        assert kernels(four_bits().packed()) == [] and measure.times == times
    assert list(json.loads((tmp_path / "verdicts.json").read_text())) == ["a machine", "another"]


def test_a_machine_that_was_busy_is_believed_once_only(tmp_path: Path) -> None:
    for seen, slower in ((Verdict(9e-3, 2e-3), True), (Verdict(1e-3, 8e-3), False), (Verdict(5e-3, 5e-3), False)):
        found = Verdicts(tmp_path, "a machine")
        assert found.wants("a family")
        assert found.add("a family", seen).slower is slower
        assert not found.wants("a family")
        found.save()
    found = Verdicts(tmp_path, "a machine")
    assert found.find("a family") == Verdict(1e-3, 2e-3, measured=3) and not found.wants("a family")


def test_what_is_known_is_asked_without_a_measurement(store: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = measuring(monkeypatch, SLOW)
    assert kernels(four_bits().packed(judge=verdicts.known)) == ["0", "2", "4"] and measure.times == 0
    four_bits().packed()
    assert kernels(four_bits().packed(judge=verdicts.known)) == []


def test_a_measurement_that_somebody_waits_for_is_given_up_and_not_kept(store: Verdicts) -> None:
    waits = iter((False, True))
    with pytest.raises(Stopped):
        verdicts.measured("a family", lambda: SLOW, lambda: next(waits))
    assert store.find("a family") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[1]",
        b'{"a machine": [1]}',
        b'{"a machine": {"a family": [1.0, 2.0]}}',
        b'{"a machine": {"a family": [1.0, 0.0, 1]}}',
        b'{"a machine": {"a family": [1.0, NaN, 1]}}',
        b'{"a machine": {"a family": ["1", 2.0, 1]}}',
        b'{"a machine": {"a family": [1.0, 2.0, true]}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_holds_nothing_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "verdicts.json").write_bytes(content)
    found = Verdicts(tmp_path, "a machine")
    assert found.find("a family") is None
    found.add("a family", SLOW)
    found.save()
    assert Verdicts(tmp_path, "a machine").find("a family") == SLOW


def test_processes_keep_what_each_other_wrote_and_the_oldest_goes(tmp_path: Path) -> None:
    one, other = Verdicts(tmp_path, "a machine"), Verdicts(tmp_path, "a machine")
    one.add("one", SLOW), other.add("other", FAST)
    one.save(), other.save()
    found = Verdicts(tmp_path, "a machine")
    assert (found.find("one"), found.find("other")) == (SLOW, FAST)
    for number in range(verdicts._MOST_MACHINES):
        later = Verdicts(tmp_path, f"machine {number}")
        later.add("a family", SLOW)
        later.save()
    assert Verdicts(tmp_path, "a machine").find("one") is None
    for number in range(verdicts._MOST_FAMILIES + 1):
        later.add(f"family {number}", SLOW)
    later.save()
    found = Verdicts(tmp_path, later._machine)
    assert found.find("a family") is None and found.find(f"family {number}") == SLOW


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kernels"
    monkeypatch.setattr(verdicts, "kernel_folder", lambda: folder)
    for mode, kept in ((0o700, True), (0o777, False)):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        (folder / "verdicts.json").write_text(json.dumps({verdicts.machine(): {"a family": [3e-3, 1e-3, 1]}}))
        found = Verdicts(verdicts.private_folder(folder), verdicts.machine())
        assert (found.find("a family") == SLOW) is kept
        found.add("another", FAST)
        found.save()
        assert ("another" in (folder / "verdicts.json").read_text()) is kept


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        ("processor", lambda: "another"),
        ("named_processor", lambda: "znver3"),
        ("features", lambda: frozenset({"avx2"})),
        ("sources_digest", lambda: "edited"),
    ],
)
def test_another_processor_or_version_is_another_machine(
    place: str, changed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = verdicts.machine()
    assert verdicts.machine() == before
    monkeypatch.setattr(verdicts, place, changed)
    assert verdicts.machine() != before


def test_versions_of_torch_are_other_machines_and_a_named_processor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = verdicts.machine()
    monkeypatch.setattr(torch, "__version__", "9.9")
    assert verdicts.machine() != before
    monkeypatch.setattr(features, "_settings", SimpleNamespace(CPU_NAME="znver3"))
    assert " as znver3, " in verdicts.machine()


def test_families_part_what_takes_other_times() -> None:
    rng = np.random.default_rng(0)

    def found(bits: int, out: int, zeros: float, rows: int = 1, threads: int = 1) -> str:
        weight = rng.standard_normal((out, 256), np.float32) * (rng.random((out, 256)) >= zeros)
        form = Uniform(bits=bits).apply({"layer": Form.of(weight)})["layer"] if bits < 32 else Form.of(weight)
        encoding = named("affine" if bits < 32 else "bitmap", form)
        (kernel,) = encoding.kernels((None,))
        layer = nn.Linear(256, out)
        layer.weight = nn.Parameter(torch.from_numpy(form.parts[0].values))
        assert kernel is not None
        return family(kernel, encoding.tensors[0], layer, (rows, 256), threads)

    one = found(4, 100, 0.0)
    assert one == found(4, 100, 0.0) == found(4, 104, 0.0)
    others = [found(3, 100, 0.0), found(4, 200, 0.0), found(4, 100, 0.0, rows=8), found(4, 100, 0.0, threads=2)]
    sparse = [found(32, 100, zeros) for zeros in (0.5, 0.7, 0.9)]
    assert len({one, *others, *sparse}) == 8


def test_the_slower_side_is_found_and_one_slow_call_hides_nothing() -> None:
    once = iter([0.0, 0.0, 0.02] + [1e-3] * 1000)
    assert TIMED(lambda: time.sleep(next(once)), lambda: time.sleep(3e-3)).times < 1
    found = TIMED(lambda: time.sleep(4e-3), lambda: time.sleep(1e-3))
    assert found.slower and found.dense >= 1e-3 and 1.5 < found.times < 8
    assert not TIMED(lambda: None, lambda: time.sleep(1e-3)).slower
    assert not Verdict(1.04, 1.0).slower and Verdict(1.06, 1.0).slower
