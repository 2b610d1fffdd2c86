"""Ports for servers that start later, kept from everything else until then."""

import socket

_kept: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Ports of loopback that stay this process's for its whole life.

    Each is bound, and not listened on: who connects is refused, and a server that sets SO_REUSEADDR, as servers do, can
    take it, also again and again. A port merely found free would be taken sooner or later as the near end of
    somebody's connection, since the kernel deals those from the same range (`ip_local_port_range`).
    """
    ports = []
    for _ in range(count):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        _kept.append(one)
        ports.append(int(one.getsockname()[1]))
    return ports
