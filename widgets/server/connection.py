"""The kernel's websocket: no frame that would keep the server busy, and no Nagle's delay."""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado import web

from widgets.server.frames import PROTOCOL, fault_of

_NO_MESSAGE = 1008  # close code "policy violation" of RFC 6455
_SESSION = re.compile(r"[\w.-]{1,100}", re.ASCII)  # as a message socket's identity it may have 255 bytes


class GuardedConnection(ZMQChannelsWebsocketConnection):
    """Named as `kernel_websocket_connection_class` of both servers."""

    async def prepare(self) -> None:
        """Before the channel is opened. Raises HTTPError 400 for one in the older protocol, which is never ended."""
        offered = self.websocket_handler.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        if self.websocket_handler.select_subprotocol([name.strip() for name in offered]) != PROTOCOL:
            raise web.HTTPError(400, "A kernel's channel is opened with the subprotocol %s.", PROTOCOL)
        if not _SESSION.fullmatch(self.session.session):
            raise web.HTTPError(400, "A session is named with at most 100 letters, digits, dots and dashes.")
        await super().prepare()

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)  # every second message would be held back for 40 ms
        return super().connect()

    def handle_outgoing_message(self, stream: str, outgoing_msg: list[Any]) -> None:
        if self.subprotocol == PROTOCOL:  # else it is ended, and would be written in the older protocol
            super().handle_outgoing_message(stream, outgoing_msg)

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Hands a message on to the kernel; ends the channel at what is none."""
        if self.subprotocol != PROTOCOL:  # ended; what had arrived by then would be read as of the older protocol
            return
        fault = fault_of(incoming_msg)
        if fault is None:
            try:
                super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type]  # annotated as text only
                return
            except Exception as error:  # of whatever the parts hold in the place of JSON
                fault = f"it cannot be read ({type(error).__name__})"
        self.log.warning("A channel of kernel %s is ended: its frame is no message, %s.", self.kernel_id, fault)
        self.websocket_handler.close(_NO_MESSAGE, f"This is no message: {fault}.")
