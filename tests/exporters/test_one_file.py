"""One network, one file: what is read would be written so again, or is refused, or the report says what was added."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench
from tests.exporters.forging import sealed, taken_apart
from workbench.errors import FormatError
from workbench.recipe import Recipe

Change = Callable[[dict[str, Any]], Any]
MODEL = "lenet-300-100/mnist"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A layer of factors, a layer whose encoding is named, and one whose is not."""
    model = workbench.load(MODEL)
    only = {"fc2": {"rank": 1.0}, "fc3": {"rank": 1.0}}
    steps = Recipe.sliders(sparsity=0.9, bits=4, rank=0.2, overrides=only).steps
    recipe = Recipe(steps, {"fc1": "bitmap", "fc2": "relative-index"})
    return workbench.compress(model, recipe).save(tmp_path_factory.mktemp("one") / "net.cwb").read_bytes()


def forged(content: bytes, change: Change, folder: Path) -> Path:
    header, arrays = taken_apart(content)
    change(header)
    path = folder / "forged.cwb"
    path.write_bytes(sealed(header, arrays))
    return path


def test_as_it_was_written_it_is_read_and_written(saved: bytes, tmp_path: Path) -> None:
    path = forged(saved, lambda header: None, tmp_path)
    assert path.read_bytes() == saved
    assert workbench.read(path).save(tmp_path / "again.cwb").read_bytes() == saved


def settings(header: dict[str, Any], method: str) -> dict[str, Any]:
    return next(step["settings"] for step in header["recipe"]["steps"] if step["method"] == method)


CHANGES: dict[str, tuple[Change, str]] = {
    "1 for 1.0": (lambda header: settings(header, "prune.magnitude").update(sparsity=1), "recipe"),
    "4.0 for 4": (lambda header: settings(header, "quantize.uniform").update(bits=4.0), "recipe"),
    "true for 1": (lambda header: header["recipe"].update(version=True), "recipe"),
    "a digest": (lambda header: header["recipe"].update(digest="0" * 64), "recipe"),
    "no layers": (lambda header: header["recipe"]["steps"][0].pop("layers"), "recipe"),
    "no overrides": (lambda header: header["recipe"]["steps"][0].pop("overrides"), "recipe"),
    "another encoding": (lambda header: header["recipe"]["encodings"].update(fc2="bitmap"), "layer 'fc2'"),
    "another of a chain": (lambda header: header["recipe"]["encodings"].update(fc1="dense"), "layer 'fc1'"),
    "one for no chain": (lambda header: header["recipe"]["encodings"].update(fc3="factored"), "layer 'fc3'"),
    "another order": (lambda header: header.update(recipe=header.pop("recipe")), "order"),
    "its own original": (lambda header: header.update(original=header["network"]["model"]), "field 'original'"),
    "an empty name": (lambda header: header["network"].update(model=""), "field 'model'"),
    "fields of a layer": (
        lambda header: header["layers"][0].update(fields=dict(reversed(header["layers"][0]["fields"].items()))),
        "layer 'fc1'",
    ),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_what_would_be_written_otherwise_is_refused(saved: bytes, change: Change, said: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=said):
        workbench.read(forged(saved, change, tmp_path))


def test_a_data_set_that_is_not_here_is_told(saved: bytes, tmp_path: Path) -> None:
    path = forged(saved, lambda header: header["network"]["data"].update(name="<b>elsewhere"), tmp_path)
    notes = workbench.read(path).notes
    assert [note.text for note in notes] == ["It was measured on data set '<b>elsewhere', which is not here."]


def test_settings_that_a_file_does_not_name_are_told(saved: bytes, tmp_path: Path) -> None:
    """As in a file that is older than the setting."""
    path = forged(saved, lambda header: settings(header, "quantize.uniform").pop("per"), tmp_path)
    report = workbench.assess(workbench.read(path), images=20)
    assert "Its file does not name per of quantize.uniform, which is taken as by default." in report.notes
    assert json.dumps(report.to_dict())
