"""What the gateway needs to know, built from the settings by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from bridge.errors import ConfigurationError

USER_AGENT = "vcd-kafka-bridge"

SYSTEM = "System"
"""The provider's organization: its users may act for every organization."""


HIGHEST_KNOWN = "39.1"
"""Newest API version whose documents this bridge was written against (VCD 10.6)."""


class CallObserver(Protocol):
    """Counts exchanges with VCD that are no calls of requests: reads, queries, cancels, logins. Never raises."""

    def observe_call(self, operation: str, status: int | None, seconds: float) -> None:
        """``status`` None: no answer."""
        ...


class EventLog(Protocol):
    """A structured logger: an event's name and its facts."""

    def info(self, event: str, **facts: Any) -> Any: ...

    def warning(self, event: str, **facts: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VcdConfig:
    """Where VCD is, who the bridge is there, and how long things may take (seconds).

    ``url`` is ``https://host[:port]`` without ``/api``, ``further_urls`` are other cells of the same VCD. Either
    ``username`` and ``password``, ``api_token`` or ``service_account_token_file``.
    """

    url: str
    further_urls: tuple[str, ...] = ()
    organization: str = SYSTEM
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    api_token: str | None = field(default=None, repr=False)
    service_account_token_file: Path | None = None
    answer_timeout: float = 30.0
    connect_timeout: float = 5.0
    lease: float = 5.0
    max_concurrent_calls: int = 32
    max_concurrent_reads: int = 16
    """Reads have connections of their own: calls that VCD answers slowly do not hold up the following of Tasks."""
    max_per_second: float | None = None
    """Calls and reads together, logins apart; None: as many as come."""
    api_version_min: str = "33.0"
    """The oldest version with the login that is used here."""
    api_version_max: str = HIGHEST_KNOWN
    ca_file: Path | None = None
    """PEM; trusted besides the system's authorities."""
    client_certificate_file: Path | None = None
    """PEM with certificate and key."""
    transport: Literal["fast", "httpx"] = "fast"
    """Of what reads."""

    def __post_init__(self) -> None:
        for name, url in (("url", self.url), *(("further_urls", one) for one in self.further_urls)):
            if not url.startswith(("https://", "http://")):
                raise ConfigurationError(f"vcd.{name}: {url!r} does not begin with https://")
        object.__setattr__(self, "url", self.url.rstrip("/"))
        object.__setattr__(self, "further_urls", tuple(one.rstrip("/") for one in self.further_urls))
        has_token = self.api_token is not None or self.service_account_token_file is not None
        if not has_token and (self.username is None or self.password is None):
            raise ConfigurationError(
                "vcd: no credentials",
                hint="set vcd.username and vcd.password, or vcd.api_token, or vcd.service_account_token_file",
            )

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses, each of which answers for the whole VCD."""
        return self.url, *self.further_urls

    @property
    def is_provider(self) -> bool:
        """The login is the provider's."""
        return self.organization.casefold() == SYSTEM.casefold()

    @property
    def call_connect_timeout(self) -> float:
        """Longest wait for a connection of a call that changes VCD: once for DNS and TCP, once for TLS; whatever it
        takes, nothing leaves after the lease."""
        return min(self.connect_timeout, self.lease / 2)

    @property
    def call_pool_timeout(self) -> float:
        """Longest wait for a free connection; permits make sure that there is one, so this is short."""
        return min(0.5, self.lease / 10)
