"""What a calibrated method may ask of the network as it stands before its step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.weights.form import Form

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """What a method may know of a layer beside its form.

    groups: above 1 marks a grouped or depthwise convolution. tied: other modules use the same weight tensor. output: it
    is the network's last layer, which gives the class scores. first: it is the first layer that the network's input
    meets. exit: it gives the scores of a side exit. special: why nothing but itself may stand in its place, as the end
    of a sentence; "" where it does what torch's layer of its kind does. called: whether a module does nothing else, so
    that what enters it can be seen and rounded.
    """

    kind: str
    groups: int
    tied: bool
    output: bool
    first: bool = False
    exit: bool = False
    special: str = ""
    called: bool = True

    @property
    def unroundable(self) -> str | None:
        """Why what enters the layer cannot be rounded, as the end of a sentence."""
        return None if self.called else "has no call of its own, so that nobody sees what enters it"

    @property
    def not_unrolled(self) -> str | None:
        """Why what enters the layer is not unrolled into what its weight multiplies, as the end of a sentence."""
        if self.special or not self.called or self.kind not in ("linear", "conv1d", "conv2d"):
            return "is neither a linear layer nor a convolution that a module of its own computes"
        return None

    @property
    def unfactorable(self) -> str | None:
        """Why the layer cannot become a product of two layers, as the end of a sentence."""
        if self.special:
            return f"{self.special}, so that no product of two layers may stand in its place"
        if self.groups > 1:
            return "is a grouped convolution, which has no product of two layers here"
        return "shares its weight with another module, which factors would untie" if self.tied else None


@dataclass(frozen=True)
class Inputs:
    """What enters a layer, over all calibration images and calls.

    low, high: the smallest and largest value. edges: float64 [bins + 1], evenly from low to high. counts: float64
    [bins], how many values lie in each. energy: float64 [channels], the mean square of each input channel.
    """

    low: float
    high: float
    edges: Floats
    counts: Floats
    energy: Floats


@dataclass(frozen=True)
class Channel:
    """Output channels that live and die together: where they are added to each other, or pass through one filter each.

    rows: (layer, row of its weight) of each. maps: (module, channel of its output) of each, as it leaves the layer and
    the batch norm that it meets first. beside: (tensor, index) of their biases and batch norms, which must be zero,
    too. columns: (layer, first row, row after the last, column) of the weights that meet them.
    """

    rows: tuple[tuple[str, int], ...]
    maps: tuple[tuple[str, int], ...]
    beside: tuple[tuple[str, int], ...]
    columns: tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Channels:
    """clusters: channels of the same layers, to be ranked among each other. reasons: layer -> why none of its outputs
    can be emptied, as the end of a sentence. offsets: layer -> (tensor, sign) to whose entry for each output what it is
    to be more at every position can be added: its own bias, or the mean of the batch norm that alone reads it."""

    clusters: tuple[tuple[Channel, ...], ...]
    reasons: Mapping[str, str]
    offsets: Mapping[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Constant:
    """What channels that hold one number everywhere add to the outputs of the layer that multiplies them.

    added: float64 [outputs], in the middle of its maps. uneven: by how much it is another at some position, at most:
    where zeros are put around the input it is at the border.
    """

    added: Floats
    uneven: float


@dataclass(frozen=True)
class Blocks:
    """How a layer's weights are cut into blocks of which the Hessian is known, as if it were zero between two of them.

    The weight is taken as a matrix [rows, edges[-1]]; a block is a run edges[k]..edges[k + 1]−1 of one of its rows.
    """

    rows: int
    edges: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], size: int) -> Blocks:
        """All of a weight [out, in / groups, ...] where it has `size` weights at most; else the weights that each
        output is a sum over, or pieces of these, as even as they can be."""
        rows, columns = (1, math.prod(shape)) if math.prod(shape) <= size else (shape[0], math.prod(shape[1:]))
        pieces = max(-(-columns // size), 1)
        return cls(rows, tuple(columns * piece // pieces for piece in range(pieces + 1)))

    @property
    def runs(self) -> tuple[slice, ...]:
        """Columns of the blocks of one row."""
        return tuple(slice(*ends) for ends in pairwise(self.edges))

    @property
    def largest(self) -> int:
        """How many weights a block has at most."""
        return max(run.stop - run.start for run in self.runs)

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return self.rows * len(self.runs)


@dataclass(frozen=True)
class Joint:
    """Where branches are added to each other or put side by side, each to be emptied as a whole.

    branches: all channels of the last layer of each, which nothing else reads; nothing needs to become of the weights
    that meet them. alone: whether nothing else comes in there, so that one of them must stay.
    """

    branches: tuple[Channel, ...]
    alone: bool


class Evidence(ABC):
    """Everything is worked out when it is first asked for, and once.

    Methods of this class raise ModelError where the network cannot be run on calibration images, DataError where it
    has none, and Stopped where the step is no longer wanted.
    """

    @property
    @abstractmethod
    def digest(self) -> str:
        """What tells it from evidence of another state or on other images: for what a method keeps of it."""

    @abstractmethod
    def inputs(self, layer: str) -> Inputs:
        """What enters that layer."""

    @abstractmethod
    def importances(self, layer: str) -> Floats:
        """How much each output channel of that layer matters to the loss, to first order; of the labelled images.

        float64 [channels]: mean over images of |mean over positions of z · ∂C/∂z|, where C is an image's loss and z the
        channel's map, behind the batch norm that it meets first (Molchanov et al. 2017, equation 7).
        """

    @abstractmethod
    def curvatures(self, layer: str) -> Floats:
        """float64, of the shape of that layer's weight: the second derivative of the loss by each weight.

        The diagonal of the Hessian as Gauss and Newton have it, a mean over images (LeCun, Denker, Solla 1989, section
        2.1); 0 or more. Of linear layers and convolutions that are called. Raises DataError where there are no class
        scores.
        """

    @abstractmethod
    def second_moments(self, layer: str) -> Floats:
        """float64, of the shape of that layer's weight: the squared gradient that an optimiser keeps a running mean of.

        What Adam holds after one pass over the labelled calibration images in small batches, each squared gradient
        counting 0.999 times the one after it, made free of its beginning at zero (Kingma and Ba 2014, algorithm 1); no
        weight moves. Of layers of one factor.
        """

    @abstractmethod
    def inverse_hessian(self, layer: str, blocks: Blocks, damping: float) -> tuple[Floats, ...]:
        """(H + damping · I)⁻¹ of the blocks of that layer's weights; H as `curvatures` has its diagonal.

        One float64 [rows, weights, weights] for each of the runs of columns. Not kept: whoever asks makes something of
        it. Of the layers that have `curvatures`; raises as that does.
        """

    @abstractmethod
    def correlations(self, layer: str) -> Floats:
        """float64, of the shape of that layer's weight: how strongly the two numbers that a weight joins go together.

        The magnitude of the correlation over images of what the weight multiplies with the sum that this goes into, a
        mean over positions; 0 where either never varies (Sun, Wang, Tang 2016, section 3.2). Of linear layers and
        convolutions that are called.
        """

    @abstractmethod
    def inbound(self, layer: str) -> Floats:
        """float64 [out, in / groups]: how differently an input channel adds to an output map from image to image.

        The variance over images of ‖w ∗ x_c‖, w the kernel between the two, the norm over positions (Polyak and Wolf
        2015, section III-A). Of linear layers and convolutions that are called.
        """

    @abstractmethod
    def moments(self, layer: str) -> Floats:
        """float64 [groups, columns, columns]: E[x xᵀ] of what each output of that layer is a sum over.

        x is the layer's input unrolled, in the order of its weight [out, columns]; a mean over images and positions.
        Only for layers that have moments (`no_moments`).
        """

    @abstractmethod
    def no_moments(self, layer: str) -> str | None:
        """Why that layer has no `moments`, as the end of a sentence; None where it has. Needs no image."""

    @abstractmethod
    def responses(self, layer: str) -> Floats:
        """How each output channel of that layer responds to each image: float64 [images, channels].

        The mean over positions of max(z, 0), where z is the channel's map behind the batch norm that it meets first.
        """

    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """[images] the label of each. Raises DataError where images carry no labels of classes."""

    @abstractmethod
    def wrong(self, forms: Mapping[str, Form], zero: Collection[tuple[str, int]], images: int) -> float:
        """How many of so many calibration images are answered wrongly where layers have these other forms.

        zero: (tensor, index) of what is zero beside the weights. The images are drawn once, all where there are fewer;
        an answer that is right in part counts in part.
        """

    @abstractmethod
    def joints(self) -> tuple[Joint, ...]:
        """Where branches come together that the network can go on without; needs no image."""

    @abstractmethod
    def propagated(self, layer: str, final: Mapping[str, Floats] | None = None) -> Floats:
        """How much each output channel of that layer weighs in the answers, by the absolute weights behind it.

        float64 [channels]: the sum over positions of the derivative of the sum of all answers, those of side exits
        among them, by the channel's map, with every weight replaced by its absolute value and every activation linear
        (Yu et al. 2018, equation 16). final: instead of the answers' sum that of what enters the layers that give
        them, times a score for each feature, layer -> float64 [features], as of `final_responses`. Needs no image.
        Raises ModelError where the network gives no derivatives.
        """

    @abstractmethod
    def final_responses(self) -> Mapping[str, Floats]:
        """Layers that give the answers, of the network or a side exit -> what enters them, float64 [images, features].

        Features are the inputs of a linear layer, the channels of a convolution; a mean over positions. Raises
        ModelError where such a layer has no call of its own.
        """

    @abstractmethod
    def normalisations(self, layer: str) -> Mapping[str, Floats]:
        """Means and variances of the batch norms between that layer and the next, measured anew: tensor -> values.

        Of the network as it stands, whose batch norms go by each batch itself; a mean over batches. Empty where no
        batch norm holds any.
        """

    @abstractmethod
    def shifts(self, layer: str) -> Mapping[str, Floats]:
        """By how much that layer's biases must grow for its outputs to have the means that they had: tensor -> values.

        Against the network as it came, behind layers whose means are right already; a mean over batches. 0 for outputs
        that are gone, weights and bias. Empty where the layer has no bias, or does more than torch's layer of its kind.
        """

    @abstractmethod
    def original(self) -> Evidence:
        """Of the network as it came, whose layers are the same ones."""

    @abstractmethod
    def weight(self, layer: str) -> NDArray[np.float32]:
        """That layer's weight as it stands, of its shape; needs no image."""

    @abstractmethod
    def macs(self, layer: str | None = None) -> int:
        """Dense multiply-accumulates of that layer, or of all, for one image; needs no image."""

    @abstractmethod
    def thresholds(self) -> Mapping[str, str]:
        """Layer that gives the scores of a side exit -> the tensor that holds the exit's threshold; needs no image."""

    @abstractmethod
    def channels(self) -> Channels:
        """The channels that can be emptied without changing anything else; needs no image."""

    @abstractmethod
    def beside(self, tensor: str) -> Floats:
        """A tensor beside the layers' weights, as it stands; needs no image."""

    @abstractmethod
    def constant(self, layer: str, inputs: Collection[int]) -> Constant:
        """What these input channels of a layer add where nothing but bias and the shift of batch norm is left of them.

        inputs: among all that enter it, each of a channel that can be emptied. Needs no image. Raises ModelError where
        the network cannot be run.
        """
