"""Modules and calls by what they do to channels. A call goes by its name, be it a function or a method."""

from __future__ import annotations

from torch import nn

# Of what is zero they make zero, each number on its own.
KEEP_ZERO = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh,
    nn.Hardtanh, nn.Hardswish, nn.Softsign, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Identity, nn.Dropout,
    nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout,
)  # fmt: skip
KEEP_ZERO_CALLS = {
    "relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "hardtanh", "hardswish",
    "dropout", "dropout2d", "float",
}  # fmt: skip

# Other ones that take each number on its own.
POINTWISE = (nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Softplus, nn.Threshold)
POINTWISE_CALLS = {"sigmoid", "hardsigmoid", "softplus", "clamp", "clip", "abs", "square", "sqrt", "exp", "pow"}

# Each channel on its own, all positions at once.
POOL = (nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
        nn.AdaptiveMaxPool2d)  # fmt: skip
POOL_CALLS = {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "amax"}

# They change no number, only where it stands.
MOVE = (nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle)
MOVE_CALLS = {
    "view", "reshape", "flatten", "permute", "transpose", "chunk", "split", "unbind", "getitem", "squeeze", "unsqueeze",
    "cat", "concat", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unflatten", "swapaxes", "movedim",
    "contiguous", "clone",
}  # fmt: skip

SUMS = {"add", "iadd", "sub", "isub", "add_", "sub_"}
SCALINGS = {"mul", "imul", "truediv", "itruediv", "div", "neg"}
PRODUCTS = {"matmul", "bmm"}
AVERAGES = {"mean", "amax"}  # over the axes that they are given
