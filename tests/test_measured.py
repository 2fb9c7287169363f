"""The page of what slow tests found."""

import pytest

pytest_plugins = ["pytester"]
TESTS = """
def test_learns(record_property):
    record_property("accuracy", "97.75 %")

def test_fails(record_property):
    record_property("accuracy", "12 %")
    assert False
"""


def test_a_row_holds_figures_and_result_and_rows_of_other_runs_stay(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    command = ("-p", "tests.measured", "--measured-to", "page.md")
    pytester.runpytest_inprocess(*command)
    first = (pytester.path / "page.md").read_text().splitlines()
    pytester.runpytest_inprocess(*command, "-k", "learns")
    page = (pytester.path / "page.md").read_text().splitlines()
    rows = [line for line in page if line.startswith("| `")]
    assert len(rows) == 2 and page[:5] == first[:5]
    assert (
        "test_fails` | failed | accuracy 12 % |" in rows[0] and "test_learns` | passed | accuracy 97.75 % |" in rows[1]
    )
