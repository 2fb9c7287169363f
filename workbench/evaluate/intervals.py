"""Two different 95 % intervals, which must not be mixed.

`binomial`: how far the accuracy on these test images may lie from the accuracy on all images of their kind. It stays
wide when every test image has been seen, and is what the report prints.
`paired`: how far the accuracy on *all* test images may lie from what the ones seen so far suggest. It closes to the
exact figure when the last one has been seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval, low <= value <= high, all within 0..1."""

    low: float
    value: float
    high: float


def binomial(hits: int, images: int) -> Interval:
    """Accuracy hits / images with Wilson's score interval.

    E. B. Wilson 1927, JASA 22(158); recommended for every n by Brown, Cai, DasGupta 2001, Statistical Science 16(2).
    Raises ValueError unless 0 <= hits <= images and images > 0.
    """
    if not 0 <= hits <= images or images == 0:
        raise ValueError(f"{hits} hits in {images} images.")
    share, scale = hits / images, 1 + Z * Z / images
    centre = (share + Z * Z / (2 * images)) / scale
    half = Z / scale * math.sqrt(share * (1 - share) / images + Z * Z / (4 * images * images))
    return Interval(max(0.0, min(share, centre - half)), share, min(1.0, max(share, centre + half)))


def paired(original_hits: int, images: int, seen: int, gained: int, lost: int) -> Interval:
    """Accuracy on all `images` test images, from the first `seen` of them and the original's answers to every one.

    original_hits: of the original network, on all images. gained: seen images that only the compressed network got
    right; lost: those that only the original got right. The estimate is the original's accuracy plus the mean paired
    difference. Its interval is that of Agresti & Min 2005 (Statistics in Medicine 24: half an image is added to each of
    the four cells), which stays open where no difference has been seen yet, applied to the unseen images only: the seen
    ones are known, which gives the finite population correction and closes the interval at seen == images.
    Raises ValueError for counts that cannot be.
    """
    if not 0 < seen <= images or not 0 <= original_hits <= images or min(gained, lost) < 0 or gained + lost > seen:
        raise ValueError(
            f"{gained} gained and {lost} lost in {seen} of {images} images, {original_hits} original hits."
        )
    unseen = (images - seen) / images
    difference = (gained - lost) / seen
    value = (original_hits * seen + (gained - lost) * images) / (images * seen)  # one rounding: exact at the end
    cells = seen + 2
    shrunk = (gained - lost) / cells
    deviation = math.sqrt(((gained + lost + 1) / cells - shrunk**2) / cells)
    centre = original_hits / images + difference * (1 - unseen) + shrunk * unseen
    half = Z * deviation * math.sqrt(unseen)
    low, high = (value, value) if seen == images else (centre - half, centre + half)
    value = min(1.0, max(0.0, value))
    return Interval(min(value, max(0.0, low)), value, max(value, min(1.0, high)))
