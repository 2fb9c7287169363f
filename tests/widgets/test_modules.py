"""The page's scripts: modules that say what they need of each other, joined into one, their styles beside them."""

import re
from pathlib import Path

import pytest

import widgets.draw
from widgets.draw import modules

FOLDER = Path(widgets.draw.__file__).parent
ENTRIES = [FOLDER / name / f"{name}.js" for name in ("panel", "benchmark", "stakeholders", "offline")]
SCRIPTS = sorted(FOLDER.glob("*/*.js"))
_IMPORTS = re.compile(r'^import \{ ([^}]*) \} from "([^"]+)";$', re.MULTILINE)
_DEFINED = r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)"


def imported(path: Path) -> dict[str, Path]:
    """Name -> the file that it is taken from."""
    found = _IMPORTS.findall(path.read_text())
    return {name.strip(): (path.parent / file).resolve() for names, file in found for name in names.split(",")}


def exported(path: Path) -> set[str]:
    return set(re.findall(_DEFINED.replace("(?:export )?", "export "), path.read_text(), re.MULTILINE))


def code(path: Path) -> str:
    """Without imports, comments and texts."""
    return re.sub(r'^import .*$|//.*|"(?:[^"\\\n]|\\.)*"', "", path.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_module_imports_what_it_uses_from_where_it_is_exported_and_nothing_else(path):
    needs = imported(path)
    for name, home in needs.items():
        assert name in exported(home)
    homes = {name: other for other in SCRIPTS if other != path for name in exported(other)}
    used = {name for name in homes if re.search(rf"(?<![.\w]){name}\b(?!:)", code(path))}
    assert used == set(needs)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.name)
def test_what_is_joined_is_one_module_in_which_everything_comes_before_its_use(entry):
    order = modules.modules(entry)
    assert order[-1] == entry.resolve()
    for place, path in enumerate(order):
        assert set(imported(path).values()) <= set(order[:place])
    script = modules.script(entry)
    assert not re.search(r"^import\b", script, re.MULTILINE)
    assert re.findall(r"^export.*$", script, re.MULTILINE) == ["export default { render };"]
    names = re.findall(_DEFINED, script, re.MULTILINE)
    assert len(names) == len(set(names))


def test_no_module_is_left_over_and_every_style_lies_beside_its_module():
    reached = {path for entry in ENTRIES for path in modules.modules(entry)}
    assert reached == {path.resolve() for path in SCRIPTS}
    styles = sorted(FOLDER.glob("*/*.css"))
    assert {path.with_suffix(".js") for path in styles} <= set(SCRIPTS)
    panel = modules.style(ENTRIES[0])
    assert all(path.read_text() in panel for path in styles if path.parent.name == "panel")


@pytest.mark.parametrize("path", [*SCRIPTS, *sorted(FOLDER.glob("*/*.css"))], ids=lambda path: path.name)
def test_no_string_is_parsed_as_markup_or_code_and_nothing_is_fetched_elsewhere(path):
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://|@import"
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert not re.search(forbidden, text)
