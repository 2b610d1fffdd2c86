"""What the adapter needs to know, built from the settings by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Password:
    """User name and password of a local or directory user."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A user's API token (refresh token); it does not expire and is not rotated by use."""

    token: str = field(repr=False)


Credentials = Password | ApiToken
"""How a session is opened. Service accounts, whose tokens rotate, will be a third kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VcdConfig:
    """Where VCD is and how to speak to it. Durations in seconds.

    ``read_concurrency`` bounds reads apart from calls, so that neither starves the other.
    """

    url: str
    organization: str
    credentials: Credentials
    answer_timeout: float = 30.0
    connect_timeout: float = 5.0
    lease: float = 5.0
    max_connections: int = 64
    read_concurrency: int = 16
    api_version_max: str | None = None
    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    transport: str = "fast"

    @property
    def is_provider(self) -> bool:
        return self.organization.casefold() == "system"

    @property
    def own_host(self) -> str:
        """``host[:port]`` that we dial."""
        return urlsplit(self.url).netloc

    @property
    def leave_margin(self) -> float:
        """Bound on pool, connection and TLS together: what of a lease must be left when a call begins."""
        return min(self.connect_timeout, self.lease / 2)


class CallObserver(Protocol):
    """Told of every request to VCD; reads are named by what they read."""

    def __call__(self, operation: str, result: str, http_status: int | None, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """Time and observation, injected."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], object]
    observe: CallObserver
    trouble: Callable[[str, str], None]
    """Told where something did not work and will be tried again: place, message."""
