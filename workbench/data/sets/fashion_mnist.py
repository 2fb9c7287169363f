"""Fashion-MNIST: photographs of clothes (Xiao, Rasul, Vollgraf 2017)."""

from typing import ClassVar

from workbench.data.sets._embedded import Embedded


class FashionMnist(Embedded):
    """Grey images 1 x 28 x 28 of ten kinds of clothes."""

    title = "Fashion-MNIST (early release, own split)"
    classes = (
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    )  # fmt: skip
    licence = "MIT"
    source = "H. Xiao, K. Rasul, R. Vollgraf (Zalando Research), arXiv 1708.07747"
    place = 20
    url = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
    sha256: ClassVar = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    }
