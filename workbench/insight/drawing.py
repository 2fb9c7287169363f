"""A picture from outside brought to how the images of a data set look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.data.split import Split

Pixels = NDArray[np.uint8]
_DARK, _LIGHT = 64, 192  # grey values that the ground of images lies below or above
_SEEN = 100  # images whose ground, and whose range, stand for all of a data set
_INK = 16  # grey values away from the ground, from which on something is drawn


@dataclass(frozen=True, eq=False)
class Fitted:
    """pixels: uint8 [channels, height, width]. inverted: whether light and dark had to be exchanged. boxed: whether
    what is on it was brought to the data's box and centred. blank: whether there is nothing on it."""

    pixels: Pixels
    inverted: bool
    boxed: bool
    blank: bool


def fitted(pixels: Pixels, split: Split, box: int | None) -> Fitted:
    """uint8 [channels, height, width], of the size of the split's images, as these look.

    Light and dark are exchanged where the images have a dark ground and the picture a light one, or the other way
    round. box: what is on the picture is brought into a square of that side, its shape kept, and its centre of mass put
    in the middle, as it was done with MNIST: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to
    document recognition", Proceedings of the IEEE 86, 1998, section III-A.
    """
    theirs, ours = _ground(_bytes(split.images[:_SEEN])), _ground(pixels[None])
    inverted = (theirs < _DARK and ours > _LIGHT) or (theirs > _LIGHT and ours < _DARK)
    if inverted:
        pixels = 255 - pixels
    ground = round(theirs) if box is None else 0
    there: NDArray[np.bool_] = np.any(np.abs(pixels.astype(np.int16) - ground) >= _INK, axis=0, keepdims=True)[0]
    blank = not there.any()
    if box is not None and not blank:
        pixels = _centred(_boxed(pixels, there, box), pixels.shape)
    return Fitted(pixels, inverted, box is not None and not blank, blank)


def entering(pixels: Pixels, split: Split) -> NDArray[np.float32]:
    """What the network is given of such a picture, [1, channels, height, width]: of bytes 0..1, as of the split's own
    images; else the range of its first images."""
    shares = pixels[None].astype(np.float32) / np.float32(255)
    if split.images.dtype == np.uint8:
        return shares
    low, high = float(split.images[:_SEEN].min()), float(split.images[:_SEEN].max())
    return (low + shares * np.float32(high - low)).astype(np.float32)


def _bytes(images: NDArray[np.generic]) -> Pixels:
    """Bytes as they are, floats from the smallest to the largest value of all."""
    if images.dtype == np.uint8:
        return images.view(np.uint8)
    floats = images.astype(np.float32)
    low, high = floats.min(), floats.max()
    return np.rint(255 * (floats - low) / max(high - low, np.float32(1e-12))).astype(np.uint8)


def _ground(images: Pixels) -> float:
    """The median of the outermost pixels of images [images, channels, height, width]."""
    ends = (images[:, :, 0], images[:, :, -1], images[..., 0], images[..., -1])
    return float(np.median(np.concatenate([end.reshape(-1) for end in ends])))


def _boxed(pixels: Pixels, there: NDArray[np.bool_], box: int) -> Pixels:
    """What is on a picture, its longer side `box` pixels long."""
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    cut = pixels[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = cut.shape[1:]
    scale = box / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in cut])


def _centred(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """On a dark ground of that shape, the centre of mass in the middle as near as whole pixels come; nothing is cut."""
    mass = pixels.sum(0, dtype=np.float64)
    found = np.zeros(shape, np.uint8)
    starts = []
    for axis, (side, whole) in enumerate(zip(pixels.shape[1:], shape[1:], strict=True)):
        centre = (mass.sum(1 - axis) @ (np.arange(side) + 0.5)) / mass.sum()
        start = np.ceil(whole / 2 - centre)  # so that it lies in the pixel behind the middle, as MNIST's do
        starts.append(int(np.clip(start, 0, whole - side)))
    top, left = starts
    found[:, top : top + pixels.shape[1], left : left + pixels.shape[2]] = pixels
    return found
