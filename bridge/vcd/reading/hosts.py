"""The names of one VCD: as it is dialled, and as it names itself in login addresses and hrefs."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from bridge.vcd.documents.lenient import host_of
from bridge.vcd.login.sessions import Sessions

_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class Hosts:
    """Every ``host[:port]`` under which this VCD is known so far."""

    def __init__(self, urls: Iterable[str], sessions: Sessions) -> None:
        self._dialled = frozenset(host for url in urls if (host := host_of(url)) is not None)
        self._sessions = sessions
        self._told: set[str] = set()

    @property
    def own(self) -> frozenset[str]:
        return self._dialled | self._sessions.public_hosts | self._told

    def told(self, href: str | None) -> None:
        """VCD named one of its own objects by this href."""
        if (host := host_of(href)) is not None:
            self._told.add(host)

    def are_of(self, href: str) -> bool:
        """Whether an href that somebody else wrote is on this VCD; the scheme's own port may be left out."""
        host = host_of(href)
        port = None if host is None else _DEFAULT_PORTS.get(urlsplit(href).scheme)
        if host is None or port is None:
            return False
        return host.removesuffix(port) in {own.removesuffix(port) for own in self.own}
