"""LeNet-300-100: two hidden fully connected layers.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11), 1998,
section III.C.3; here with ReLU, as the pruning literature uses it (Han et al. 2015, arXiv 1506.02626, section 4.1).
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize

CATALOGUE = ("CA-02",)


class LeNet300100(nn.Module, Architecture):
    """784-300-100-10 with ReLU: images N x 1 x 28 x 28 in 0..1 to scores N x 10; 266,610 parameters."""

    title = "LeNet-300-100"
    paper = "LeCun et al. 1998, Proc. IEEE 86(11)"
    summary = "Two hidden layers, 784-300-100-10."
    input_shape = (1, 28, 28)
    parameter_count = 266_610
    mac_count = 266_200

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 300)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(300, 100)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.flatten(self.normalize(images))
        x = self.relu1(self.fc1(x))
        x = self.relu2(self.fc2(x))
        return self.fc3(x)
