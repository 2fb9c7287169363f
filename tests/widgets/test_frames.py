"""What is no message of the kernel's channel is known from its length, before anything counts to what it claims."""

import random
import struct

import pytest
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from widgets.server.connection import GuardedConnection
from widgets.server.frames import fault_of

PARTS = [b'{"msg_type":"comm_msg"}', b"{}", b"{}", b'{"data":{}}']


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


@pytest.mark.parametrize("buffers", [0, 1, 5, 1000])
def test_what_jupyter_writes_is_a_message(buffers):
    assert fault_of(serialize_msg_to_ws_v1([*PARTS, *[b"bytes"] * buffers], "shell")) is None


@pytest.mark.parametrize(
    "frame",
    [
        "text",
        b"",
        bytes(24),
        numbers(2**62, 0, 0),  # Jupyter Server would count to it
        numbers(2**63 + 1) + bytes(16),
        numbers(3, 32, 37, 37) + b"shell",  # no header
        numbers(7, 64, 69, 2**60, 2**60, 2**60, 2**60, 2**60) + b"shell",
        serialize_msg_to_ws_v1([*PARTS, *[b""] * 5000], "shell"),
        serialize_msg_to_ws_v1(PARTS, "shell") + b"x",
    ],
    ids=["text", "empty", "zeros", "many", "more", "short", "beyond", "buffers", "longer"],
)
def test_what_is_none_is_refused(frame):
    assert fault_of(frame)


def test_what_passes_can_be_taken_apart():
    """Of frames with some bytes changed; what passes is cut where its offsets say, each byte once."""
    rng, passed = random.Random(0), 0
    for _ in range(3000):
        frame = bytearray(serialize_msg_to_ws_v1([*PARTS, b"buffer"], "shell"))
        for _ in range(rng.choice([1, 2, 8])):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        if rng.random() < 0.2:
            del frame[rng.randrange(len(frame)) :]
        if fault_of(bytes(frame)) is None:
            passed += 1
            try:
                channel, parts = deserialize_msg_from_ws_v1(bytes(frame))
            except UnicodeDecodeError:  # a channel's name; the connection ends the channel at it
                continue
            assert b"".join([channel.encode(), *parts]) == frame[8 * (frame[0] + 1) :]
    assert passed > 300


class Ended(GuardedConnection):
    """One that the server has ended while its kernel and its visitor still send."""

    subprotocol = None

    def __init__(self) -> None:
        self.parsed: list[object] = []


def test_what_comes_after_the_end_is_read_and_written_in_no_protocol(monkeypatch):
    for name in ("handle_incoming_message", "handle_outgoing_message"):
        monkeypatch.setattr(ZMQChannelsWebsocketConnection, name, lambda self, *given: self.parsed.append(given))
    ended = Ended()
    ended.handle_incoming_message(struct.pack("!i", 2**31 - 1))  # of the older one two thousand million offsets
    ended.handle_outgoing_message("iopub", [b"", *PARTS, b"buffer"])  # in which Voila counts to what it is not
    assert ended.parsed == []
