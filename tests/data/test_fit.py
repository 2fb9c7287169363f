"""A network and the data that judge it fit each other, or one sentence says why not; ways to bring one's own data."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workbench.compression.compressed import compress
from workbench.data.datasets import Dataset
from workbench.engine.assessment import assess
from workbench.errors import DataError, ModelError
from workbench.network.model import Model
from workbench.recipe import Recipe


def accuracy(module: nn.Module, data: Any) -> float:
    shape = Dataset.of(data).split("test").images.shape[1:]
    figures = assess(compress(Model.from_module(module, torch.zeros(1, *shape), data), Recipe())).original
    assert figures is not None and figures.accuracy is not None
    return figures.accuracy.value


def always(answer: int, classes: int) -> nn.Module:
    """Whose highest score is that of one class, whatever it sees."""
    module = nn.Linear(2, classes)
    with torch.no_grad():
        module.weight.zero_()
        module.bias.zero_()
        module.bias[answer] = 1
    return module


@pytest.mark.parametrize("classes", [2, 129, 32_769, 65_537])
def test_classes_beyond_any_small_number_are_told_apart(classes: int) -> None:
    """Of the labels last, last, 1 and 0 a network that always says the last one has two right, three of two classes."""
    labels = np.array([classes - 1, classes - 1, 1, 0])
    data = Dataset.from_arrays("own", test=(np.zeros((4, 2), np.float32), labels))
    assert accuracy(always(classes - 1, classes), data) == (labels == classes - 1).mean()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_numbers_answer_nothing(bad: float) -> None:
    """Images of a negative number are scored NaN (or ∞ − ∞), which is no vote for the first class."""

    class Undefined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = always(0, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            undefined = torch.where(x[:, :1] < 0, bad, 0.0)
            return self.layer(x) + undefined - undefined

    images = np.array([[1, 0], [1, 0], [-1, 0], [-1, 0]], np.float32)
    data = Dataset.from_arrays("own", test=(images, np.array([0, 1, 0, 0])))
    assert accuracy(Undefined(), data) == 0.25


REFUSED = {
    "a label without score": (nn.Linear(4, 2), (4,), [0, 1, 2], "Label 2 has no score: the network gives 2 of them"),
    "one output": (nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), (4,), [0, 1, 1], "gives one score an image"),
    "images of another size": (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        (1, 8, 8),
        [0, 1, 1],
        r"Split test of own has images of shape \(1, 9, 9\), and the network was given an example of shape \(1, 8, 8\)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_refused_at_the_door(kind: str) -> None:
    module, shape, labels, sentence = REFUSED[kind]
    images = np.zeros((3, 1, 9, 9) if len(shape) > 1 else (3, *shape), np.float32)
    data = Dataset.from_arrays("own", test=(images, np.array(labels)))
    with pytest.raises(DataError, match=sentence):
        Model.from_module(module, torch.zeros(1, *shape), data)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((2, 8, 9, 3)), r"np.moveaxis\(images, -1, 1\)"),
        (np.zeros((3, 8, 9)), r"of one image a batch is made by images\[None\]"),
        (np.zeros((2, 3, 9, 8)), r"example of shape \(3, 8, 9\)\."),
    ],
)
def test_images_in_another_form_are_told_how_to_fit(images: Any, sentence: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(DataError, match=sentence):
        Model.from_module(module, torch.zeros(1, 3, 8, 9), (images, np.zeros(len(images), int)))


def test_grey_images_without_their_channel_are_told_so() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(DataError, match=r"images\[:, None\] gives them their one channel"):
        Model.from_module(module, torch.zeros(1, 1, 8, 9), (np.zeros((2, 8, 9)), [0, 1]))


def test_bytes_enter_as_0_to_1_and_other_numbers_as_they_are() -> None:
    """As torchvision's ToTensor has it: 255 as a byte is 1, as a float it is 255."""
    for kind, entering in ((np.uint8, 1.0), (np.float32, 255.0), (np.int64, 255.0)):
        split = Dataset.of((np.full((2, 4), 255, kind), [0, 1])).split("test")
        assert (split.inputs() == entering).all()


def test_images_of_the_shelf_have_a_shape_too() -> None:
    module = nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(DataError, match=r"Split test of mnist has images of shape \(1, 28, 28\)"):
        Model.from_module(module, torch.zeros(1, 1, 32, 32), "mnist")


class Labels:
    """As a column of a table (pandas) is one: an array in a wrapper of its own."""

    def __init__(self, *values: object) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        words = any(isinstance(value, str) for value in self.values)
        return np.array(self.values, object if words else dtype)


