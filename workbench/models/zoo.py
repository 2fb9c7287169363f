"""The zoo: which networks there are, with trained weights or without.

An architecture is a file in `workbench/models/architectures`; its trained weights are found in `weights` by its name
and that of a data set, `lenet-5-mnist.safetensors` with the log `lenet-5-mnist.json`. A folder of one's own (`Shelf`)
may hold both. An architecture without trained weights is *blank*: it is known by its shapes alone. Listing the zoo
imports no torch; `build`, `blank` and `module` do.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data import datasets
from workbench.errors import ModelError
from workbench.models.architectures import ARCHITECTURES
from workbench.shelf import VARIABLE

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ZooEntry:
    """One network: `architecture` and `data` are names, `paper` and `summary` are for people.

    data: None for a blank network, whose name is the architecture's. input_shape: without the batch.
    """

    name: str
    architecture: str
    data: str | None
    paper: str
    summary: str
    input_shape: tuple[int, ...]
    folder: Path

    @property
    def weights(self) -> Path:
        """The safetensors file with the trained weights."""
        return self.folder / f"{self.architecture}-{self.data}.safetensors"

    @property
    def log(self) -> Path:
        """The JSON file with the settings and the course of the training."""
        return self.folder / f"{self.architecture}-{self.data}.json"


def names() -> list[str]:
    """The names of the trained networks, each "architecture/data", by their data sets."""
    return [name for name, entry in _entries(_folders()).items() if entry.data is not None]


def listed() -> list[str]:
    """The names of all networks: the trained ones, then the blank ones."""
    return list(_entries(_folders()))


def architectures() -> list[str]:
    """The names of the architectures."""
    return list(ARCHITECTURES)


def facts(architecture: str) -> dict[str, Any]:
    """What an architecture says of itself (see `Architecture`).

    Raises `ModelError` for an unknown one, and for one whose file lacks a fact.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(f"There is no architecture {architecture!r}; the known ones are: {', '.join(ARCHITECTURES)}.")
    found = ARCHITECTURES.facts(architecture)
    for fact in ("title", "paper", "summary", "input_shape"):
        if fact not in found:
            raise ModelError(f"{ARCHITECTURES.files[architecture]} does not say its {fact}, as a literal of its class.")
    return found


def entry(name: str) -> ZooEntry:
    """What is known of a network. Raises `ModelError` for an unknown name, naming the known ones."""
    found = _entries(_folders())
    if name in found:
        return found[name]
    architecture, _, data = name.partition("/")
    if architecture in ARCHITECTURES and data in datasets.names():  # it may be trained yet
        return _entry(architecture, data, _folders()[0])
    raise ModelError(f"There is no model {name!r}; the known ones are: {', '.join(found)}.")


def build(architecture: str, seed: int = 0) -> nn.Module:
    """An untrained network in evaluation mode, its weights drawn from `seed`; torch's global generator is left alone.

    Raises `ModelError` for an unknown architecture, naming the known ones.
    """
    facts(architecture)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _module(architecture)


def start(name: str) -> nn.Module | None:
    """A trained network as its training began, by the seed in its log; None where there is no log that tells it.

    Raises `ModelError` for an unknown name.
    """
    about = entry(name)
    try:
        seed = json.loads(about.log.read_text(encoding="utf-8"))["seed"]
    except (OSError, ValueError, KeyError):
        return None
    return build(about.architecture, int(seed))


def blank(architecture: str) -> nn.Module:
    """The network without weights, on torch's device "meta", which knows shapes and takes no memory.

    Raises `ModelError` for an unknown architecture, naming the known ones.
    """
    facts(architecture)
    import torch

    with torch.device("meta"):
        return _module(architecture)


def module(name: str) -> nn.Module:
    """A trained network in evaluation mode, new at every call; a blank one where its name is an architecture's.

    Raises `ModelError` for an unknown name, and for weights that are missing, damaged or of another network.
    """
    about = entry(name)
    if about.data is None:
        return blank(about.architecture)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = build(about.architecture)
    try:
        network.load_state_dict(load_file(about.weights))
    except FileNotFoundError:
        raise ModelError(f"The weights of {name} are missing: there is no file {about.weights}.") from None
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"The weights of {name} cannot be read from {about.weights}: {error}") from error
    return network


def _module(architecture: str) -> nn.Module:
    kind: Any = ARCHITECTURES[architecture]
    network: nn.Module = kind().eval()
    return network


def _folders() -> tuple[Path, ...]:
    """Where trained weights lie: the workbench's own, and the user's."""
    own = os.environ.get(VARIABLE)
    return (WEIGHTS, Path(own).absolute() / "models" / "weights") if own else (WEIGHTS,)


@cache
def _entries(folders: tuple[Path, ...]) -> dict[str, ZooEntry]:
    """By name. Looked for once: a session asks at every move."""
    usable = [architecture for architecture in ARCHITECTURES if _complete(architecture)]
    trained = [
        _entry(architecture, data, folder)
        for data in datasets.names()
        for architecture in usable
        for folder in folders
        if (folder / f"{architecture}-{data}.safetensors").exists()
    ]
    known = {one.architecture for one in trained}
    blanks = [_entry(architecture, None, folders[0]) for architecture in usable if architecture not in known]
    return {one.name: one for one in (*trained, *blanks)}


def _complete(architecture: str) -> bool:
    """A file that lacks a fact takes no other one down."""
    try:
        return bool(facts(architecture))
    except (ModelError, SyntaxError):
        return False


def _entry(architecture: str, data: str | None, folder: Path) -> ZooEntry:
    about = facts(architecture)
    name = architecture if data is None else f"{architecture}/{data}"
    return ZooEntry(name, architecture, data, about["paper"], about["summary"], about["input_shape"], folder)
