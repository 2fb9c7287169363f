"""Train a network of the zoo: `python -m workbench.train.zoo NAME [--seed N]`.

Needs the full data set (see `workbench.data.full`) where there is one. Writes the weights, with their accuracy as
metadata, and the log that names everything they were made with. The epoch is chosen by validation images; the test
images are read once, at the end.
"""

import json
from dataclasses import asdict

import click
import torch
from safetensors.torch import save

from workbench.data import datasets, full
from workbench.errors import WorkbenchError
from workbench.files import replace
from workbench.models import zoo
from workbench.models.normalize import normalise
from workbench.train.loop import Settings, accuracy, fit

# The LeNets are trained briefly and with strong weight decay. Longer training with augmentation gives half a point
# more, and networks whose every weight is in use, which pruning and low rank ruin at once (docs/decisions.md).
SETTINGS = {
    "lenet-300-100/mnist": Settings(
        epochs=20, optimiser="adamw", learning_rate=1.5e-3, weight_decay=0.3, average=0.999,
    ),
    "lenet-5/mnist": Settings(
        epochs=10, optimiser="adamw", learning_rate=1.5e-3, weight_decay=0.3, average=0.999, bfloat16=True,
    ),
    "lenet-300-100/fashion-mnist": Settings(
        epochs=25, optimiser="adamw", learning_rate=1.5e-3, weight_decay=0.3, average=0.999, flip=True,
    ),
    "lenet-5/fashion-mnist": Settings(
        epochs=15, optimiser="adamw", learning_rate=1.5e-3, weight_decay=0.3, average=0.999, flip=True, bfloat16=True,
    ),
    "resnet-8/fashion-mnist": Settings(
        epochs=36, learning_rate=0.1, weight_decay=5e-4, average=0.999, shift=2, flip=True, bfloat16=True,
    ),
    "squeezenet/fashion-mnist": Settings(
        epochs=36, optimiser="adamw", learning_rate=2e-3, weight_decay=0.05, average=0.999, shift=2, flip=True,
        bfloat16=True, dropout={"fire5": 0.1},
    ),
    "mobilenet-v2/fashion-mnist": Settings(
        epochs=28, learning_rate=0.1, weight_decay=2e-4, average=0.999, shift=2, flip=True, bfloat16=True,
    ),
    "branchy-lenet/mnist": Settings(
        epochs=2, batch=256, optimiser="adamw", learning_rate=2e-3, weight_decay=0.3, average=0.99,
    ),
    "locator/located-mnist": Settings(
        epochs=12, optimiser="adamw", learning_rate=2e-3, weight_decay=0.05, average=0.999,
    ),
}  # fmt: skip


def train(name: str, seed: int) -> float:
    """Train a network, write its weights and its log, and return its accuracy (0..1) on the test images.

    Raises `ModelError` for an unknown name and `DataError` where the full data set is missing.
    """
    entry, settings = zoo.entry(name), SETTINGS[name]
    assert entry.data is not None  # it has settings
    data = full.load(entry.data) if full.published(entry.data) else datasets.load(entry.data)
    module = zoo.build(entry.architecture, seed)
    normalise(module, data.split("train").inputs())
    course = []
    for epoch in fit(module, data.split("train"), data.split("validation"), settings, task=data.task, seed=seed):
        course.append(asdict(epoch))
        click.echo(
            f"{name} {epoch.number:3d}  loss {epoch.loss:.4f}  validation {epoch.accuracy:.2%}  {epoch.seconds:.1f} s"
        )
    reached = {
        "seed": seed,
        "validation_accuracy": accuracy(module, data.split("validation"), task=data.task),
        "test_accuracy": accuracy(module, data.split("test"), task=data.task),
    }
    weights = {key: value.contiguous() for key, value in module.state_dict().items()}
    log = {
        "model": name,
        "data": data.title,
        **reached,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "settings": asdict(settings),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "images": {split: len(data.split(split)) for split in ("train", "validation", "test")},
        "digests": {split: data.split(split).digest for split in ("train", "validation", "test")},
        "epochs": course,
    }
    entry.log.parent.mkdir(exist_ok=True)
    replace(entry.log, [json.dumps(log, indent=2).encode(), b"\n"])
    replace(entry.weights, [save(weights, metadata={key: str(value) for key, value in reached.items()})])
    return reached["test_accuracy"]


@click.command()
@click.argument("name", type=click.Choice(list(SETTINGS)))
@click.option("--seed", default=0, show_default=True, help="Seed of the first weights, the order and the augmentation.")
def main(name: str, seed: int) -> None:
    """Train NAME and write its weights and log into the zoo."""
    try:
        click.echo(f"test {train(name, seed):.2%}")
    except WorkbenchError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
