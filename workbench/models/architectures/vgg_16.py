"""VGG-16: thirteen 3x3 convolutions and three linear layers.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv 1409.1556, table 1,
configuration D; table 2 prints 138 million parameters. The first linear layer holds three quarters of them.
"""

from torch import Tensor, nn

from workbench.models.architectures import Architecture

CATALOGUE = ("CA-04",)

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # outputs; a pool after each stage


class VGG16(nn.Module, Architecture):
    """Normalised images N x 3 x 224 x 224 to scores N x 1000."""

    title = "VGG-16"
    paper = "Simonyan, Zisserman 2015, arXiv 1409.1556"
    summary = "Thirteen 3x3 convolutions and three linear layers, for ImageNet."
    input_shape = (3, 224, 224)
    parameter_count = 138_357_544
    mac_count = 15_470_264_320

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        self.features = nn.Sequential()
        for stage, widths in enumerate(STAGES, start=1):
            for place, outputs in enumerate(widths, start=1):
                self.features.add_module(f"conv{stage}_{place}", nn.Conv2d(inputs, outputs, 3, padding=1))
                self.features.add_module(f"relu{stage}_{place}", nn.ReLU())
                inputs = outputs
            self.features.add_module(f"pool{stage}", nn.MaxPool2d(2))
        self.flatten = nn.Flatten()
        self.fc6, self.relu6 = nn.Linear(512 * 7 * 7, 4096), nn.ReLU()
        self.fc7, self.relu7 = nn.Linear(4096, 4096), nn.ReLU()
        self.fc8 = nn.Linear(4096, 1000)

    def forward(self, images: Tensor) -> Tensor:
        x = self.flatten(self.features(images))
        return self.fc8(self.relu7(self.fc7(self.relu6(self.fc6(x)))))
