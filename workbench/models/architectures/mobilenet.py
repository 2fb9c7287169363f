"""MobileNet (v1): depthwise and pointwise convolutions in turn.

Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets: Efficient Convolutional Neural Networks for
Mobile Vision Applications", arXiv 1704.04861, table 1; table 4 prints 569 million multiply-adds and 4.2 million
parameters. Its width multiplier (section 3.3) scales the channels of every layer, its resolution multiplier (3.4) the
input.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture

CATALOGUE = ("CA-15",)

BLOCKS = (
    # outputs, stride
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip


class MobileNet(nn.Module, Architecture):
    """Normalised images N x 3 x 224 x 224 (or of another resolution) to scores N x 1000."""

    title = "MobileNet"
    paper = "Howard et al. 2017, arXiv 1704.04861"
    summary = "Thirteen depthwise and pointwise convolutions in turn, for ImageNet."
    input_shape = (3, 224, 224)
    parameter_count = 4_231_976
    mac_count = 568_740_352

    def __init__(self, width: float = 1.0) -> None:
        """width: multiplies the channels of every layer."""
        super().__init__()
        inputs = round(32 * width)
        self.stem = _normalised(nn.Conv2d(3, inputs, 3, stride=2, padding=1, bias=False))
        self.blocks = nn.Sequential()
        for number, (channels, stride) in enumerate(BLOCKS, start=1):
            outputs = round(channels * width)
            depthwise = nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False)
            pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.blocks.add_module(f"depthwise{number}", _normalised(depthwise))
            self.blocks.add_module(f"pointwise{number}", _normalised(pointwise))
            inputs = outputs
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(inputs, 1000)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.flatten(self.pool(self.blocks(self.stem(images)))))


def _normalised(convolution: nn.Conv2d) -> nn.Sequential:
    """The convolution, then batch norm and ReLU."""
    layers = nn.Sequential()
    layers.add_module("conv", convolution)
    layers.add_module("bn", nn.BatchNorm2d(convolution.out_channels))
    layers.add_module("relu", nn.ReLU())
    return layers
