"""LeNet-5 with an exit after its first convolution.

Teerapittayanon, McDanel, Kung, "BranchyNet: fast inference via early exiting from deep neural networks", ICPR 2016,
section IV-A: its B-LeNet has one side branch of a 3x3 convolution and a linear layer. The trunk is the workbench's
LeNet-5 (`lenet_5.py`).
"""

from collections import OrderedDict

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.exits import Exit
from workbench.models.normalize import Normalize


class BranchyLeNet(nn.Module, Architecture):
    """Images N x 1 x 28 x 28 in 0..1 to scores N x 10; 435,400 parameters.

    All the way an image takes 2.475 M multiply-accumulates, 182,500 of them in the branch; to the exit, 470,500.
    """

    title = "B-LeNet"
    paper = "Teerapittayanon et al. 2016, ICPR"
    summary = "LeNet-5 with an exit after its first convolution."
    input_shape = (1, 28, 28)
    parameter_count = 435_400
    mac_count = 2_475_500

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.pool1 = nn.MaxPool2d(2)
        side = OrderedDict(
            conv=nn.Conv2d(20, 10, kernel_size=3),
            relu=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc=nn.Linear(250, 10),
        )
        rest = OrderedDict(
            conv2=nn.Conv2d(20, 50, kernel_size=5),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 500),
            relu1=nn.ReLU(),
            fc2=nn.Linear(500, 10),
        )
        self.exit = Exit(nn.Sequential(side), nn.Sequential(rest))

    def forward(self, images: Tensor) -> Tensor:
        return self.exit(self.pool1(self.conv1(self.normalize(images))))
