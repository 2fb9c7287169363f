"""A chosen part of the kernel benchmark: the rows that were asked for, and no more work than they need."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from benchmarks import kernels, opponents
from benchmarks.kernel_page import page, read, short
from benchmarks.measure import Case, Row
from workbench.cli import main
from workbench.errors import FormatError, WorkbenchError

Made = list[tuple[str, int, int]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """A family of two kernels of four cases that measures nothing and says which it was asked for, at which threads."""
    begun: Made = []
    family = ModuleType("benchmarks.family")

    def rows(kernel: str, case: int, threads: int) -> Iterator[Row]:
        begun.append((kernel, case, threads))
        yield Row(kernel, f"case {case}", threads, 1.0, {"other": 2.0})

    def cases() -> Iterator[Case]:
        for case in range(4):
            yield Case("first", partial(rows, "first", case), quick=case == 2)
            yield Case("second", partial(rows, "second", case), shared=False)

    family.cases = cases  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.family", family)
    monkeypatch.setattr(kernels, "FAMILIES", {"family": ("first", "second"), "absent": ("third",)})
    monkeypatch.setattr(kernels, "KERNELS", ("first", "second", "third"))
    return begun


def test_only_the_chosen_kernels_are_there_and_no_other_family_is_loaded(made: Made) -> None:
    result = kernels.run((1,), kernels=["second"])
    assert made == [("second", case, 1) for case in range(4)]
    assert [row["case"] for row in result["rows"]] == [f"case {case}" for case in range(4)]
    assert result["machine"]["cores"] >= 1


def test_what_cannot_be_shared_out_is_timed_on_one_thread(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    kernels.run((1, 2), kernels=["first", "second"])
    assert {threads for kernel, _, threads in made if kernel == "first"} == {1, 2}
    assert {threads for kernel, _, threads in made if kernel == "second"} == {1}


def test_quick_measures_what_the_readme_shows_alone(made: Made) -> None:
    kernels.run((1,), kernels=["first", "second"], quick=True)
    assert made == [("first", 2, 1)]


def test_progress_counts_to_the_total_and_says_what_is_left(made: Made) -> None:
    told: list[kernels.Progress] = []
    kernels.run((1,), told.append, kernels=["first", "second"])
    assert [one.done for one in told] == list(range(1, 9)) and {one.total for one in told} == {8}
    assert told[-1].left == 0.0
    row = Row("first", "case 0", 2, 1.0, {})
    assert str(kernels.Progress(row, 12, 96, 240.0)) == "12 of 96, about 4 min left: first, 2 threads, case 0"
    assert "about 89 s left" in str(kernels.Progress(row, 12, 96, 89.0))


def test_it_is_cancelled_between_two_rows_and_keeps_those_it_has(made: Made) -> None:
    seen: list[kernels.Progress] = []
    result = kernels.run((1,), seen.append, kernels=["first", "second"], cancelled=lambda: len(seen) == 3)
    assert [one.row.to_dict() for one in seen] == result["rows"]
    assert len(made) == 3


def test_a_kernel_that_there_is_not_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="There is no kernel 'gemm'"):
        kernels.run(kernels=["gemm"])


def test_a_family_stands_for_its_kernels(made: Made) -> None:
    assert kernels.named(["third", "family"]) == ("third", "first", "second")
    with pytest.raises(WorkbenchError, match="There is no kernel 'fourth'"):
        kernels.named(["fourth"])


def test_every_kernel_is_among_the_quick_rows_but_those_that_another_one_stands_for() -> None:
    quick = {case.kernel for case, _ in kernels._planned([1], kernels.KERNELS, quick=True)}
    assert quick == set(kernels.KERNELS)


@pytest.fixture
def files(made: Made, tmp_path: Path) -> list[Path]:
    """Results of two processors; the second one lacks a row."""
    first = kernels.run((1,), kernels=["first", "second"])
    second = {
        "machine": {**first["machine"], "target": "haswell", "limited": True},
        "rows": first["rows"][1:],
        "quick": [],
    }
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, result in zip(paths, (first, second), strict=True):
        path.write_text(json.dumps(result))
    return paths


def test_results_stand_side_by_side_with_a_column_for_each_processor(files: list[Path]) -> None:
    results = [read(path) for path in files]
    name = results[0]["machine"]["host"]
    lines = page(results).splitlines()
    assert f"| case | threads | {name} | haswell (run on {name}) |" in lines
    assert "| case 0 | 1 | 1 s; 2 × other |  |" in lines  # the row that the second one lacks
    assert lines.count("| case 1 | 1 | 1 s; 2 × other | 1 s; 2 × other |") == 2  # of either kernel
    assert sum("kept from AVX-512" in line for line in lines) == 1
    assert [line for line in short(results).splitlines() if "case" in line][1:] == [
        "| first | case 2 | 1 | 1 s; 2 × other | 1 s; 2 × other |"
    ]


def test_the_command_writes_the_page_and_refuses_what_is_no_result(files: list[Path], tmp_path: Path) -> None:
    to = tmp_path / "page.md"
    done = CliRunner().invoke(main, ["bench", "page", *map(str, files), "--markdown", str(to)])
    assert done.exit_code == 0, done.output
    assert to.read_text() == page([read(path) for path in files])
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(FormatError, match="c.json holds no kernel benchmark"):
        read(tmp_path / "c.json")


@pytest.mark.parametrize(("named", "limited"), [("znver3", True), ("znver4", False), ("", False)])
def test_opponents_are_those_of_the_named_processor(named: str, limited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in opponents.LIMITS:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("NUMBA_CPU_NAME", named)
    monkeypatch.setattr(opponents, "wide", lambda: named != "znver3")
    monkeypatch.delitem(sys.modules, "torch")
    opponents.limit_opponents()
    assert opponents.limited() == limited


def test_limits_that_come_too_late_are_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "znver3")
    monkeypatch.setattr(opponents, "wide", lambda: False)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    for name in opponents.LIMITS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="torch was loaded before"):
        opponents.limit_opponents()
