"""MNIST: handwritten digits (LeCun, Cortes, Burges)."""

from typing import ClassVar

from workbench.data.sets._embedded import Embedded


class Mnist(Embedded):
    """Grey images 1 x 28 x 28 of ten digits."""

    title = "MNIST"
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    licence = "CC BY-SA 3.0"
    source = "Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits"
    box = 20
    place = 10
    url = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    sha256: ClassVar = {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    }
