"""Names from outside as they are shown."""

import json
import logging

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import workbench
from tests.exporters.forging import sealed, taken_apart
from widgets.server.log import Printable
from widgets.views.layers import layers
from workbench.cli import main
from workbench.data.datasets import Dataset
from workbench.errors import DataError, FormatError, ModelError, WorkbenchError
from workbench.names import is_name, printable, sentence

HOSTILE = [
    "\x1b]0;title\x07",  # a terminal's title
    "\x1b[2J\x1b[H",
    "two\nlines\r",
    "\u202egnp.exe",  # right to left
    "zero\u200bwidth\ufeff",
    "\x9b31m",  # as ESC [ in one character
    "\ud800",  # half of a pair
    "nul\0",
    "x" * 10_000,
    "\u2028separators\u2029",
]


def short(name: object) -> str:
    return ascii(name)[:20]


@pytest.mark.parametrize("name", HOSTILE, ids=short)
def test_every_name_is_one_short_line_that_can_be_printed(name):
    for shown in (printable(name), sentence(f"The file lacks the layer {name!r}."), str(WorkbenchError(name))):
        assert shown.isprintable()
        shown.encode()
    assert len(printable(name)) <= 80
    assert len(sentence(f"The file lacks the layer {name!r}.")) < 120
    assert not is_name(name)


@pytest.mark.parametrize("name", ["lenet-5/mnist", "Ζωή", "模型", "a" * 80, "with space"])
def test_what_can_be_shown_stays(name):
    assert printable(name) == sentence(name) == name
    assert is_name(name)


def test_apostrophes_are_no_quotes():
    said = f"The network's tensors {'are many ' * 20}and its layers' weights are the file's."
    assert sentence(said) == said


@pytest.mark.parametrize("name", [5, b"x", "", *HOSTILE], ids=short)
def test_networks_and_data_sets_have_names_that_can_be_shown(name):
    module, example = nn.Linear(4, 2), torch.zeros(1, 4)
    with pytest.raises(ModelError, match="The name of a network must be"):
        workbench.Model.from_module(module, example, name=name)
    with pytest.raises(DataError, match="The name of a data set must be"):
        Dataset.from_arrays(name, test=(example.numpy(), [0]))


def test_modules_have_names_that_can_be_printed():
    module = nn.Sequential()
    module.add_module("a\x1b[2J", nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"Module or tensor 'a\\x1b\[2J'"):
        workbench.Model.from_module(module, torch.zeros(1, 4))


def test_a_long_name_of_a_layer_is_shortened_where_it_is_shown():
    name = "block_" * 30
    module = nn.Sequential()
    module.add_module(name, nn.Linear(4, 2))
    report = workbench.assess(
        workbench.compress(workbench.Model.from_module(module, torch.zeros(1, 4)), workbench.Recipe())
    )
    assert report.layers[0].name == name
    assert name not in report.table() and printable(name) in report.table()
    assert layers(report)[0]["label"] == printable(name)


@pytest.mark.parametrize("name", HOSTILE, ids=short)
@pytest.mark.parametrize("field", ["model", "original", "layer", "tensor", "previews", "recipe"])
def test_a_forged_file_prints_nothing_that_a_terminal_obeys(tmp_path, plain, field, name):
    header, arrays = taken_apart(plain)
    match field:
        case "model":
            header["network"]["model"] = name
        case "original":
            header["original"] = name
        case "layer":
            header["network"]["layers"][0][0] = name
        case "tensor":
            header["network"]["rest"][0][0] = name
        case "previews":
            header["previews"] = [name]
        case "recipe":
            header["recipe"]["encodings"] = {name: "dense"}
    path = tmp_path / "forged.cwb"
    path.write_bytes(sealed(header, arrays))
    said = CliRunner().invoke(main, ["evaluate", str(path)]).output
    assert "Traceback" not in said
    assert all(line.isprintable() and len(line) < 500 for line in said.splitlines())
    with pytest.raises(FormatError) as refused:
        workbench.read(path)
    assert str(refused.value).isprintable()


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    """The packed file of a network of the shelf."""
    model, recipe = workbench.load("lenet-300-100/mnist"), workbench.Recipe.sliders(bits=1)
    return workbench.compress(model, recipe).save(tmp_path_factory.mktemp("f") / "n.cwb").read_bytes()


def test_the_servers_logs_are_lines_that_can_be_printed():
    fault = ValueError("\x1b[2J\nsecond")
    record = logging.LogRecord("server", logging.ERROR, "", 0, "GET %s", ("/\x9b31m",), (ValueError, fault, None))
    assert Printable().filter(record)
    shown = logging.Formatter().format(record)
    assert "\\x9b31m" in shown and "\\x1b[2J\nsecond" in shown
    assert all(line.isprintable() for line in shown.splitlines())
    assert json.dumps(shown)
