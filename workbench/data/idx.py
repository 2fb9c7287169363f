"""Gzipped IDX files, the format in which MNIST and Fashion-MNIST are published.

An IDX file is: two zero bytes, one byte for the type (8 = unsigned byte), one byte for the number of dimensions, each
dimension as a big-endian 32-bit number, then the values in row-major order
(LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
"""

import gzip
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

UNSIGNED_BYTE = 8
MAX_BYTES = 256 * 2**20  # the largest published file holds 47 MB; anything far beyond it is not one of these sets


def read(path: str | os.PathLike[str], dimensions: int) -> NDArray[np.uint8]:
    """Read one gzipped IDX file of unsigned bytes.

    Returns an array of `dimensions` axes, in the file's order. Raises `DataError`, naming the file, where it is
    missing, not gzip, not IDX, of another type or number of dimensions, too short, or too long.
    """
    path = Path(path)
    try:
        with gzip.open(path, "rb") as file:
            header = file.read(4 + 4 * dimensions)
            shape = _shape(header, dimensions, path)
            count = 1
            for size in shape:
                count *= size
            if count > MAX_BYTES:
                raise DataError(f"{path}: claims {count:,} values, more than the limit of {MAX_BYTES:,}.")
            values = file.read(count)
            surplus = file.read(1)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a gzip file ({error}).") from error
    if len(values) < count:
        raise DataError(f"{path}: ends after {len(values):,} of {count:,} values.")
    if surplus:
        raise DataError(f"{path}: goes on after its {count:,} values.")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _shape(header: bytes, dimensions: int, path: Path) -> tuple[int, ...]:
    if len(header) < 4 or header[:2] != b"\0\0":
        raise DataError(f"{path}: is not an IDX file (its first two bytes are not zero).")
    if header[2] != UNSIGNED_BYTE:
        raise DataError(f"{path}: holds values of IDX type {header[2]}, and only unsigned bytes (8) are read.")
    if header[3] != dimensions:
        raise DataError(f"{path}: has {header[3]} dimensions where {dimensions} were expected.")
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path}: ends inside its header.")
    return struct.unpack(f">{dimensions}I", header[4:])


def write(path: str | os.PathLike[str], values: NDArray[np.uint8]) -> None:
    """Write an array of unsigned bytes as a gzipped IDX file; the same array always gives the same bytes.

    Raises `DataError` for an array of another type.
    """
    path = Path(path)
    if values.dtype != np.uint8:
        raise DataError(f"{path}: IDX files are written from unsigned bytes, and these values are {values.dtype}.")
    header = bytes([0, 0, UNSIGNED_BYTE, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    # Time and name are left out of the gzip header, so that a rebuild can be compared byte for byte.
    path.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=9, mtime=0))