NUMBERS, LABELS = np.eye(4, dtype=np.float32), np.array([0, 1, 1, 0])
BROUGHT: dict[str, Any] = {
    "arrays": (NUMBERS, LABELS),
    "a list of both": [NUMBERS, LABELS],
    "lists": (NUMBERS.tolist(), LABELS.tolist()),
    "tensors": (torch.from_numpy(NUMBERS).requires_grad_(), torch.from_numpy(LABELS)),
    "lists of tensors": ([*torch.from_numpy(NUMBERS).requires_grad_()], [*torch.from_numpy(LABELS)]),
    "bfloat16": (torch.from_numpy(NUMBERS).bfloat16(), torch.from_numpy(LABELS)),
    "what says how to become an array": (NUMBERS, Labels(0, 1, 1, 0)),
    "a TensorDataset": torch.utils.data.TensorDataset(torch.from_numpy(NUMBERS), torch.from_numpy(LABELS)),
}


@pytest.mark.parametrize("kind", BROUGHT)
def test_test_images_of_ones_own_are_brought_in_any_usual_form(kind: str) -> None:
    """Scores (x, y) of the first two of four unit vectors: right for the labels 0, 1, and 0 of the last one."""
    module = nn.Linear(4, 2, bias=False)
    module.weight.data = torch.tensor([[1.0, 0, 1, 1], [0, 1, 0, 0]])
    assert accuracy(module, BROUGHT[kind]) == 0.75


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (3, "the name of one, a folder of pictures, or .images, labels. to be tested on, not int"),
        ((NUMBERS,), "not tuple"),
        (torch.utils.data.DataLoader(BROUGHT["a TensorDataset"]), "not DataLoader; .* zip.*loader.* reads the batches"),
        ((batch for batch in [BROUGHT["tensors"]]), "not generator; .* reads the batches of a DataLoader"),
        ((NUMBERS, ["a", "b", "c", "d"]), "Split test: labels must be one list of whole numbers, .* words or objects"),
        ((NUMBERS, Labels("cat", "dog", "dog", "cat")), "words or objects: np.unique"),
        ((NUMBERS, LABELS.astype(float)), "these are float64: .* labels.astype.int. makes them"),
        ((NUMBERS, LABELS > 0), "these are true or false, which task='binary' takes"),
        ((NUMBERS, np.eye(2)[LABELS]), r"rows with a single 1 \(one-hot\): labels.argmax\(1\) gives the numbers"),
        ((NUMBERS, np.ones((4, 3), int)), r"of shape \(4, 3\), zeros and ones: task='multi-label' takes"),
        ((NUMBERS, np.full((4, 1), 3)), r"these are of shape \(4, 1\)"),
        ((NUMBERS, 3), r"these are of shape \(\)"),
        ((NUMBERS, LABELS + 1), "Label 2 has no score: .* labels count from 0, so each may be one too high"),
        ((NUMBERS, LABELS[:3]), r"3 labels do not fit images of shape \(4, 4\)"),
        ((NUMBERS[:0], []), "Split test: holds no images"),
        ((NUMBERS * np.nan, LABELS), "images hold values that are not finite"),
        ((NUMBERS[0], LABELS[:1]), r"1 labels do not fit images of shape \(4,\)"),
        (([[1.0, 2.0], [1.0]], [0, 1]), "Split test: its images are no array of numbers"),
        ((object(), LABELS), "Split test: images must be numbers"),
    ],
)
def test_what_is_no_data_is_told(data: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        Model.from_module(nn.Linear(4, 2), torch.zeros(1, 4), data)


def test_a_set_of_the_shelf_keeps_its_task_and_its_splits() -> None:
    assert Dataset.of("mnist", task="classification") is Dataset.of("mnist")
    for asked in ({"task": "binary"}, {"divide": True}):
        with pytest.raises(DataError, match=r"Data set mnist has its own task \(classification\) and its own splits"):
            Dataset.of("mnist", **asked)


def test_a_split_is_images_and_labels() -> None:
    with pytest.raises(DataError, match=r"Split calibration: must be \(images, labels\)"):
        Dataset.from_arrays("own", test=(NUMBERS, LABELS), calibration=(NUMBERS,))


@pytest.mark.parametrize("error", [KeyError("k"), AssertionError(), RuntimeError(""), ZeroDivisionError("by zero")])
def test_a_module_that_fails_on_the_images_is_told(error: Exception) -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 1:
                raise error
            return self.layer(x)

    with pytest.raises(ModelError, match=r"The network cannot run on images of shape \(4,\)"):
        accuracy(Failing(), (NUMBERS, LABELS))
