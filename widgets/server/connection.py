"""The kernel's websocket without Nagle's delay, which would hold every second message back for 40 ms."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Named as `kernel_websocket_connection_class` of both servers."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()
