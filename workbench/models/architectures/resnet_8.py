"""ResNet-8: three residual stacks of one block each.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, section 4.2, cut to one block per
stack as in MLPerf Tiny's image classification (Banbury et al., arXiv 2106.07597, section 4), for one grey channel.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize
from workbench.models.residual import Residual

CATALOGUE = {"CA-06": "ResNet-8 for 28×28 images"}


class Block(Residual):
    """Two 3x3 convolutions with batch norm, beside the identity or, where the shape changes, a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride) if changes else nn.Identity()
        self.relu2 = nn.ReLU()

    def branch(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.branch(x) + self.shortcut(x))


class ResNet8(nn.Module, Architecture):
    """Images N x 1 x 28 x 28 in 0..1 to scores N x 10; stacks of 16, 32 and 64 channels."""

    title = "ResNet-8"
    paper = "He et al. 2015, arXiv 1512.03385"
    summary = "Three residual blocks of 16, 32 and 64 channels."
    input_shape = (1, 28, 28)
    parameter_count = 77_658
    mac_count = 9_345_920

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu1 = nn.ReLU()
        self.stack1 = Block(16, 16, stride=1)
        self.stack2 = Block(16, 32, stride=2)
        self.stack3 = Block(32, 64, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(self.normalize(images))))
        x = self.stack3(self.stack2(self.stack1(x)))
        return self.fc(self.flatten(self.pool(x)))
