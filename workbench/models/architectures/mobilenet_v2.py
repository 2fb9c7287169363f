"""A small MobileNetV2: inverted residuals with linear bottlenecks.

Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381,
section 3; fewer and narrower blocks, with the strides set for images of 28 x 28.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize
from workbench.models.residual import Residual

CATALOGUE = {"CA-16": "small form for 28×28 images"}

BLOCKS = (
    # outputs, expansion, stride
    (16, 1, 2),
    (24, 4, 1),
    (24, 4, 1),
    (40, 4, 2),
    (40, 4, 1),
    (64, 4, 1),
    (64, 4, 1),
)


class InvertedResidual(Residual):
    """1x1 expansion, 3x3 depthwise, 1x1 projection without activation; the input is added where the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.skippable = stride == 1 and inputs == outputs
        self.expand: nn.Module = nn.Identity()
        if expansion != 1:
            self.expand = nn.Sequential()
            self.expand.add_module("conv", nn.Conv2d(inputs, inner, 1, bias=False))
            self.expand.add_module("bn", nn.BatchNorm2d(inner))
            self.expand.add_module("relu", nn.ReLU6())
        self.depthwise = nn.Sequential()
        self.depthwise.add_module(
            "conv", nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False)
        )
        self.depthwise.add_module("bn", nn.BatchNorm2d(inner))
        self.depthwise.add_module("relu", nn.ReLU6())
        self.project = nn.Sequential()
        self.project.add_module("conv", nn.Conv2d(inner, outputs, 1, bias=False))
        self.project.add_module("bn", nn.BatchNorm2d(outputs))

    def branch(self, x: Tensor) -> Tensor:
        return self.project(self.depthwise(self.expand(x)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)
        return x + y if self.skippable else y


class MobileNetV2(nn.Module, Architecture):
    """Images N x 1 x 28 x 28 in 0..1 to scores N x 10; seven inverted residuals of 16 to 64 channels."""

    title = "MobileNetV2, small"
    paper = "Sandler et al. 2018, arXiv 1801.04381"
    summary = "Seven small inverted residuals."
    input_shape = (1, 28, 28)
    parameter_count = 99_658
    mac_count = 6_366_112

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(16)
        self.stem_relu = nn.ReLU6()
        inputs = 16
        self.blocks = nn.Sequential()
        for number, (outputs, expansion, stride) in enumerate(BLOCKS, start=1):
            self.blocks.add_module(f"block{number}", InvertedResidual(inputs, outputs, expansion, stride))
            inputs = outputs
        self.head = nn.Conv2d(inputs, 160, 1, bias=False)
        self.head_bn = nn.BatchNorm2d(160)
        self.head_relu = nn.ReLU6()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(160, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem_relu(self.stem_bn(self.stem(self.normalize(images))))
        x = self.head_relu(self.head_bn(self.head(self.blocks(x))))
        return self.fc(self.flatten(self.pool(x)))
