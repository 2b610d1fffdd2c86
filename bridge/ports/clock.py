"""Time and randomness."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time and randomness: the only source of either for the engine."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds; never goes backward."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def random(self) -> float:
        """In [0, 1)."""
        ...
