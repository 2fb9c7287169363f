"""The full sets: read from a folder, or really downloaded, here from a server on loopback."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from workbench.data import datasets, full, idx
from workbench.data.sets.mnist import Mnist
from workbench.errors import DataError


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Keep the test's output clean."""


@pytest.fixture
def published(tmp_path):
    """A folder with two small training files, and the address where a real server serves it."""
    folder = tmp_path / "published"
    folder.mkdir()
    calibration = datasets.load("mnist").split("calibration")
    fresh = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    idx.write(folder / full.IMAGES, np.concatenate([calibration.images[:3, 0], fresh]))
    idx.write(folder / full.LABELS, np.arange(8, dtype=np.uint8))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def source_of(folder, url):
    files = (full.IMAGES, full.LABELS)
    return full.Source(url, {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files})


@pytest.fixture
def user_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(full.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)


def test_training_images_without_those_held_out(published, monkeypatch):
    folder, _ = published
    folder.rename(folder.parent / "mnist")
    monkeypatch.setenv(full.FOLDER_VARIABLE, str(folder.parent))
    dataset = full.load("mnist")
    assert dataset.split("train").labels.tolist() == [3, 4, 5, 6, 7]
    assert dataset.split("train").images.shape == (5, 1, 28, 28)
    assert dataset.split("test") is datasets.load("mnist").split("test")
    assert dataset.title == "MNIST"


def test_fetched_once_on_request(published, monkeypatch, user_cache):
    folder, url = published
    source = source_of(folder, url)
    monkeypatch.setattr(Mnist, "url", source.url)
    monkeypatch.setattr(Mnist, "sha256", source.sha256)
    with pytest.raises(DataError, match=r"WORKBENCH_DATA.*fetch=True"):
        full.load("mnist")
    assert len(full.load("mnist", fetch=True).split("train")) == 5
    for file in folder.iterdir():
        file.unlink()
    assert len(full.load("mnist", fetch=True).split("train")) == 5
    assert len(full.load("mnist").split("train")) == 5


def test_another_checksum_is_refused(published, tmp_path):
    folder, url = published
    source = source_of(folder, url)
    idx.write(folder / full.LABELS, np.zeros(8, dtype=np.uint8))
    with pytest.raises(DataError, match=f"{full.LABELS}.*another SHA-256"):
        full.download(source, tmp_path / "cache")
    assert not (tmp_path / "cache" / full.LABELS).exists()


def test_missing_at_the_source(published, tmp_path):
    folder, url = published
    source = source_of(folder, url)
    (folder / full.IMAGES).unlink()
    with pytest.raises(DataError, match=f"{full.IMAGES}.*cannot be fetched"):
        full.download(source, tmp_path / "cache")


def test_nobody_listens(tmp_path):
    source = full.Source("http://127.0.0.1:9/", {full.IMAGES: "0" * 64})
    with pytest.raises(DataError, match="cannot be fetched"):
        full.download(source, tmp_path)


def test_a_folder_without_the_set(monkeypatch, tmp_path):
    monkeypatch.setenv(full.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=r"mnist.*no such file"):
        full.load("mnist").split("train")


def test_images_and_labels_that_do_not_fit(published, monkeypatch):
    folder, _ = published
    idx.write(folder / full.LABELS, np.arange(7, dtype=np.uint8))
    folder.rename(folder.parent / "mnist")
    monkeypatch.setenv(full.FOLDER_VARIABLE, str(folder.parent))
    with pytest.raises(DataError, match="8 training images do not fit 7 labels"):
        full.load("mnist").split("train")


def test_unknown_set():
    with pytest.raises(DataError, match="cifar"):
        full.load("cifar", fetch=True)
