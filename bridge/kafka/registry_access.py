"""Where the schema registry is; apart from its client, whose import takes longer than everything else of Kafka's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Where the registry is and who asks."""

    url: str
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    timeout_seconds: float = 10.0

    def __repr__(self) -> str:
        return f"RegistryAccess({self.url!r}, username={self.username!r})"
