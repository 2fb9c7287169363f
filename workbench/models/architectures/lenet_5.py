"""LeNet-5 in the form of the Caffe examples, which the pruning literature uses: 20-50-500-10.

LeCun et al., Proc. IEEE 86(11), 1998, section II; the form with 431,080 parameters and one ReLU is that of Caffe's
`lenet.prototxt` and of Han et al. 2015, arXiv 1506.02626, table 4.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize

CATALOGUE = ("CA-01",)


class LeNet5(nn.Module, Architecture):
    """Images N x 1 x 28 x 28 in 0..1 to scores N x 10; 431,080 parameters, 2.293 M multiply-accumulates."""

    title = "LeNet-5"
    paper = "LeCun et al. 1998, Proc. IEEE 86(11)"
    summary = "Two 5x5 convolutions and two linear layers."
    input_shape = (1, 28, 28)
    parameter_count = 431_080
    mac_count = 2_293_000

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=5)
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(800, 500)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(500, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool1(self.conv1(self.normalize(images)))
        x = self.pool2(self.conv2(x))
        x = self.relu1(self.fc1(self.flatten(x)))
        return self.fc2(x)
