"""A small SqueezeNet: Fire modules and a convolution as classifier.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
<0.5MB model size", arXiv 1602.07360, section 3; four Fire modules, early pooling, for images of 28 x 28.
"""

import torch
from torch import Tensor, nn

from workbench.models.architectures import Architecture
from workbench.models.normalize import Normalize

CATALOGUE = {"CA-08": "Fire modules, small form for 28×28 images"}


class Fire(nn.Module):
    """A 1x1 squeeze, then 1x1 and 3x3 expansions side by side (figure 1 of the paper)."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.squeeze_relu = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_relu = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_relu(self.squeeze(x))
        return torch.cat([self.expand1x1_relu(self.expand1x1(x)), self.expand3x3_relu(self.expand3x3(x))], dim=1)


class SqueezeNet(nn.Module, Architecture):
    """Images N x 1 x 28 x 28 in 0..1 to scores N x 10; Fire modules of 128, 128, 256 and 256 channels."""

    title = "SqueezeNet, small"
    paper = "Iandola et al. 2016, arXiv 1602.07360"
    summary = "Four small Fire modules, no linear layer."
    input_shape = (1, 28, 28)
    parameter_count = 121_002
    mac_count = 9_483_264

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.fire2 = Fire(32, 16, 64)
        self.fire3 = Fire(128, 16, 64)
        self.pool3 = nn.MaxPool2d(2)
        self.fire4 = Fire(128, 32, 128)
        self.fire5 = Fire(256, 32, 128)
        self.conv10 = nn.Conv2d(256, 10, 1)
        self.pool10 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Without batch norm the signal must keep its size through ten layers (He et al., arXiv 1502.01852).
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(self.normalize(images))))
        x = self.pool3(self.fire3(self.fire2(x)))
        x = self.fire5(self.fire4(x))
        return self.flatten(self.pool10(self.conv10(x)))
