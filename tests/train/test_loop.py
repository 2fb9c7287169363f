"""The training loop: it learns, repeats itself, stops when told, and keeps the best epoch."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.data import datasets
from workbench.data.batches import batches
from workbench.data.split import Split
from workbench.errors import DataError, ModelError
from workbench.models import zoo
from workbench.train.loop import Settings, accuracy, fit


@pytest.fixture(scope="module")
def digits():
    """600 training and 400 validation digits."""
    data = datasets.load("mnist")
    train, validation = data.split("train"), data.split("validation")
    return (
        Split("train", train.images[:600], train.labels[:600]),
        Split("validation", validation.images[:400], validation.labels[:400]),
    )


EVERYTHING = Settings(
    epochs=2, optimiser="adamw", learning_rate=2e-3, average=0.9, shift=2, flip=True, label_smoothing=0.1,
    dropout={"relu1": 0.2},
)  # fmt: skip


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_loss_falls_and_accuracy_rises(digits, optimiser):
    network = zoo.build("lenet-300-100")
    before = accuracy(network, digits[1])
    settings = Settings(epochs=4, batch=32, optimiser=optimiser, learning_rate={"sgd": 0.05, "adamw": 2e-3}[optimiser])
    course = list(fit(network, *digits, settings))
    assert [epoch.number for epoch in course] == [1, 2, 3, 4]
    assert course[-1].loss < 0.5 * course[0].loss
    assert accuracy(network, digits[1]) == max(epoch.accuracy for epoch in course) > before + 0.5
    assert all(epoch.seconds > 0 for epoch in course)


@pytest.mark.parametrize("architecture", ["lenet-300-100", "lenet-5"])
def test_same_seed_gives_the_same_weights(digits, architecture):
    trained = []
    for seed in (3, 3, 4):
        torch.rand(seed + len(trained))  # whatever torch's global generator did before
        network = zoo.build(architecture)
        list(fit(network, *digits, EVERYTHING, seed=seed))
        trained.append(torch.cat([tensor.flatten().float() for tensor in network.state_dict().values()]))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_mixed_precision_learns_and_keeps_float32(digits):
    network = zoo.build("lenet-5")
    course = list(fit(network, *digits, Settings(epochs=3, batch=32, learning_rate=0.02, bfloat16=True)))
    assert course[-1].loss < course[0].loss
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert all(parameter.is_contiguous() for parameter in network.parameters())


def test_cancelled_before_the_first_epoch_ends(digits):
    network = zoo.build("lenet-300-100")
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 3

    assert list(fit(network, *digits, EVERYTHING, cancelled=cancelled)) == []
    assert len(asked) == 4
    assert not network.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_a_caller_who_stops_keeps_the_finished_epochs(digits):
    network, other = zoo.build("lenet-300-100"), zoo.build("lenet-300-100")
    settings = Settings(epochs=5, batch=32, optimiser="adamw", learning_rate=2e-3, warmup=0.0)
    course = fit(network, *digits, settings)
    first = next(course)
    course.close()
    assert accuracy(network, digits[1]) == first.accuracy
    rest = fit(other, *digits, settings)
    assert next(rest).accuracy == first.accuracy
    assert next(rest).number == 2
    rest.close()
    assert not torch.equal(network.fc1.weight, other.fc1.weight)


def test_the_best_epoch_is_kept(digits):
    """With a step so large that it ends badly, what was best stays."""
    network = zoo.build("lenet-300-100")
    course = list(fit(network, *digits, Settings(epochs=6, batch=32, learning_rate=0.6, warmup=0.9)))
    best = max(epoch.accuracy for epoch in course)
    assert course[-1].accuracy < best
    assert accuracy(network, digits[1]) == best


def test_dropout_acts_only_while_training(digits):
    network, plain = zoo.build("lenet-300-100"), zoo.build("lenet-300-100")
    one = Settings(epochs=1, optimiser="adamw", learning_rate=1e-3)
    half = Settings(epochs=1, optimiser="adamw", learning_rate=1e-3, dropout={"relu1": 0.5})
    list(fit(plain, *digits, one))
    list(fit(network, *digits, half))
    assert not torch.equal(network.fc1.weight, plain.fc1.weight)
    images = digits[1].inputs()
    network.train()
    assert torch.equal(network(images), network(images))  # the hook is gone
    assert [type(layer) for layer in network.modules()] == [type(layer) for layer in plain.modules()]


class Watcher(nn.Module):
    """Keeps every training batch that it sees."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 2)
        self.seen = []

    def forward(self, images):
        if self.training:
            self.seen.append(images.clone())
        return self.fc(images.flatten(1))


