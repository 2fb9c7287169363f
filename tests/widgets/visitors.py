"""Visitors of a dashboard's server who are no browser: they ask for addresses and send frames."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

from widgets.server.frames import PROTOCOL


async def fetched(
    address: str, headers: Mapping[str, str] | None = None, patience: float = 60, **further: Any
) -> HTTPResponse:
    """The answer, whatever its status. Raises HTTPTimeoutError where there is none."""
    request = HTTPRequest(address, headers=dict(headers or {}), request_timeout=patience, **further)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


async def visit(address: str) -> str:
    """Opens the page. The id of its kernel."""
    answer = await fetched(address)
    assert answer.code == 200, answer.body
    return page_kernel(answer.body)


def page_kernel(page: bytes) -> str:
    """The id of the kernel that a page says is its own."""
    found = re.search(rb'"kernelId": "([0-9a-f-]{36})"', page)
    assert found
    return found[1].decode()


async def channel(
    address: str, kernel: str, protocols: list[str] | None = None, hear: Callable[[Any], None] | None = None
) -> WebSocketClientConnection:
    """A channel to that kernel; hear: is handed every frame, and None at the end. Raises HTTPClientError if refused."""
    socket = f"{address.replace('http', 'ws')}/api/kernels/{kernel}/channels?session_id={uuid.uuid4()}"
    wanted = [PROTOCOL] if protocols is None else protocols
    return await websocket_connect(socket, subprotocols=wanted, on_message_callback=hear)


def message(kind: str, content: object, buffers: list[bytes] | None = None) -> bytes:
    """A frame that asks the kernel something."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "visitor", "username": "", "version": "5.3"}
    parts = [json.dumps(part).encode() for part in (header | {"date": "2026-01-01T00:00:00Z"}, {}, {}, content)]
    return serialize_msg_to_ws_v1([*parts, *(buffers or [])], "shell")


async def reply(connection: WebSocketClientConnection, kind: str) -> dict:
    """The content of the next message of that kind. Fails where the channel is ended first."""
    while (frame := await connection.read_message()) is not None:
        _, parts = deserialize_msg_from_ws_v1(frame)
        if json.loads(parts[0])["msg_type"] == kind:
            return json.loads(parts[3])
    raise AssertionError("the channel was ended")
