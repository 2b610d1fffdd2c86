"""What VCD's message bus says wakes the looks that would have come anyway; nothing is concluded from it, or from its
silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.ports import Notifications

Hurry = Callable[[str], None]
"""Told the URN of a Task of which there may be news; does nothing where the Task is not one of ours."""


class Hints:
    """``hurries``: the looks that a message may wake. A storm of messages costs no more reads than there are Tasks of
    ours in a round of looking."""

    def __init__(self, notifications: Notifications, hurries: Sequence[Hurry]) -> None:
        self._notifications = notifications
        self._hurries = tuple(hurries)

    async def run(self) -> None:
        """Until canceled."""
        await self._notifications.run(self._told)

    def _told(self, task_id: str) -> None:
        for hurry in self._hurries:
            hurry(task_id)
