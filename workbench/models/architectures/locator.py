"""Locator: a small convolutional network that gives one box.

Three strided convolutions and two linear layers that regress the four ends of the box, as the localisation networks of
Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun, "OverFeat", arXiv 1312.6229, section 4.1, do on their features.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize


class Locator(nn.Module, Architecture):
    """Images N x 1 x 56 x 56 in 0..1 to boxes N x 4 (see `workbench.tasks.locating`)."""

    title = "Locator"
    paper = "after Sermanet et al. 2013, arXiv 1312.6229"
    summary = "Three strided convolutions and two linear layers that give one box."
    input_shape = (1, 56, 56)
    parameter_count = 106_692
    mac_count = 708_992

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.conv1, self.relu1 = nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()
        self.conv3, self.relu3 = nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc1, self.relu4 = nn.Linear(32 * 7 * 7, 64), nn.ReLU()
        self.fc2 = nn.Linear(64, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu1(self.conv1(self.normalize(images)))
        x = self.relu3(self.conv3(self.relu2(self.conv2(x))))
        return self.fc2(self.relu4(self.fc1(self.flatten(x))))
