"""Plotly's own script, out of the installed package: found here, served by the server or sent by the kernel."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.metadata import version
from importlib.resources import files


@cache
def compressed_bundle() -> bytes:
    """plotly.min.js, gzip-compressed (1.4 MB instead of 4.8)."""
    return gzip.compress((files("plotly") / "package_data" / "plotly.min.js").read_bytes(), 6, mtime=0)


def bundle_tag() -> str:
    """Changes whenever the bundle does, so that a browser may keep it for good."""
    return version("plotly")
