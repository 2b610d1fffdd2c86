"""An MQTT client whose WebSocket frames are all masked.

paho masks data, but neither its pongs nor its answers to a close; a server has to end the connection for that (RFC
6455, 5.1). So whoever is pinged by the server, or by a proxy before it, would lose the bus with each ping.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import aiomqtt


class MaskingClient(aiomqtt.Client):
    """As its base; what is overridden is not public, so a test holds it to a server that pings."""

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        # Plain TCP has no frames; here it is always a WebSocket.
        sock._create_frame = partial(_masked, sock._create_frame)  # noqa: SLF001  # there is no public way
        super()._on_socket_open(client, userdata, sock)


def _masked(create_frame: Any, opcode: int, data: bytearray, do_masking: int = 1) -> bytearray:
    frame: bytearray = create_frame(opcode, bytearray(data), 1)
    return frame
