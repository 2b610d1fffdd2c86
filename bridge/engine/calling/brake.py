"""The freeze switch in this process: while it is on, nothing leaves that changes VCD. Reads and logins go on."""

from __future__ import annotations

from collections.abc import Callable

from bridge.core.freeze import THAWED, Freeze
from bridge.ports import ControlTopic, Observer


class Brake:
    """Knows what the group's control topic said last; a process that has not read it yet calls nothing."""

    def __init__(self, control: ControlTopic, observer: Observer) -> None:
        self._control = control
        self._observer = observer
        self._freeze: Freeze | None = None
        self.on_thaw: Callable[[], None] = lambda: None
        """Called when calls may leave again."""

    @property
    def is_on(self) -> bool:
        """Nothing may leave that changes VCD."""
        return self._freeze is None or self._freeze.frozen

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
        was_on, before = self.is_on, self._freeze or THAWED
        self._freeze = said
        if said.frozen != before.frozen:
            self._observer.freeze_changed(said)
        if was_on and not self.is_on:
            self.on_thaw()
