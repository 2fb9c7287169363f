"""Three different 95 % intervals, which must not be mixed.

`binomial`: how far the accuracy on these test images may lie from the accuracy on all images of their kind. It stays
wide when every test image has been seen, and is what the report prints.
`paired`: how far the accuracy on *all* test images may lie from what the ones seen so far suggest. It closes to the
exact figure when the last one has been seen.
`matched`: how far the difference of two networks on these test images may lie from that on all images of their kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z = 1.959963984540054  # two-sided 95 % of the normal distribution
SIGNIFICANT = 0.05  # a difference that chance alone makes less often is one
FEW = 30  # images whose mean is nearly normal, as a rule of thumb, however its values are spread
_ADDED = 0.5  # discordant images


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval, low <= value <= high; an end that is infinite is not known.

    All three lie within 0..1 where what is estimated does.
    """

    low: float
    value: float
    high: float

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Both, or None where one is not known."""
        return (self.low, self.high) if math.isfinite(self.high - self.low) else (None, None)


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


def paired(original_hits: int, images: int, seen: ArrayLike, gained: ArrayLike, lost: ArrayLike) -> Interval:
    """Accuracy on all `images` test images, from the first ones of each class and the original's answers to every one.

    original_hits: of the original network, on all images. seen, gained, lost: for each class the images seen, those of
    them that only the compressed network got right, and those that only the original did; the classes are seen in
    proportion (`order.class_balanced_order`). The estimate is the original's accuracy plus the mean paired difference.
    Its variance is that of stratified sampling (Cochran 1977, Sampling Techniques, 3rd edition, equation 5.14), and the
    interval is made as Agresti and Min 2005 make theirs (Statistics in Medicine 24): a quarter of an image is added to
    both discordant cells (they add half an image), so that it stays open where no difference has been seen yet. It
    applies to the unseen images only: the seen ones are known, which gives the finite population correction and closes
    the interval when all are seen. Raises ValueError for counts that cannot be.
    """
    classes, up, down = (np.atleast_1d(np.asarray(one, np.float64)) for one in (seen, gained, lost))
    count, gains, losses = int(classes.sum()), int(up.sum()), int(down.sum())
    possible = 0 < count <= images and 0 <= original_hits <= images
    if not possible or min(up.min(), down.min()) < 0 or (up + down > classes).any():
        raise ValueError(
            f"{gains} gained and {losses} lost in {count} of {images} images, {original_hits} original hits."
        )
    unseen = (images - count) / images
    difference = (gains - losses) / count
    value = (original_hits * count + (gains - losses) * images) / (images * count)  # one rounding: exact at the end
    cells = count + 2 * _ADDED
    shrunk = (gains - losses) / cells
    several = np.maximum(classes, 2)  # of one image alone the spread is not known: its difference counts in full
    spread = (up + down - np.where(classes > 1, (up - down) ** 2 / several, 0)) * several / (several - 1)
    deviation = math.sqrt((np.where(classes > 1, spread, up + down).sum() + _ADDED) / cells / cells)
    centre = original_hits / images + difference * (1 - unseen) + shrunk * unseen
    half = Z * deviation * math.sqrt(unseen)
    low, high = (value, value) if count == images else (centre - half, centre + half)
    value = min(1.0, max(0.0, value))
    return Interval(min(value, max(0.0, low)), value, max(value, min(1.0, high)))


def matched(images: int, gained: int, lost: int) -> Interval:
    """Difference of two accuracies counted on the same images: that of the second network minus that of the first.

    gained, lost: images that only the second, or only the first, answers rightly. Half an image is added to each of the
    four cells: A. Agresti and Y. Min 2005, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24. Raises ValueError for counts that cannot be.
    """
    if min(gained, lost) < 0 or gained + lost > images or images == 0:
        raise ValueError(f"{gained} gained and {lost} lost in {images} images.")
    value, cells = (gained - lost) / images, images + 4 * _ADDED
    centre = (gained - lost) / cells
    half = Z * math.sqrt((gained + lost + 2 * _ADDED) / cells - centre**2) / math.sqrt(cells)
    return Interval(max(-1.0, min(value, centre - half)), value, min(1.0, max(value, centre + half)))


def discordant(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[int, int]:
    """How many images only the second network, and only the first, answers rightly; each [images], in one order."""
    return int(np.count_nonzero(after & ~before)), int(np.count_nonzero(before & ~after))


def mcnemar(gained: int, lost: int) -> float:
    """How likely chance alone parts two networks at least as far that are right equally often: the p-value.

    gained, lost: images that only the second, or only the first, answers rightly. Exact and two-sided: each of these
    would be gained or lost with probability 1/2 (Q. McNemar, "Note on the sampling error of the difference between
    correlated proportions or percentages", Psychometrika 12, 1947).
    """
    fewer, discordant = min(gained, lost), gained + lost
    ways = total = 1
    for taken in range(fewer):
        ways = ways * (discordant - taken) // (taken + 1)
        total += ways
    return min(1.0, 2 * total / 2**discordant)


def mean(grades: ArrayLike, least: float = 0.0, most: float = 1.0) -> Interval:
    """Mean of grades of one image each, and how far it may lie from the mean over all images of their kind.

    By the central limit theorem, with the spread of the grades themselves. least, most: what a grade lies within; of
    grades that know no bound fewer than `FEW` say nothing of how far others may lie. Raises ValueError where there are
    none.
    """
    marks = np.asarray(grades, np.float64)
    if not marks.size:
        raise ValueError("0 grades have no mean.")
    value = float(marks.mean())
    half = Z * _spread(marks, least, most) / math.sqrt(marks.size)
    return Interval(min(value, max(least, value - half)), value, max(value, min(most, value + half)))


def paired_mean(known: ArrayLike, seen: ArrayLike, least: float = 0.0, most: float = 1.0) -> Interval:
    """Mean grade over all images, from those of the first ones and the grades of another network on every one.

    The other network's mean plus the mean paired difference; how far that may lie from what the unseen images will give
    (Cochran 1977, section 2.9, with the finite population correction). least, most: as in `mean`. Raises ValueError for
    more seen than known.
    """
    whole, some = np.asarray(known, np.float64), np.asarray(seen, np.float64)
    if not 0 < some.size <= whole.size:
        raise ValueError(f"{some.size} grades seen of {whole.size}.")
    difference = some - whole[: some.size]
    value = float(min(most, max(least, whole.mean() + difference.mean())))
    unseen = (whole.size - some.size) / whole.size
    half = Z * _spread(difference, least, most) * math.sqrt(unseen / some.size) if unseen else 0.0
    return Interval(max(least, value - half), value, min(most, value + half))


def mean_difference(first: ArrayLike, second: ArrayLike) -> Interval:
    """Mean over images of what the second network's score is above the first's; as `mean`, of the differences.

    Raises ValueError unless both were given the same images, one at least.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape or not one.size:
        raise ValueError(f"{one.size} and {other.size} scores cannot be compared image by image.")
    change = other - one
    half = Z * _spread(change, -math.inf, math.inf) / math.sqrt(change.size)
    return Interval(float(change.mean()) - half, float(change.mean()), float(change.mean()) + half)


def _spread(values: NDArray[np.float64], least: float, most: float) -> float:
    """Standard deviation; as large as can be where it is not known."""
    if values.size < (2 if math.isfinite(most - least) else FEW):
        return most - least
    return float(values.std(ddof=1))
