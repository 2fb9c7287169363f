"""Promises of the project as a whole: one list of dependencies, nothing fetched by a page, nothing of one machine."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"pytorch-cpu": "torch"}
FETCHED_FROM = re.compile(
    r"jsdelivr|unpkg|cdnjs|skypack|esm\.sh|cdn\.plot|bootstrapcdn|cloudflare|gstatic|(ajax|fonts)\.googleapis"
)
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(work|root|home|Users|tmp)/\w")


def canonical(requirement: str) -> str:
    """The name in a requirement, as package indexes compare names."""
    name = re.match(r"[\w.-]*\w", requirement)
    assert name, f"no name in {requirement!r}"
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> list[str]:
    return [*project()["dependencies"], *project()["optional-dependencies"]["test"]]


def pins() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def texts(*folders: str) -> Iterator[tuple[Path, str]]:
    """Every file under `folders` that is text, with its text."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts or ".ipynb_checkpoints" in path.parts:
                continue
            if b"\0" not in (data := path.read_bytes()):
                yield path, data.decode("utf-8")


def imported(folder: str) -> set[str]:
    """The top-level names that the modules under `folder` import, at any depth of their code."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    return names


def undeclared(folder: str, declared: list[str]) -> set[str]:
    ours = {"workbench", "widgets", "benchmarks", "tests", *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
    known = {canonical(name) for name in declared}
    providers = packages_distributions()
    outside = imported(folder) - ours - set(sys.stdlib_module_names)
    return {name for name in outside if not {canonical(one) for one in providers.get(name, [])} & known}


def test_conda_environment_lists_what_pyproject_lists():
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text().splitlines()]
    listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    fixed = {"conda-forge", "python>=3.11", "pip", "pip:", "-e ."}
    assert fixed <= set(listed)
    packages = []
    for entry in (one for one in listed if one not in fixed):
        name, bound, version = entry.partition(">=")
        packages.append(CONDA_NAMES.get(name, name) + bound + version)
    assert sorted(packages) == sorted(project()["dependencies"])
    assert f"python{project()['requires-python']}" in listed


def test_constraints_pin_one_version_of_every_dependency():
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pins())
    pinned = [pin.partition("==")[0] for pin in pins()]
    assert pinned == sorted(set(pinned))
    assert {canonical(one) for one in requirements()} <= set(pinned)


@pytest.mark.parametrize(
    ("package", "asked_for"),
    [
        ("workbench", set()),
        ("widgets", set()),
        ("benchmarks", {"playwright"}),
    ],
)
def test_every_import_is_a_declared_dependency(package, asked_for):
    assert undeclared(package, project()["dependencies"]) == asked_for


def test_every_import_of_a_test_is_a_declared_dependency():
    assert undeclared("tests", requirements()) == set()


def test_nothing_that_is_shipped_names_a_content_network():
    found = [
        f"{path}: {hit[0]}"
        for path, text in texts("workbench", "widgets", "benchmarks", "notebooks")
        for hit in FETCHED_FROM.finditer(text)
    ]
    assert found == []


def test_no_path_of_one_machine():
    files = [(path, path.read_text()) for path in ROOT.iterdir() if path.is_file()]
    files += texts("workbench", "widgets", "benchmarks", "notebooks", "docs", "tests", ".ci")
    assert [f"{path}: {hit[0]}" for path, text in files for hit in MACHINE_PATH.finditer(text)] == []


def test_notebooks_are_kept_without_outputs():
    notebooks = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    assert notebooks
    for path in notebooks:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert "widgets" not in notebook["metadata"], f"{path} holds widget state"
        for cell in notebook["cells"]:
            assert not cell.get("outputs"), f"{path} holds an output"
            assert cell.get("execution_count") is None, f"{path} holds an execution count"


def test_commands_in_the_readme_exist():
    from workbench.cli import main

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```[\s\S]*?```|^ {4}.*|`[^`\n]+`", readme, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set(re.findall(r"\bmake ([a-z-]+)", code))
    assert {"dashboard", "test"} <= made <= targets
    commands = set(re.findall(r"(?:^\s*|`)workbench ([a-z]+)", code, re.MULTILINE))
    assert {"measure", "export", "evaluate", "dashboard"} <= commands <= set(main.list_commands(click.Context(main)))


def test_importing_the_package_leaves_torch_alone():
    code = (
        "import sys, workbench; print(sorted({'torch', 'numba', 'plotly', 'ipywidgets', 'IPython'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "[]"
