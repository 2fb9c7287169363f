"""Build the embedded sets from the full ones: `python -m workbench.data.embed FOLDER`.

FOLDER holds `mnist/` and `fashion-mnist/` with the four published files each. Everything is drawn with a fixed seed and
written without a time stamp, so that the same files give the same bytes.

- test: the published test images in their published order, without those that also occur among the training images.
- validation: 500 images per class out of the 60,000 training images.
- calibration: 100, and train: 900 images per class out of the rest.

The last three are drawn only from images that occur once in the 60,000, so that no copy of one is left in another
split.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.data import idx
from workbench.data.sets import SETS
from workbench.data.sets._embedded import EMBEDDED, Embedded
from workbench.data.split import SPLITS, Split, SplitName

SEED = 20170828
PER_CLASS: dict[SplitName, int] = {"validation": 500, "calibration": 100, "train": 900}
DIGESTS = Path(__file__).parent / "splits.json"

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def read_published(folder: Path, part: str) -> Arrays:
    """Images (N x 28 x 28) and labels (N) of the part "train" or "t10k" of a published set."""
    images = idx.read(folder / f"{part}-images-idx3-ubyte.gz", dimensions=3)
    labels = idx.read(folder / f"{part}-labels-idx1-ubyte.gz", dimensions=1)
    return images, labels


def draw(train: Arrays, test: Arrays) -> dict[SplitName, Arrays]:
    """The embedded splits of a published set; see the top of this file for how they are drawn."""
    images, labels = train
    counts = Counter(image.tobytes() for image in images)
    kept = np.array([image.tobytes() not in counts for image in test[0]])
    single = np.array([counts[image.tobytes()] == 1 for image in images])

    splits: dict[SplitName, Arrays] = {"test": (test[0][kept], test[1][kept])}
    random = np.random.Generator(np.random.PCG64(SEED))
    queues = [random.permutation(np.flatnonzero(single & (labels == label))) for label in range(10)]
    start = 0
    for name, count in PER_CLASS.items():
        # Mixed, so that the first images of a split already hold all classes.
        chosen = random.permutation(np.concatenate([queue[start : start + count] for queue in queues]))
        splits[name] = images[chosen], labels[chosen]
        start += count
    return splits


def published() -> list[str]:
    """The sets whose splits are drawn from published files."""
    return [name for name, source in SETS.items() if issubclass(source, Embedded)]


def embed(folder: Path) -> None:
    """Write all embedded splits and their digests. Raises `DataError` where a published file is missing or damaged."""
    found: dict[str, dict[str, str]] = {}
    for name in published():
        splits = draw(read_published(folder / name, "train"), read_published(folder / name, "t10k"))
        target = EMBEDDED / name
        target.mkdir(parents=True, exist_ok=True)
        for split, (images, labels) in splits.items():
            idx.write(target / f"{split}-images-idx3-ubyte.gz", images)
            idx.write(target / f"{split}-labels-idx1-ubyte.gz", labels)
        found[name] = {split: Split(split, splits[split][0][:, None], splits[split][1]).digest for split in SPLITS}
        print(name, {split: len(labels) for split, (_, labels) in splits.items()})
    DIGESTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    embed(Path(sys.argv[1]))