def test_augmentation_moves_and_mirrors_whole_images():
    """Every image that was seen is one of the 9 moves x 2 mirrorings of the original, and all of them occur."""
    image = np.random.default_rng(0).uniform(0.1, 1, (1, 1, 8, 8)).astype(np.float32)
    split = Split("train", np.repeat(image, 400, axis=0), np.zeros(400, int))
    network = Watcher()
    list(fit(network, split, split, Settings(epochs=1, batch=400, shift=1, flip=True)))
    allowed = set()
    for base in (image[0, 0], image[0, 0, :, ::-1]):
        padded = np.pad(base, 1)
        allowed |= {np.ascontiguousarray(padded[y : y + 8, x : x + 8]).tobytes() for y in range(3) for x in range(3)}
    seen = {view[0].numpy().tobytes() for view in network.seen[0]}
    assert len(allowed) == 18
    assert seen == allowed


def test_the_average_is_what_is_kept(digits):
    """With a decay near one the kept weights hardly move, whatever the steps."""
    network, start = zoo.build("lenet-300-100"), zoo.build("lenet-300-100")
    averaged = Settings(epochs=1, batch=300, learning_rate=0.1, average=0.999)
    list(fit(network, *digits, averaged))
    plain = zoo.build("lenet-300-100")
    list(fit(plain, *digits, Settings(epochs=1, batch=300, learning_rate=0.1)))
    moved = (plain.fc3.weight - start.fc3.weight).norm()
    assert 0 < (network.fc3.weight - start.fc3.weight).norm() < moved


def test_batch_norm_statistics_are_trained(digits):
    network = zoo.build("resnet-8")
    train, validation = (Split(split.name, split.images[:100], split.labels[:100]) for split in digits)
    list(fit(network, train, validation, Settings(epochs=1, batch=50, average=0.5)))
    assert not torch.equal(network.bn1.running_mean, torch.zeros(16))
    assert int(network.bn1.num_batches_tracked) == 2


def test_a_last_image_alone_joins_the_batch_before_it(digits):
    """A batch norm of features has no variance of a single image: 9 in batches of 4 are 4 and 5."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))
    seen: list[int] = []
    network[0].register_forward_hook(lambda layer, inputs, output: seen.append(len(output)) if layer.training else None)
    train, alone = (Split("train", digits[0].images[:count], digits[0].labels[:count]) for count in (9, 1))
    list(fit(network, train, digits[1], Settings(epochs=2, batch=4)))
    assert seen == [4, 5, 4, 5]
    assert [len(one) for one in batches(torch.arange(8), 4)] == [4, 4]
    assert torch.equal(torch.cat(batches(torch.arange(9), 4)), torch.arange(9))
    with pytest.raises(DataError, match="needs two training images at least"):
        list(fit(network, alone, digits[1], Settings(epochs=1)))


def test_a_label_without_a_score(digits):
    train = Split("train", digits[0].images, digits[0].labels + 5)
    with pytest.raises(DataError, match=r"Label 14 has no score.*10"):
        list(fit(zoo.build("lenet-300-100"), train, digits[1], Settings(batch=600)))


def test_dropout_of_an_unknown_layer(digits):
    with pytest.raises(ModelError, match="'relu9'"):
        list(fit(zoo.build("lenet-300-100"), *digits, Settings(dropout={"relu9": 0.5})))


def test_accuracy_counts_the_highest_score():
    network = nn.Identity()
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], dtype=np.float32)
    assert accuracy(network, Split("test", scores, np.array([1, 0, 0]))) == pytest.approx(2 / 3)
    assert accuracy(network, Split("test", scores, np.array([1, 0, 0])), batch=2) == pytest.approx(2 / 3)


def test_mixed_precision_leaves_no_trace_on_depthwise_layers(digits):
    network = zoo.build("mobilenet-v2")
    train, validation = (Split(split.name, split.images[:32], split.labels[:32]) for split in digits)
    list(fit(network, train, validation, Settings(epochs=1, batch=16, learning_rate=0.01, bfloat16=True)))
    assert not any("forward" in vars(layer) for layer in network.modules())
    assert torch.isfinite(network(validation.inputs())).all()
