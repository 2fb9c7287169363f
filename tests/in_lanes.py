"""Images put into lanes and taken out of them again."""

import numpy as np

from workbench.kernels.lanes.images import Images, enter, leave
from workbench.kernels.lanes.vectors import LANES


def groups(images: int) -> int:
    """How many groups so many images fill."""
    return -(-images // LANES)


def entered(x: np.ndarray, halo: int) -> Images:
    """`x` [images, channels, height, width] in as many groups as it fills."""
    found = Images.zeros(groups(len(x)), *x.shape[1:], halo)
    enter(x, found)
    return found


def left(y: Images, count: int) -> np.ndarray:
    """The first `count` images, [count, channels, height, width]."""
    return leave(y).reshape(-1, y.channels, y.height, y.width)[:count]
