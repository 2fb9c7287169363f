"""A chosen part of the kernel benchmark: the rows that were asked for, and no more work than they need."""

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from benchmarks import kernels
from benchmarks.measure import Row
from workbench.errors import WorkbenchError


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A family of two kernels that measures nothing and says which rows it was asked for."""
    begun: list[tuple[str, int]] = []
    family = ModuleType("benchmarks.family")

    def rows(threads: int) -> Iterator[Row]:
        for case in range(4):
            for kernel in ("first", "second"):
                begun.append((kernel, case))
                yield Row(kernel, f"case {case}", threads, 1.0, {})

    family.rows = rows  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.family", family)
    monkeypatch.setattr(kernels, "FAMILIES", {"family": ("first", "second"), "absent": ("third",)})
    monkeypatch.setattr(kernels, "KERNELS", ("first", "second", "third"))
    return begun


def cases(result: dict, kernel: str) -> list[str]:
    return [row["case"] for row in result["rows"] if row["kernel"] == kernel]


def test_only_the_chosen_kernels_are_there_and_no_other_family_is_loaded(made: list[tuple[str, int]]) -> None:
    result = kernels.run((1,), kernels=["second"])
    assert cases(result, "second") == [f"case {n}" for n in range(4)]
    assert len(result["rows"]) == 4
    assert result["machine"]["cores"] >= 1


def test_no_row_is_begun_after_the_last_one_that_is_wanted(made: list[tuple[str, int]]) -> None:
    result = kernels.run((1,), kernels=["first"], most=2)
    assert cases(result, "first") == ["case 0", "case 1"]
    assert made == [("first", 0), ("second", 0), ("first", 1)]


def test_it_is_cancelled_between_two_rows_and_keeps_those_it_has(made: list[tuple[str, int]]) -> None:
    seen: list[Row] = []
    result = kernels.run((1,), seen.append, kernels=["first", "second"], cancelled=lambda: len(seen) == 3)
    assert [row.to_dict() for row in seen] == result["rows"]
    assert len(made) == 3


def test_a_kernel_that_there_is_not_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="There is no kernel 'gemm'"):
        kernels.run(kernels=["gemm"])


def test_a_family_stands_for_its_kernels(made: list[tuple[str, int]]) -> None:
    assert kernels.named(["third", "family"]) == ("third", "first", "second")
    with pytest.raises(WorkbenchError, match="There is no kernel 'fourth'"):
        kernels.named(["fourth"])
