"""Cloud Director's own word that something has changed: quicker than looking, never instead of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Notifications(Protocol):
    """A bus on which messages may be lost, come twice, late, out of order, or not at all: they only wake a look."""

    async def run(self, hint: Callable[[str], None]) -> None:
        """Listen until canceled; ``hint`` is told the URN of each Task that a message names. Never raises for what the
        bus or the network does."""
        ...
