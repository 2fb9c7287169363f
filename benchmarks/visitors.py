"""Many visitors of one dashboard at once, each with a kernel of its own, who move a slider as people do.

They are no browsers: a browser draws costs that it was told ahead in the pointer's own event, these wait for the answer
to every single move. What is timed is the way to the kernel and back with the costs, through the server.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from benchmarks.moves import summary
from benchmarks.servers import serving
from benchmarks.startup import kernels, memory
from widgets.dashboards.dashboard import ASKS
from widgets.server.frames import PROTOCOL
from workbench.errors import WorkbenchError

VISITORS, MOVES = 20, 30
_PAUSE = (4.0, 12.0)  # seconds between two moves of a visitor, who looks at what the last one did
_PATIENCE = 120.0
_REST = 10.0  # seconds without a move after which a kernel counts as idle


def run(
    count: int = VISITORS, moves: int = MOVES, progress: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """{"visitors", "moves", "costs", "errors", "idle_kernel"}.

    costs: summary in seconds. errors: sentences that pages showed. idle_kernel: bytes of the largest, those of pages
    of memory that several share divided among them; None where the system does not tell. Raises WorkbenchError where a
    page does not open, and TimeoutError where a move is not answered.
    """
    options = ["--kernels", str(count + 1)]
    with tempfile.TemporaryDirectory() as folder, serving("voila", Path(folder), options) as server:
        answers, errors = asyncio.run(_all(server.address, count, moves, progress))
        time.sleep(_REST)
        held = [memory(process)["pss"] for process in kernels(server)]
    return {
        "visitors": count,
        "moves": len(answers),
        "costs": summary(answers),
        "errors": errors,
        "idle_kernel": max(held, default=None),
    }


async def _all(address: str, count: int, moves: int, progress: Callable[[str], None]) -> tuple[list[float], list[str]]:
    visitors, stays, all_there = list[_Visitor](), list[asyncio.Task[list[float]]](), asyncio.Event()
    for number in range(count):  # one after the other, as they would come
        visitors.append(await _Visitor.come(address, random.Random(number)))
        stays.append(asyncio.create_task(visitors[-1].stay(moves, all_there)))
        progress(f"visitors: {number + 1} of {count} pages are open")
    all_there.set()
    found = await asyncio.gather(*stays)
    return [seconds for one in found for seconds in one], [error for one in visitors for error in one.errors]


class _Visitor:
    """One page: its channel, and the model of its panel."""

    def __init__(self, connection: WebSocketClientConnection, chance: random.Random) -> None:
        self.errors: list[str] = []
        self._connection, self._chance = connection, chance
        self._panel, self._state = "", dict[str, Any]()

    @classmethod
    async def come(cls, address: str, chance: random.Random) -> _Visitor:
        """Open the page, and wait until the figures of the untouched network are all known."""
        page = await AsyncHTTPClient().fetch(HTTPRequest(address, request_timeout=_PATIENCE))
        kernel = re.search(rb'"kernelId": "([0-9a-f-]{36})"', page.body)
        if kernel is None:
            raise WorkbenchError(f"The page at {address} began no kernel.")
        api = f"{address.replace('http', 'ws')}/api/kernels/{kernel[1].decode()}"
        channels = f"{api}/channels?session_id={uuid.uuid4()}"
        visitor = cls(await websocket_connect(channels, subprotocols=[PROTOCOL]), chance)
        async with asyncio.timeout(_PATIENCE):
            await visitor._meet()
        return visitor

    async def stay(self, moves: int, all_there: asyncio.Event) -> list[float]:
        """Seconds until the costs of each move are there; they are made at a person's pace, once all are there."""
        found = []
        while not all_there.is_set():
            await self._listen(1.0)
        for stop in self._stops(moves):
            await self._listen(self._chance.uniform(*_PAUSE))
            position = {**self._state["position"], "stops": stop}
            move = {"seq": self._state["seq"] + 1, "position": position, **dict.fromkeys(ASKS, 0)}
            begun = time.perf_counter()
            data = {"method": "update", "state": {"move": move}, "buffer_paths": []}
            await self._send("comm_msg", self._panel, data)
            async with asyncio.timeout(_PATIENCE):
                while self._state["answered"] < move["seq"]:
                    await self._hear()
            found.append(time.perf_counter() - begun)
        return found

    def _stops(self, moves: int) -> Iterator[dict[str, int]]:
        for _ in range(moves):
            yield {**self._state["position"]["stops"], "sparsity": self._chance.randrange(0, 100)}

    async def _meet(self) -> None:
        """Find the panel among the widgets of the page, as a browser does."""
        control = uuid.uuid4().hex
        await self._send("comm_open", control, {}, target_name="jupyter.widget.control", metadata={"version": "1.0.0"})
        await self._send("comm_msg", control, {"method": "request_states"})
        while not self._panel:
            content = await self._hear()
            for name, model in (content.get("data") or {}).get("states", {}).items():
                if "move" in model["state"] and "state" in model["state"]:
                    self._panel, self._state = name, model["state"]["state"]
        await self._send("comm_msg", self._panel, {"method": "custom", "content": {"kind": "hello"}})
        while self._state["stage"] != "exact":
            await self._hear()

    async def _listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._hear()
            except TimeoutError:
                return

    async def _hear(self) -> dict[str, Any]:
        """The next message's content; what it tells of the panel is kept."""
        frame = await self._connection.read_message()
        if frame is None:
            raise WorkbenchError("A kernel's channel was ended.")
        _, parts = deserialize_msg_from_ws_v1(frame)
        content: dict[str, Any] = json.loads(parts[3])
        data = content.get("data") or {}
        if self._panel and content.get("comm_id") == self._panel and data.get("method") == "update":
            self._state = data["state"].get("state", self._state)
            if self._state["error"]:
                self.errors.append(self._state["error"])
        return content

    async def _send(self, kind: str, comm: str, data: dict[str, Any], **further: Any) -> None:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "visitor", "username": "", "version": "5.3"}
        metadata = further.pop("metadata", {})
        header["date"] = "2026-01-01T00:00:00Z"
        content = {"comm_id": comm, "data": data, **further}
        parts = [json.dumps(part).encode() for part in (header, {}, metadata, content)]
        await self._connection.write_message(serialize_msg_to_ws_v1(parts, "shell"), binary=True)
