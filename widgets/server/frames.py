"""Frames of the kernel's websocket, looked at before anything parses them.

Jupyter Server makes as many steps as a frame's first eight bytes say, whatever the frame's length, and Voila reads
frames that it sends in the older protocol as if they were of this one: both never come to an end.
"""

from __future__ import annotations

PROTOCOL = "v1.kernel.websocket.jupyter.org"
_WORD = 8  # bytes of a count or an offset, little-endian
_FEWEST = 6  # offsets: channel, header, parent header, metadata, content, and the end
_MOST = 4096  # offsets; a message of the workbench's page has no buffer at all


def fault_of(frame: str | bytes) -> str | None:
    """Why a frame is no message of the protocol v1, None where its channel and its parts lie inside it, in order.

    The frame is the number of offsets, the offsets, the channel, header, parent header, metadata, content, buffers
    (https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html).
    """
    if isinstance(frame, str):
        return "it is text"
    count = int.from_bytes(frame[:_WORD], "little")
    if not _FEWEST <= count <= _MOST or len(frame) < _WORD * (count + 1):
        return "it does not hold the offsets that it announces"
    places = range(_WORD, _WORD * (count + 1), _WORD)
    offsets = [int.from_bytes(frame[place : place + _WORD], "little") for place in places]
    if offsets != sorted(offsets) or offsets[0] != places.stop or offsets[-1] != len(frame):
        return "its parts do not fill it in order"
    return None
