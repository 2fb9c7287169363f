"""A perceptron with one hidden layer of 20 units: a network that is small enough to be taught by a larger one.

Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 323, 1986; here with ReLU.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize


class Perceptron20(nn.Module, Architecture):
    """784-20-10 with ReLU: images N x 1 x 28 x 28 in 0..1 to scores N x 10; 15,910 parameters."""

    title = "Perceptron-20"
    paper = "Rumelhart et al. 1986, Nature 323"
    summary = "One hidden layer, 784-20-10: a student."
    input_shape = (1, 28, 28)
    parameter_count = 15_910
    mac_count = 15_880

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 20)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(20, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc2(self.relu1(self.fc1(self.flatten(self.normalize(images)))))
