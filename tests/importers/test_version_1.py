"""Files of version 1 give the weights, and the answers, that the code which wrote them noted down."""

import hashlib
import json
from pathlib import Path

import pytest

import workbench

FOLDER = Path(__file__).parent
NOTED = json.loads((FOLDER / "version-1.json").read_text())


@pytest.mark.parametrize("name", NOTED)
def test_a_file_of_version_1_holds_what_it_held(name):
    path, noted = FOLDER / f"version-1-{name}.cwb", NOTED[name]
    assert path.stat().st_size == noted["bytes"]
    back = workbench.read(path)
    values = b"".join(part.values.tobytes() for form in back.forms.values() for part in form.parts)
    assert hashlib.sha256(values).hexdigest() == noted["weights"]
    assert {layer: encoding for layer, (encoding, _) in back.plans.items()} == noted["encodings"]
    assert workbench.assess(back, images=1000).compressed.accuracy.value == noted["accuracy of 1,000 images"]


def test_read_and_written_again_it_is_of_today(tmp_path):
    back = workbench.read(FOLDER / "version-1-chains.cwb")
    again = workbench.read(back.save(tmp_path / "again.cwb"))
    for layer, form in back.forms.items():
        assert form.passages == again.forms[layer].passages
        for ours, theirs in zip(form.parts, again.forms[layer].parts, strict=True):
            assert ours.values.tobytes() == theirs.values.tobytes()
