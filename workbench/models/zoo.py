"""The zoo: which networks there are, and their trained weights.

Listing it imports no torch; `build` and `module` do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ZooEntry:
    """One trained network: `architecture` and `data` are names, `paper` and `summary` are for people."""

    name: str
    architecture: str
    data: str
    paper: str
    summary: str

    @property
    def weights(self) -> Path:
        """The safetensors file with the trained weights."""
        return WEIGHTS / f"{self.architecture}-{self.data}.safetensors"

    @property
    def log(self) -> Path:
        """The JSON file with the settings and the course of the training."""
        return WEIGHTS / f"{self.architecture}-{self.data}.json"


@dataclass(frozen=True)
class _Architecture:
    file: str
    symbol: str
    paper: str
    summary: str


_ARCHITECTURES = {
    "lenet-300-100": _Architecture(
        "lenet_300_100", "LeNet300100", "LeCun et al. 1998, Proc. IEEE 86(11)", "Two hidden layers, 784-300-100-10."
    ),
    "lenet-5": _Architecture(
        "lenet_5", "LeNet5", "LeCun et al. 1998, Proc. IEEE 86(11)", "Two 5x5 convolutions and two linear layers."
    ),
    "resnet-8": _Architecture(
        "resnet_8", "ResNet8", "He et al. 2015, arXiv 1512.03385", "Three residual blocks of 16, 32 and 64 channels."
    ),
    "mobilenet-v2": _Architecture(
        "mobilenet_v2", "MobileNetV2", "Sandler et al. 2018, arXiv 1801.04381", "Seven small inverted residuals."
    ),
    "squeezenet": _Architecture(
        "squeezenet", "SqueezeNet", "Iandola et al. 2016, arXiv 1602.07360", "Four small Fire modules, no linear layer."
    ),
}

_ENTRIES = {
    f"{architecture}/{data}": ZooEntry(
        f"{architecture}/{data}",
        architecture,
        data,
        _ARCHITECTURES[architecture].paper,
        _ARCHITECTURES[architecture].summary,
    )
    for architecture, data in (
        ("lenet-300-100", "mnist"),
        ("lenet-5", "mnist"),
        ("lenet-300-100", "fashion-mnist"),
        ("lenet-5", "fashion-mnist"),
        ("resnet-8", "fashion-mnist"),
        ("mobilenet-v2", "fashion-mnist"),
        ("squeezenet", "fashion-mnist"),
    )
}


def names() -> list[str]:
    """The names of the trained networks, each "architecture/data"."""
    return list(_ENTRIES)


def architectures() -> list[str]:
    """The names of the architectures."""
    return list(_ARCHITECTURES)


def entry(name: str) -> ZooEntry:
    """What is known of a network. Raises `ModelError` for an unknown name, naming the known ones."""
    if name not in _ENTRIES:
        raise ModelError(f"There is no model {name!r}; the known ones are: {', '.join(_ENTRIES)}.")
    return _ENTRIES[name]


def build(architecture: str, seed: int = 0) -> "nn.Module":
    """An untrained network in evaluation mode, its weights drawn from `seed`; torch's global generator is left alone.

    Raises `ModelError` for an unknown architecture, naming the known ones.
    """
    if architecture not in _ARCHITECTURES:
        raise ModelError(f"There is no architecture {architecture!r}; the known ones are: {', '.join(_ARCHITECTURES)}.")
    from importlib import import_module

    import torch

    about = _ARCHITECTURES[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: nn.Module = getattr(import_module(f"workbench.models.{about.file}"), about.symbol)()
    return module.eval()


def module(name: str) -> "nn.Module":
    """A trained network in evaluation mode, new at every call.

    Raises `ModelError` for an unknown name, and for weights that are missing, damaged or of another network.
    """
    about = entry(name)
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
