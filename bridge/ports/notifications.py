"""Cloud Director's own word that something has changed: quicker than looking, never instead of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SessionAccess:
    """What else than the gateway needs of the present session. ``organization_uuid`` None: VCD has not told it."""

    token: str = field(repr=False)
    organization_uuid: str | None
    is_provider: bool


class Hint(Protocol):
    """There may be news of a Task. ``ends``: what is said is that it has ended; it only says what to read first."""

    def __call__(self, task_id: str, /, *, ends: bool = False) -> None: ...


class Notifications(Protocol):
    """A bus on which messages may be lost, come twice, late, out of order, or not at all: they only wake a look."""

    async def run(self, hint: Hint) -> None:
        """Listen until canceled; ``hint`` is told the URN of each Task that a message names. Never raises for what the
        bus or the network does."""
        ...
