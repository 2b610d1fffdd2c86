"""What VCD's message bus says wakes the looks that would have come anyway; nothing is concluded from it, or from its
silence."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ports import Hint, Notifications


class Hints:
    """``hurries``: the looks that a message may wake, each of which knows which Tasks it is about. A storm of messages
    costs no more reads than there are Tasks of ours in a round of looking."""

    def __init__(self, notifications: Notifications, hurries: Sequence[Hint]) -> None:
        self._notifications = notifications
        self._hurries = tuple(hurries)

    async def run(self) -> None:
        """Until canceled."""
        await self._notifications.run(self._told)

    def _told(self, task_id: str, *, ends: bool = False) -> None:
        for hurry in self._hurries:
            hurry(task_id, ends=ends)
