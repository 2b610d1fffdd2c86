"""The freeze switch in this process: while it is on, nothing leaves that changes VCD. Reads and logins go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.core.freeze import THAWED, Freeze
from bridge.ports import ControlTopic, Observer


class Brake:
    """Knows what the group's control topic said last; a process that has not read it yet calls nothing."""

    def __init__(self, control: ControlTopic, observer: Observer) -> None:
        self._control = control
        self._observer = observer
        self._freeze: Freeze | None = None
        self._off = asyncio.Event()
        self.on_thaw: Callable[[], None] = lambda: None
        """Called when calls may leave again."""

    @property
    def is_on(self) -> bool:
        """Nothing may leave that changes VCD."""
        return not self._off.is_set()

    @property
    def freeze(self) -> Freeze | None:
        """Why, where the group is frozen; None where it is not."""
        return self._freeze if self._freeze is not None and self._freeze.frozen else None

    async def open(self) -> None:
        """Learn what holds. Raises TemporaryError or ConfigurationError."""
        self._take(await self._control.open())

    async def run(self) -> None:
        """Follow what is said, until canceled."""
        while True:
            self._take(await self._control.next())

    async def close(self) -> None:
        await self._control.close()

    def _take(self, said: Freeze) -> None:
        before, self._freeze = self._freeze or THAWED, said
        if said.frozen != before.frozen:
            self._observer.freeze_changed(said)
        if said.frozen:
            self._off.clear()
        elif self.is_on:
            self._off.set()
            self.on_thaw()
