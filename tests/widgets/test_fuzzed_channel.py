"""A visitor who sends anything, in both protocols, while another must be answered all the while."""

import asyncio
import contextlib
import json
import random
import struct
from pathlib import Path

import pytest
from jupyter_server.services.kernels.connection.base import serialize_binary_message
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClosedError

from benchmarks.servers import serving
from tests.widgets.visitors import channel, fetched, message, reply, visit
from widgets.server.frames import PROTOCOL

FRAMES = 2000
SOON = 2.0  # seconds in which the other visitor is answered
KINDS = [
    "comm_open",
    "comm_msg",
    "comm_close",
    "comm_info_request",
    "kernel_info_request",
    "execute_request",
    "\x1b[2J",
]
METHODS = ["update", "custom", "request_state", 5]
ODD = [None, True, -1, 2**63, 1e308, "", "x" * 100_000, [], {}, [[[]]], {"a": {"b": {}}}, "\ud800", "\0"]
DEEP = b"[" * 100_000


def hostile(rng: random.Random) -> bytes | str:
    """A frame: right, with odd contents, with bytes changed, of the older protocol, or random."""
    kind = rng.choice([*KINDS, "\x1b[2J"])
    content = {
        "comm_id": rng.choice([*ODD, "0" * 32]),
        "target_name": rng.choice([*ODD, "jupyter.widget"]),
        "data": rng.choice(
            [*ODD, {"method": rng.choice(["update", "custom", "request_state", 5]), "state": rng.choice(ODD)}]
        ),
    }
    frame = bytearray(message(kind, rng.choice([content, *ODD]), [b""] * rng.choice([0, 1, 50])))
    match rng.randrange(8):
        case 0:
            return bytes(frame)
        case 1:
            for _ in range(rng.choice([1, 3, 30])):
                frame[rng.randrange(len(frame))] = rng.randrange(256)
        case 2:
            frame[:8] = rng.choice([2**62, 2**63, 2**31, 4096, 7, 5]).to_bytes(8, "little")
        case 3:
            del frame[rng.randrange(len(frame)) :]
        case 4:
            return rng.randbytes(rng.choice([1, 8, 24, 200, 100_000]))
        case 5:
            older = {"header": {"msg_type": kind}, "parent_header": {}, "content": content, "buffers": [b"x"]}
            return rng.choice([serialize_binary_message(older), json.dumps({**older, "buffers": []})])
        case 6:
            return rng.choice(["", "{", json.dumps(content), DEEP.decode(), struct.pack("!i", 2**31 - 1)])
        case 7:
            return message(kind, content).replace(b'{"comm_id"', DEEP[: len(b'{"comm_id"')])
    return bytes(frame)


@pytest.mark.slow
@pytest.mark.parametrize("protocols", [[PROTOCOL], []], ids=["v1", "older"])
def test_others_are_answered_whatever_a_visitor_sends(protocols: list[str], tmp_path: Path) -> None:
    async def walk(address: str) -> None:
        kernel, others = await visit(address), await visit(address)
        other, answers = await channel(address, others), 0
        await asyncio.sleep(5)  # until both pages have their first figures
        sending = asyncio.create_task(send(address, kernel, protocols))
        while not sending.done():
            async with asyncio.timeout(SOON):
                await other.write_message(message("kernel_info_request", {}), binary=True)
                assert (await reply(other, "kernel_info_reply"))["status"] == "ok"
            async with asyncio.timeout(SOON):
                assert (await fetched(f"{address}/voila/static/voila.js")).code == 200
            answers += 1
            await asyncio.sleep(0.02)
        assert await sending == FRAMES
        assert answers > 20

    with serving("voila", tmp_path, ["--kernels", "2"]) as server:
        asyncio.run(asyncio.wait_for(walk(server.address), 600))
    assert not set("\x1b\x9b") & set((tmp_path / "voila.log").read_text())


async def send(address: str, kernel: str, protocols: list[str]) -> int:
    """Every frame, on a new channel wherever the last was ended; of the older protocol none is ever opened."""
    rng, ended = random.Random(0), True

    def hear(frame: bytes | str | None) -> None:
        nonlocal ended
        ended = ended or frame is None

    for number in range(FRAMES):
        if ended and not protocols:
            with pytest.raises(HTTPClientError, match="400"):
                await channel(address, kernel, protocols)
            continue
        if ended:
            connection, ended = await channel(address, kernel, protocols, hear), False
        frame = hostile(rng)
        with contextlib.suppress(WebSocketClosedError):
            await connection.write_message(frame, binary=isinstance(frame, bytes))
        await asyncio.sleep(0.01 if number % 4 else 0)
    return FRAMES
